"""Every example runs, in a folder of its own, and does what its first line says."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

EXAMPLES = Path(__file__).parents[2] / "examples"

# What each says (numbers are checked below), and the files that it writes.
SAYS = {
    "align_and_inspect": (
        r"frame 3: scale 1.0000.*became \(6, 2\d\d, 3\d\d, 3\)",
        "alignment.json fused.png",
    ),
    "blend_two": r"\d\d% of the pixels are sharper in the far picture",
    "bunches": (r"24 frames, 4 bunches", "all.tif frames_00_07.tif frames_18_23.tif"),
    "correct_light": r"corners have (5[5-9]|6[0-5])% of the light",
    "depth_in_micrometres": (r"off by 0.\d\d in the median", "surface.glb"),
    "focus_map": (r"frame 0: +\d+ +\d+", "focus.zarr"),
    "fuse_a_folder": (r"6 frames, the sharpest is \d", "fused.tif photos/frame_5.jpg"),
    "local_cluster": r"the same to the bit: True",
    "look_at_a_region": r"\(100, 150, 3\) of it",
    "quality": r"pyramid +3\d\.\d +0\.9\d\d",
    "read_elsewhere": (
        r"resolution 0 \(3, 240, 320\).*depth \(240, 320\) float32",
        "fused.ome.zarr depth.tif",
    ),
}


def test_every_example_is_known_and_short():
    scripts = {path.stem: path.read_text() for path in EXAMPLES.glob("*.py")}
    assert set(SAYS) == set(scripts) - {"shinestacker"}
    assert all(len(script.splitlines()) < 30 for name, script in scripts.items() if name in SAYS)


@pytest.mark.parametrize("name", sorted(set(SAYS) - {"local_cluster"}))
def test_example(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    says, files = SAYS[name] if isinstance(SAYS[name], tuple) else (SAYS[name], "")
    said = capsys.readouterr().out
    assert re.search(says, said, re.DOTALL), said
    assert all(Path(file).exists() for file in files.split())


def test_the_far_picture_is_sharper_where_it_is_far(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = runpy.run_path(str(EXAMPLES / "blend_two.py"))
    far = done["pair"].truth.depth.values > 5.5
    sharper = done["fused"]["index"].values == 1
    assert (sharper == far).mean() > 0.75


def test_corrected_frames_are_equally_bright(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = runpy.run_path(str(EXAMPLES / "correct_light.py"))
    assert np.ptp(done["before"]) > 10
    assert np.ptp(done["after"]) < 1


def test_local_cluster(tmp_path):
    words = [sys.executable, "-W", "ignore", EXAMPLES / "local_cluster.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.search(SAYS["local_cluster"], done.stdout)


def test_task_array_gives_what_one_command_gives(tmp_path):
    from bigstack import fuse, open_stack, synthetic, write_image

    (tmp_path / "photos").mkdir()
    for z, frame in enumerate(synthetic.render_stack(shape=(1000, 100), frames=3, seed=2).stack):
        write_image(frame, tmp_path / "photos" / f"{z}.tif")
    folder = Path(sys.executable).parent
    quiet = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    words = ["sh", EXAMPLES / "task_array.sh", "photos", "fused.ome.zarr"]
    done = subprocess.run(words, cwd=tmp_path, env=quiet, capture_output=True, text=True, check=True)
    assert "task 1 of 2: 1 tiles" in done.stdout
    assert "task 2 of 2: 1 tiles" in done.stdout
    alone = fuse(open_stack(tmp_path / "photos")).image.values
    assert (open_stack(tmp_path / "fused.ome.zarr")[0].values == alone).all()


def test_files_hold_what_they_should(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = runpy.run_path(str(EXAMPLES / "read_elsewhere.py"))
    fused = done["fused"].compute()
    assert (np.moveaxis(done["group"]["0"][:], 0, -1) == fused.image.values).all()
    assert (tifffile.imread("depth.tif") == fused.depth.values).all()

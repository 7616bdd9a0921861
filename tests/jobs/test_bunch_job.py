"""Bunches and layers as steps of jobs and as a command's job: one pass, resumed, as stores and as folders."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

import bigstack
from bigstack import Job, open_stack
from bigstack.errors import InputError, OutputExistsError
from bigstack.io import frames as frame_files
from bigstack.jobs.bunch import BunchJob, run_bunch

from .conftest import write_frames


@pytest.fixture
def deep(tmp_path):
    return write_frames(tmp_path / "deep", 9, 4)


@pytest.fixture
def decoded(monkeypatch):
    """Numbers of the frames that were decoded."""
    found = []
    decode = frame_files.FrameSource._decode

    def noted(self, z):
        found.append(Path(self.files[z].path).stem)
        return decode(self, z)

    monkeypatch.setattr(frame_files.FrameSource, "_decode", noted)
    monkeypatch.setattr(frame_files, "FRAMES", type(frame_files.FRAMES)(frames=1, size=1))
    return found


def test_no_frame_is_decoded_twice(deep, tmp_path, decoded):
    run_bunch(BunchJob((deep,), tmp_path / "b.ome.zarr", frames=5, overlap=3, workers=1))
    assert sorted(decoded) == [f"f{z}" for z in range(9)]


def test_a_tight_memory_limit_reads_again_and_gives_the_same(deep, tmp_path, decoded, monkeypatch):
    from bigstack.jobs import bunch as module

    words = {"frames": 5, "overlap": 3, "workers": 1}
    run_bunch(BunchJob((deep,), tmp_path / "b.ome.zarr", **words))
    del decoded[:]
    monkeypatch.setattr(module, "KEPT", 0.0)
    run_bunch(BunchJob((deep,), tmp_path / "c.ome.zarr", **words))
    assert len(decoded) > 9
    np.testing.assert_array_equal(open_stack(tmp_path / "b.ome.zarr"), open_stack(tmp_path / "c.ome.zarr"))


@pytest.mark.parametrize("output", ["b.ome.zarr", "folder"])
def test_every_way_gives_the_bits_of_the_function(deep, tmp_path, output):
    expected = bigstack.bunch(open_stack(deep), frames=4, overlap=1).values
    for number, how in enumerate(({}, {"workers": 1, "tile": 64}, {"tile": 100})):
        path = tmp_path / f"{number}{output}"
        result = run_bunch(BunchJob((deep,), path, frames=4, overlap=1, **how))
        assert [span.start for span in result.spans] == [0, 3, 6][: len(result.spans)]
        np.testing.assert_array_equal(open_stack(path).values, expected)
        assert not path.with_name(path.name + ".partial").exists()


def test_a_folder_is_not_overwritten_unasked(deep, tmp_path):
    job = BunchJob((deep,), tmp_path / "out", frames=4, format="png")
    run_bunch(job)
    assert {path.name for path in job.output.iterdir()} == {f"frame_{z:04d}.png" for z in range(3)}
    with pytest.raises(OutputExistsError):
        run_bunch(job)
    job.overwrite, job.frames = True, 5
    run_bunch(job)
    assert len(list(job.output.iterdir())) == 2
    (job.output / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="not overwritten"):
        run_bunch(job)


KILLED = """
import os, signal, sys
from pathlib import Path
from bigstack.jobs import bunch, stack_output
name = "ZarrWriter" if sys.argv[2].endswith("zarr") else "FolderWriter"
writer = getattr(stack_output, name)
store = writer.store
def killed(self, z, *rest):
    if z == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return store(self, z, *rest)
writer.store = killed
bunch.run_bunch(bunch.BunchJob((Path(sys.argv[1]),), Path(sys.argv[2]), frames=3))
"""


@pytest.mark.parametrize("output", ["b.ome.zarr", "folder"])
def test_killed_and_run_again_goes_on(deep, tmp_path, output):
    died = subprocess.run([sys.executable, "-c", KILLED, deep, tmp_path / output], check=False)
    assert died.returncode == -9
    assert not (tmp_path / output).exists()
    result = run_bunch(BunchJob((deep,), tmp_path / output, frames=3))
    assert result.skipped >= 2
    expected = bigstack.bunch(open_stack(deep), frames=3).values
    np.testing.assert_array_equal(open_stack(tmp_path / output).values, expected)


def test_bunches_fused_again_in_a_job(deep, tmp_path):
    out = tmp_path / "out"
    job = (
        Job(deep, out)
        .add("bunch", frames=4, overlap=1)
        .add("fuse")
        .add("fuse", source="input", name="direct")
    )
    job.run()
    stack = open_stack(deep)
    expected = bigstack.fuse(bigstack.bunch(stack, frames=4, overlap=1).persist()).image.values
    np.testing.assert_array_equal(tifffile.imread(out / "deep-fuse.tif"), expected)
    assert len(list((out / ".bigstack").glob("*.ome.zarr"))) == 1
    assert job.run().lines()[-1].startswith("nothing to do")
    # Other bunches: the old ones are forgotten.
    job.set({"bunch.frames": 5}).run()
    assert len(list((out / ".bigstack").glob("*.ome.zarr"))) == 1


@pytest.mark.parametrize("naming", [{}, {"format": "tif"}])
def test_kept_bunches_are_computed_once(deep, tmp_path, naming):
    out = tmp_path / "out"
    job = Job(deep, out).add("bunch", frames=4, keep=True, **naming).add("fuse")
    job.run()
    kept = out / ("deep-bunch" if naming else "deep-bunch.ome.zarr")
    assert open_stack(kept).sizes["z"] == 3
    assert not list((out / ".bigstack").glob("*.ome.zarr"))
    assert job.run().lines()[-1].startswith("nothing to do")


def test_made_up_borders_of_bunches_never_win(tmp_path):
    folder = tmp_path / "moved"
    folder.mkdir()
    image = np.random.default_rng(3).integers(0, 256, (160, 200, 3), dtype=np.uint8)
    for z in range(6):
        frame = cv2.GaussianBlur(image, (0, 0), 0.5 + 0.2 * abs(z - 2))
        # Frames of the second bunch lie 12 pixels to the right of those of the first.
        cv2.imwrite(str(folder / f"f{z}.png"), np.roll(frame, 12 * (z > 2), axis=1)[:, 12:])
    job = Job(folder, tmp_path / "out").add("align", method="phase", reference=0).add("bunch", frames=3)
    flow = job.add("fuse", outputs=["image", "index"])
    flow.run()
    index = tifffile.imread(tmp_path / "out" / "moved-fuse-index.tif")
    assert (index[10:-10, -4:] == 0).all() or (index[10:-10, :4] == 0).all()


def test_layers_of_bunches_and_results(deep, tmp_path):
    out = tmp_path / "out"
    job = (
        Job(deep, out)
        .add("bunch", frames=4, name="slabs")
        .add("fuse")
        .add("layers", source=["slabs", "fuse"], hide=True)
    )
    job.run()
    with tifffile.TiffFile(out / "deep-layers.tif") as file:
        assert 37724 in file.pages[0].tags
    assert job.run().lines()[-1].startswith("nothing to do")
    with pytest.raises(InputError, match="needs the steps it takes"):
        Job(deep, out).add("fuse").add("layers").check()

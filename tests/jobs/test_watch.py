"""Watching a folder: whatever happens on the way, the result is that of the batch."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from bigstack.errors import InputError, MemoryLimitError, StackError
from bigstack.jobs import watch as module
from bigstack.jobs.stack import StackJob, run_stack
from bigstack.jobs.watch import WatchJob, run_watch

from .conftest import write_frames


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(module, "POLL", 0.01)


@pytest.fixture
def camera(tmp_path):
    return write_frames(tmp_path / "camera", 5, 6)


@pytest.fixture
def incoming(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


def job_of(folder, output, **options):
    return WatchJob(**{"inputs": (folder,), "output": output, "settle": 0.05, "frames": 5, **options})


def batch(folder, output, **options):
    run_stack(StackJob((folder,), output, **options))
    return output.read_bytes()


def deliver(camera, incoming, pause=0.05):
    """Write frames as a camera does: a part, then the rest."""

    def write():
        for path in sorted(camera.iterdir()):
            data = path.read_bytes()
            with (incoming / path.name).open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                time.sleep(pause)
                file.write(data[len(data) // 2 :])
            time.sleep(pause)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "how",
    [{}, {"method": "select"}, {"method": "average"}, {"options": {"limit_halos": True, "denoise": 0.5}}],
    ids=str,
)
def test_frames_that_come_one_by_one(camera, incoming, tmp_path, how, monkeypatch):
    previews = []
    preview = module._Watch._preview

    def looked(self):
        preview(self)
        previews.append(cv2.imread(str(self.preview)).shape)

    monkeypatch.setattr(module._Watch, "_preview", looked)
    thread = deliver(camera, incoming)
    outs = {} if how.get("method") == "average" else {"index_out": tmp_path / "i.tif"}
    result = run_watch(job_of(incoming, tmp_path / "w.tif", **how, **outs))
    thread.join()
    assert result.frames == 5
    assert previews == [(120, 160, 3)] * 4
    assert (tmp_path / "w.tif").read_bytes() == batch(camera, tmp_path / "b.tif", **how)
    left = {path.name for path in tmp_path.iterdir() if path.suffix != ".tif"}
    assert left == {"camera", "incoming"}


def test_idle_ends_it(camera, tmp_path):
    run_watch(job_of(camera, tmp_path / "w.ome.tif", frames=None, idle=0.3, method="select"))
    wanted = batch(camera, tmp_path / "b.ome.tif", method="select")
    assert len(wanted) == (tmp_path / "w.ome.tif").stat().st_size
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "w.ome.tif"), tifffile.imread(tmp_path / "b.ome.tif")
    )


def test_a_frame_that_comes_late_or_changes_starts_it_anew(camera, incoming, tmp_path):
    said, waiting = [], ["f1", "f4"]
    for name in ("f0.png", "f2.png", "f3.png"):
        shutil.copy(camera / name, incoming / name)

    def later(text):
        said.append(text)
        if text.startswith("3:") and "f1" in waiting:
            waiting.remove("f1")
            shutil.copy(camera / "f1.png", incoming / "f1.png")
        if text.startswith("4:") and "f4" in waiting:
            waiting.remove("f4")
            os.utime(incoming / "f2.png")
            shutil.copy(camera / "f4.png", incoming / "f4.png")

    run_watch(job_of(incoming, tmp_path / "w.tif"), tell=later)
    assert sum("starting anew" in text for text in said) == 2
    assert (tmp_path / "w.tif").read_bytes() == batch(camera, tmp_path / "b.tif")


def test_a_bad_frame_is_told_or_skipped(camera, incoming, tmp_path):
    for path in camera.iterdir():
        shutil.copy(path, incoming)
    (incoming / "f2.png").write_bytes((camera / "f2.png").read_bytes()[:-40])
    job = job_of(incoming, tmp_path / "w.tif", patience=0.1, frames=4)
    with pytest.raises(StackError, match=r"f2.png"):
        run_watch(job)
    job.reading = {"skip_bad": True}
    assert run_watch(job).frames == 4
    (camera / "f2.png").unlink()
    assert (tmp_path / "w.tif").read_bytes() == batch(camera, tmp_path / "b.tif")


def test_a_frame_of_another_size(camera, tmp_path):
    cv2.imwrite(str(camera / "f4.png"), np.zeros((50, 60, 3), np.uint8))
    with pytest.raises(StackError, match=r"f4.png is 60 x 50 uint8, the frames before it are 160 x 120"):
        run_watch(job_of(camera, tmp_path / "w.tif"))


def test_transparency_that_comes_later(tmp_path):
    folder = write_frames(tmp_path / "alpha", 3, 8)
    frame = cv2.imread(str(folder / "f2.png"))
    alpha = np.full((*frame.shape[:2], 1), 255, np.uint8)
    alpha[:40] = 0
    cv2.imwrite(str(folder / "f2.png"), np.concatenate([frame, alpha], axis=2))
    run_watch(job_of(folder, tmp_path / "w.tif", frames=3))
    assert (tmp_path / "w.tif").read_bytes() == batch(folder, tmp_path / "b.tif")


def test_sixteen_bits_and_large_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PREVIEW_SIDE", 50)
    folder = tmp_path / "scope"
    folder.mkdir()
    for z in range(3):
        pixels = np.random.default_rng(z).integers(0, 65536, (130, 170), dtype=np.uint16)
        tifffile.imwrite(folder / f"z{z}.tif", pixels)
    out = tmp_path / "w.ome.zarr"
    run_watch(job_of(folder, out, frames=3))
    run_stack(StackJob((folder,), tmp_path / "b.ome.zarr"))
    from bigstack import open_stack

    np.testing.assert_array_equal(open_stack(out).values, open_stack(tmp_path / "b.ome.zarr").values)


def test_an_alignment_is_the_batch_at_the_end(camera, tmp_path):
    from bigstack.jobs.align import AlignOptions
    from bigstack.jobs.correct import Step

    steps = [Step("align", {"how": AlignOptions("phase")})]
    run_watch(job_of(camera, tmp_path / "w.tif", steps=steps))
    assert (tmp_path / "w.tif").read_bytes() == batch(camera, tmp_path / "b.tif", steps=steps)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"frames": None}, InputError, "say when the stack is whole"),
        ({"method": "depth"}, InputError, "needs all frames at once"),
        ({"reading": {"every": 2}}, InputError, "--every picks frames"),
        ({"memory_limit": 1000}, MemoryLimitError, "the limit is 1"),
        ({"confidence_out": Path("c.tif")}, InputError, "gives no confidence"),
        ({"inputs": (Path("nowhere"),)}, StackError, "is no folder"),
    ],
)
def test_what_cannot_be_is_told(camera, tmp_path, monkeypatch, options, kind, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message):
        run_watch(job_of(camera, tmp_path / "w.tif", **options))
    assert not (tmp_path / "w.tif").exists()


WATCHING = """
import sys
from pathlib import Path
from bigstack.jobs import watch
watch.POLL = 0.01
job = watch.WatchJob((Path(sys.argv[1]),), Path(sys.argv[2]), frames=5, settle=0.05)
print(run := watch.run_watch(job, tell=lambda text: print(text, flush=True)).resumed, flush=True)
"""


def test_killed_and_run_again_goes_on(camera, incoming, tmp_path):
    out = tmp_path / "w.tif"
    for name in ("f0.png", "f1.png", "f2.png"):
        shutil.copy(camera / name, incoming / name)
    words = [sys.executable, "-c", WATCHING, incoming, out]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    kept = tmp_path / "w.tif.watch" / "watch.json"
    while time.monotonic() < deadline and not (
        kept.exists() and '"f2.png' in kept.read_text().replace("/", '"')
    ):
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert not out.exists()
    for name in ("f3.png", "f4.png"):
        shutil.copy(camera / name, incoming / name)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "going on after 3 frames" in done.stdout
    assert done.stdout.splitlines()[-1] == "3"
    assert out.read_bytes() == batch(camera, tmp_path / "b.tif")
    assert not kept.parent.exists()

"""A plan's bytes are those that a run decodes; a calibrated one tells the time."""

import cv2
import numpy as np
import pytest
import tifffile
import zarr

from bigstack.cluster import tasks_at_once
from bigstack.io.meter import DECODED
from bigstack.io.ring import FRAMES, THICK_CHUNKS
from bigstack.jobs.align import AlignOptions
from bigstack.jobs.correct import Step
from bigstack.jobs.stack import StackJob, plan_stack, run_stack

RANDOM = np.random.default_rng(4)
SHAPE = (6, 700, 900)


def pixels(dtype="uint8"):
    smooth = cv2.GaussianBlur(RANDOM.random(SHAPE[1:]), (0, 0), 2)
    noise = RANDOM.random(SHAPE) * 0.1
    return ((smooth + noise) * (200 if dtype == "uint8" else 50000)).astype(dtype)


def zarr_stack(path, chunks):
    array = zarr.create_array(path, shape=SHAPE, chunks=chunks, dtype="uint8", dimension_names="zyx")
    array[:] = pixels()
    return path


def frames(folder, **how):
    folder.mkdir()
    for z, frame in enumerate(pixels("uint16" if how else "uint8")):
        if how:
            tifffile.imwrite(folder / f"{z}.tif", frame, **how)
        else:
            cv2.imwrite(str(folder / f"{z}.jpg"), frame)
    return folder


KINDS = {
    "chunks": lambda path: zarr_stack(path / "s.zarr", (1, 128, 256)),
    "thick chunks": lambda path: zarr_stack(path / "s.zarr", (4, 200, 200)),
    "tiles": lambda path: frames(path / "s", tile=(128, 256), compression="zlib"),
    "one tile": lambda path: frames(path / "s", tile=(1024, 1024)),
    "strips": lambda path: frames(path / "s", rowsperstrip=37, compression="zlib"),
    "plain strips": lambda path: frames(path / "s", rowsperstrip=37),
    "frames": lambda path: frames(path / "s"),
}


def decoded(job):
    FRAMES.clear()
    THICK_CHUNKS.clear()
    before = DECODED.bytes
    run_stack(job)
    return DECODED.bytes - before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["pyramid", "select", "guided", "depth"])
def test_bytes_are_those_that_are_decoded(tmp_path, kind, method):
    source = KINDS[kind](tmp_path)
    tile = 256 if kind in ("chunks", "tiles", "thick chunks") else None
    # Of frames that are decoded whole, two workers may lose one another on a busy machine.
    workers = 1 if kind in ("frames", "one tile") else 2
    job = StackJob((source,), tmp_path / "out.tif", method=method, workers=workers, tile=tile)
    found = plan_stack(job).plan
    assert found.bytes_read == decoded(job)


def test_frames_that_are_aligned_are_decoded_before(tmp_path):
    source = KINDS["chunks"](tmp_path)
    steps = (Step("align", {"how": AlignOptions("phase")}),)
    job = StackJob((source,), tmp_path / "out.tif", steps=steps, workers=2)
    assert plan_stack(job).plan.bytes_read == pytest.approx(decoded(job), rel=0.05)


@pytest.mark.parametrize("kind", ["chunks", "frames"])
@pytest.mark.parametrize("aligned", [False, True])
def test_a_calibrated_plan_tells_the_time(tmp_path, kind, aligned):
    source = KINDS[kind](tmp_path)
    steps = (Step("align", {"how": AlignOptions("phase", save=tmp_path / "a.json")}),) if aligned else ()
    job = StackJob((source,), tmp_path / "out.tif", steps=steps, workers=2)
    found = plan_stack(job, calibrate=0.2)
    assert found.timing.work > 0
    assert (found.timing.estimates > 0) == aligned
    assert found.as_dict()["seconds"] == pytest.approx(found.timing.total, abs=0.1)
    assert not (tmp_path / "out.tif").exists()
    assert not (tmp_path / "a.json").exists()


def test_tasks_at_once_here_and_in_all():
    assert tasks_at_once(workers=3) == (3, 3)
    assert tasks_at_once(workers=3, processes=True) == (1, 3)


def test_a_plan_on_a_running_cluster_counts_its_workers(tmp_path):
    from distributed import LocalCluster

    source = KINDS["chunks"](tmp_path)
    where = {"n_workers": 2, "threads_per_worker": 3, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**where) as cluster:
        job = StackJob((source,), tmp_path / "out.tif", scheduler=cluster.scheduler_address)
        assert plan_stack(job).plan.workers == 6
        assert tasks_at_once(scheduler=cluster.scheduler_address) == (3, 6)

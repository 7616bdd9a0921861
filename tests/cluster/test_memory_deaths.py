"""Workers that the guard of their machine kills because they take too much memory."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from bigstack.io.fake import FakeSource

from .machines import Machines
from .test_failures import levels, start, wait_for

SIDE = 4080


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Two frames; all of them as one tile take 400 MB, in small tiles 250 MB."""
    folder = tmp_path_factory.mktemp("frames")
    source = FakeSource((2, SIDE, SIDE, 1), "uint8")
    for z in range(2):
        image = source.read(z, slice(0, SIDE), slice(0, SIDE))
        cv2.imwrite(str(folder / f"{z}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    return folder


def deaths(log):
    return log.read_text().count("memory budget. Restarting")


def test_a_worker_out_of_memory_is_replaced(frames, tmp_path):
    expected, out, log = tmp_path / "e.ome.zarr", tmp_path / "o.ome.zarr", tmp_path / "log"
    start(frames, expected).communicate(timeout=60)
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        machines.start_guarded_worker("300MB", log)
        run = start(frames, out, "--scheduler-file", machines.file, "--tile", SIDE)
        wait_for(lambda: deaths(log), run)
        machines.start_worker()
        _, error = run.communicate(timeout=60)
        assert run.returncode == 0, error
    for found, wanted in zip(levels(out), levels(expected), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_tiles_that_never_fit_end_the_run_with_what_to_lower(frames, tmp_path):
    out, log = tmp_path / "o.ome.zarr", tmp_path / "log"
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        machines.start_guarded_worker("300MB", log)
        run = start(frames, out, "--scheduler-file", machines.file, "--tile", SIDE)
        _, error = run.communicate(timeout=90)
    assert run.returncode == 1
    assert b"ran out of memory" in error
    assert b"--memory-limit" in error
    assert b"--tile" in error
    assert deaths(log) > 3
    assert not out.exists()


def test_memory_that_the_system_refuses_ends_the_run_with_what_to_lower(frames, tmp_path):
    """A batch system's limit, as ``ulimit -v``: the process does not die, but gets no more."""
    words = ["stack", frames, "-o", tmp_path / "o.ome.zarr", "--align", "none", "--tile", SIDE, "-q"]
    limited = (
        "import resource, sys; from bigstack.cli import main;"
        "import bigstack.fusion, bigstack.jobs.stack, cv2;"
        "now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (now + 200 * 10**6,) * 2); main(sys.argv[1:])"
    )
    run = subprocess.run(
        [sys.executable, "-c", limited, *map(str, words)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1, run.stderr
    assert "--memory-limit" in run.stderr
    assert not (tmp_path / "o.ome.zarr").exists()

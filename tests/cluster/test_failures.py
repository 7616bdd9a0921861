"""Workers, schedulers and clients that die, each run ending in the bits of an undisturbed one."""

import random
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import zarr

from bigstack.io.fake import FakeSource

from .machines import Machines

SIDE = 2040


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Six frames of 16 tiles."""
    folder = tmp_path_factory.mktemp("frames")
    source = FakeSource((6, SIDE, SIDE, 1), "uint8")
    for z in range(6):
        cv2.imwrite(str(folder / f"{z}.png"), source.read(z, slice(0, SIDE), slice(0, SIDE)))
    return folder


@pytest.fixture(scope="module")
def expected(frames, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "o.ome.zarr"
    run = start(frames, out)
    _, error = run.communicate(timeout=120)
    assert run.returncode == 0, error
    return levels(out)


def start(frames, out, *words):
    command = ["stack", frames, "-o", out, "--align", "none", "--tile", "512", "-q", *words]
    return subprocess.Popen([sys.executable, "-m", "bigstack", *map(str, command)], stderr=subprocess.PIPE)


def levels(path):
    group = zarr.open_group(path, mode="r")
    return [np.asarray(group[name]) for name in sorted(group.array_keys())]


def tiles_done(out):
    return sum(text.read_text().count(" .") for text in out.parent.glob(f"{out.name}.partial/*/done/*.txt"))


def wait_for(what, run):
    while not what():
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.02)


def assert_whole(run, out, expected, *, again=0):
    """The run ended well, with the same bits, and at most `again` tiles were stored twice."""
    _, error = run.communicate(timeout=200)
    assert run.returncode == 0, error
    for found, wanted in zip(levels(out), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    tiles = zarr.open_group(out, mode="r").attrs["bigstack"]["tiles"]
    assert tiles["of"] == 16
    assert 16 <= tiles["stored"] <= 16 + again
    assert [path.name for path in out.parent.glob(out.name + "*")] == [out.name]


def test_workers_killed_twenty_times(frames, tmp_path, expected):
    rng, out = random.Random(5), tmp_path / "o.ome.zarr"
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        for _ in range(2):
            machines.start_worker()
        run = start(frames, out, "--scheduler-file", machines.file)
        killed = 0
        while run.poll() is None and killed < 20:
            time.sleep(rng.uniform(0.2, 1.2))
            machines.kill_one(rng)
            killed += 1
        assert killed > 2
        assert_whole(run, out, expected, again=killed)


def test_a_worker_that_stops_answering(frames, tmp_path, expected):
    out = tmp_path / "o.ome.zarr"
    with Machines(tmp_path, worker_ttl="3s") as machines:
        machines.start_scheduler()
        for _ in range(2):
            machines.start_worker()
        run = start(frames, out, "--scheduler-file", machines.file)
        wait_for(lambda: tiles_done(out) > 1, run)
        machines.workers[0].send_signal(signal.SIGSTOP)
        assert_whole(run, out, expected, again=2)


def test_the_client_is_killed(frames, tmp_path, expected):
    out = tmp_path / "o.ome.zarr"
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        machines.start_worker()
        run = start(frames, out, "--scheduler-file", machines.file)
        wait_for(lambda: tiles_done(out) > 1, run)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert not out.exists()
        assert_whole(start(frames, out, "--scheduler-file", machines.file), out, expected, again=2)


def test_the_scheduler_is_killed(frames, tmp_path, expected):
    out = tmp_path / "o.ome.zarr"
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        machines.start_worker("--death-timeout", "5")
        run = start(frames, out, "--scheduler-file", machines.file)
        wait_for(lambda: tiles_done(out) > 1, run)
        machines.scheduler.kill()
        _, error = run.communicate(timeout=120)
        assert run.returncode == 1
        assert b"the same command" in error
        assert not out.exists()
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        machines.start_worker()
        assert_whole(start(frames, out, "--scheduler-file", machines.file), out, expected, again=2)

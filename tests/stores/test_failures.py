"""Runs that are killed, refused or left without space: they end in the bits of an undisturbed one."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from bigstack import open_stack
from bigstack.errors import StackError
from bigstack.io.remote import RemotePath

from .conftest import assert_equal_files, download, keys

PLAIN = ("--align", "none", "--tile", "512", "-q")


def tiles_of(description):
    return json.loads(description.read_text())["attributes"]["bigstack"]["tiles"]


def marked(bucket):
    return [name for name in keys(bucket) if "/done/0_" in name]


def wait_for(what, run):
    until = time.monotonic() + 200
    while not what():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def assert_whole(bucket, fused, tmp_path, *, again=0):
    """The store holds what a disk would and nothing else; at most `again` tiles were stored twice."""
    assert_equal_files(download(f"{bucket}/o.ome.zarr", tmp_path / "found"), fused)
    assert {name.split("/")[0] for name in keys(bucket)} == {"o.ome.zarr"}
    tiles = tiles_of(RemotePath(f"{bucket}/o.ome.zarr/zarr.json"))
    assert tiles["of"] == 9
    assert 9 <= tiles["stored"] <= 9 + again
    return tiles


def test_a_killed_client_goes_on(bucket, faulty, process, bigstack, frames, fused, tmp_path):
    stored, gone = [], threading.Event()

    def wait_behind_four(number, method, path):
        stored.extend([path] if method == "PUT" and "/done/0_" in path else [])
        if len(stored) > 3:
            gone.wait(200)

    faulty(wait_behind_four)
    words = ("stack", frames, "-o", f"{bucket}/o.ome.zarr", *PLAIN)
    run = process(*words)
    wait_for(lambda: len(stored) > 3, run)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    gone.set()
    assert "o.ome.zarr.lock" in keys(bucket)  # of a process that is dead
    with pytest.raises(StackError, match="is unfinished"):
        open_stack(f"{bucket}/o.ome.zarr")
    code, said, error = bigstack(*[word for word in words if word != "-q"])
    assert code == 0, error
    assert re.search("[3-5] of 9 tiles were there from an earlier run", said), said
    assert_whole(bucket, fused, tmp_path, again=2)


def test_a_server_that_stumbles(bucket, faulty, bigstack, frames, fused, tmp_path):
    rng = random.Random(3)
    kinds = [500, 503, "drop", "lose"]
    proxy = faulty(lambda *_: rng.choice(kinds) if rng.random() < 0.12 else None)
    assert bigstack("convert", frames, f"{bucket}/in.ome.zarr", "-q")[0] == 0
    said = bigstack("stack", f"{bucket}/in.ome.zarr", "-o", f"{bucket}/o.ome.zarr", *PLAIN)
    assert said[0] == 0, said
    assert proxy.failed > 20
    proxy.fail = lambda *_: None
    repeated = [tiles_of(RemotePath(f"{bucket}/{name}/zarr.json")) for name in ("in.ome.zarr", "o.ome.zarr")]
    assert all(5 < each["requests_repeated"] <= proxy.failed for each in repeated)
    RemotePath(f"{bucket}/in.ome.zarr").remove_below()
    assert_whole(bucket, fused, tmp_path)


def test_a_server_that_stays_away_and_comes_back(bucket, faulty, bigstack, frames, fused, tmp_path):
    stored = []

    def fail(number, method, path):
        stored.extend([path] if method == "PUT" and "/done/0_" in path else [])
        return 503 if len(stored) > 4 else None

    proxy = faulty(fail)
    words = ("stack", frames, "-o", f"{bucket}/o.ome.zarr", *PLAIN, "--workers", "1")
    code, _, said = bigstack(*words)
    assert code == 1
    assert "no answer that can be used after 8 tries" in said
    assert "503" in said
    proxy.fail = lambda *_: None
    assert not RemotePath(f"{bucket}/o.ome.zarr/zarr.json").is_file()
    there = len(marked(bucket))
    assert there == 4
    # The lock is this process's own, which lives on: in another process it would be a dead one's.
    RemotePath(f"{bucket}/o.ome.zarr.lock").unlink(missing_ok=True)
    code, _, said = bigstack(*words)
    assert code == 0, said
    assert assert_whole(bucket, fused, tmp_path)["stored"] == 9


@pytest.mark.parametrize(("place", "how"), [("disk", "threads"), ("store", "threads"), ("store", "cluster")])
def test_the_second_of_two_runs_is_refused(bucket, process, bigstack, frames, fused, tmp_path, place, how):
    how = ("--cluster", "local", "--workers", "2") if how == "cluster" else ()
    out = f"{bucket}/o.ome.zarr" if place == "store" else tmp_path / "o.ome.zarr"
    lock = RemotePath(f"{out}.lock") if place == "store" else tmp_path / "o.ome.zarr.lock"
    words = ("stack", frames, "-o", out, *PLAIN, *how)
    first = process(*words)
    try:
        wait_for(lock.is_file, first)
        first.send_signal(signal.SIGSTOP)
        code, _, said = bigstack(*words)
        assert code == 1
        assert f"another run is writing {out} (process {first.pid} on " in said
        assert f"delete {lock}" in said
    finally:
        first.send_signal(signal.SIGCONT)
        assert first.wait(200) == 0, first.communicate()
        first.communicate()
    if place == "store":
        assert_whole(bucket, fused, tmp_path)
    else:
        assert_equal_files(out, fused)


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of `size` bytes at a folder."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only the superuser can make a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_and_then_room(process, bigstack, frames, tmp_path):
    disk = tmp_path / "disk"
    out, whole = disk / "o.ome.zarr", tmp_path / "whole.ome.zarr"
    how = ("--method", "select", "--compression", "none", "--workers", "1", *PLAIN[:-1])
    assert bigstack("stack", frames, "-o", whole, *how)[0] == 0
    with small_disk(disk, 1_000_000):
        run = process("stack", frames, "-o", out, *how)
        _, said = run.communicate(timeout=200)
        assert run.returncode == 1, said
        assert f"no space to write {out}" in said
        assert "Traceback" not in said
        assert not out.exists()
        marks = [path.read_text() for path in disk.glob("*.partial/*/done/*.txt")]
        there = sum(line.startswith("0 ") for text in marks for line in text.splitlines())
        assert 1 <= there <= 4
        with pytest.raises(StackError):
            open_stack(out)
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        code, said, error = bigstack("stack", frames, "-o", out, *how)
        assert code == 0, error
        assert f"{there} of 9 tiles were there from an earlier run" in said
        assert_equal_files(out, whole)
        tiles = tiles_of(out / "zarr.json")
        assert [path.name for path in disk.iterdir()] == [out.name]
    assert (tiles["of"], tiles["stored"]) == (9, 9)


def test_a_disk_full_of_pieces_between_passes(process, bigstack, frames, fused, tmp_path):
    disk = tmp_path / "disk"
    out = disk / "o.ome.zarr"
    with small_disk(disk, 4_000_000):
        run = process("stack", frames, "-o", out, *PLAIN)
        _, said = run.communicate(timeout=200)
        assert run.returncode == 1, said
        assert "no space to keep pieces between two passes" in said
        assert not out.exists()
        assert list(disk.glob("o.ome.zarr.scratch/*"))
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        assert bigstack("stack", frames, "-o", out, *PLAIN)[0] == 0
        assert_equal_files(out, fused)
        assert [path.name for path in disk.iterdir()] == [out.name]

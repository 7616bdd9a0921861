"""bigstack stack --task I/N: a batch queue's jobs compute one output together."""

import json
import signal
import time

import cv2
import numpy as np
import pytest
import zarr

from bigstack.io.fake import FakeSource

PLAIN = ("--align", "none", "--tile", "512")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Three frames of nine tiles."""
    folder = tmp_path_factory.mktemp("frames")
    source = FakeSource((3, 1100, 1300, 1), "uint8")
    for z in range(3):
        cv2.imwrite(str(folder / f"{z}.png"), source.read(z, slice(0, 1100), slice(0, 1300)))
    return folder


@pytest.fixture
def expected(bigstack, frames, tmp_path):
    assert bigstack("stack", frames, "-o", tmp_path / "whole.ome.zarr", *PLAIN)[0] == 0
    return pixels(tmp_path / "whole.ome.zarr")


def pixels(path):
    group = zarr.open_group(path, mode="r")
    return [np.asarray(group[str(level)]) for level in range(len(list(group.array_keys())))]


def assert_same(path, expected):
    found = pixels(path)
    assert len(found) == len(expected)
    for level, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(level, other)


def test_tasks_at_once_give_the_bits_of_one_run(process, bigstack, frames, tmp_path, expected):
    out = tmp_path / "o.ome.zarr"
    words = ("stack", frames, "-o", out, "--workers", 1, *PLAIN)
    runs = [process(*words, "--task", f"{i}/3") for i in (3, 1, 2)]
    said = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert not out.exists()
    code, again, _ = bigstack(*words, "--task", "2/3")
    assert code == 0
    assert ": 0 tiles" in again  # run twice, it finds its tiles
    assert bigstack(*words, "--finish")[0] == 0
    assert_same(out, expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.ome.zarr", "whole.ome.zarr"]


def test_a_killed_task_is_run_again(process, bigstack, frames, tmp_path, expected):
    out = tmp_path / "o.ome.zarr"
    words = ("stack", frames, "-o", out, "--workers", 1, *PLAIN)
    run = process(*words, "--task", "1/1")
    partial = tmp_path / "o.ome.zarr.partial"
    while run.poll() is None and not list(partial.glob("*/done/*.txt")):
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    code, _, error = bigstack(*words, "--finish")
    assert code in (0, 1)  # a machine so fast that the task was done has nothing to say
    assert code == 0 or "tiles" in error
    if code:
        assert "--task I/N" in error
        assert bigstack(*words, "--task", "1/1")[0] == 0
        assert bigstack(*words, "--finish")[0] == 0
    assert_same(out, expected)


def test_a_plain_run_computes_what_tasks_left(bigstack, frames, tmp_path, expected):
    out = tmp_path / "o.ome.zarr"
    words = ("stack", frames, "-o", out, *PLAIN)
    assert bigstack(*words, "--task", "2/2")[0] == 0
    code, said, _ = bigstack(*words)
    assert code == 0
    assert "were there from an earlier run" in said
    assert_same(out, expected)


def test_tasks_keep_the_tiles_of_the_first(bigstack, frames, tmp_path, expected):
    out = tmp_path / "o.ome.zarr"
    first = ("stack", frames, "-o", out, "--align", "none")
    assert bigstack(*first, "--tile", "512", "--task", "1/2")[0] == 0
    # Another machine would plan other tiles.
    code, said, _ = bigstack(*first, "--tile", "1024", "--task", "1/2")
    assert (code, ": 0 tiles" in said) == (0, True), said
    assert bigstack(*first, "--task", "2/2")[0] == 0
    noted = json.loads((tmp_path / "o.ome.zarr.partial" / "run.json").read_text())["tile"]
    assert bigstack(*first, "--finish")[0] == 0
    assert_same(out, expected)
    assert noted == [512, 512]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--finish",), "no task has begun"),
        (("--task", "1/2", "--finish"), "give one of them"),
        (("--task", "3/2"), "such as 3/8"),
        (("--task", "0/2"), "such as 3/8"),
        (("--task", "x"), "such as 3/8"),
    ],
)
def test_what_cannot_be_is_said(bigstack, frames, tmp_path, words, says):
    code, _, error = bigstack("stack", frames, "-o", tmp_path / "o.ome.zarr", *PLAIN, *words)
    assert code == 2
    assert says in error
    assert list(tmp_path.iterdir()) == []


def test_tasks_need_an_output_that_takes_tiles_in_any_order(bigstack, frames, tmp_path):
    code, _, error = bigstack("stack", frames, "-o", tmp_path / "o.tif", "--task", "1/2", *PLAIN)
    assert code == 2
    assert ".ome.zarr outputs only" in error
    assert list(tmp_path.iterdir()) == []


def test_another_run_is_not_joined(bigstack, frames, tmp_path):
    words = ("stack", frames, "-o", tmp_path / "o.ome.zarr", *PLAIN)
    assert bigstack(*words, "--task", "1/2")[0] == 0
    code, _, error = bigstack(*words, "--levels", "3", "--task", "2/2")
    assert code != 0
    assert "it was another one" in error

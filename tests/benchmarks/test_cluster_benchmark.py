"""The benchmarks of worker processes and of scale run, tiny."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def modules():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import cluster
        import scale

        yield cluster, scale
    finally:
        sys.path.remove(str(BENCHMARKS))


def run(command, *words):
    result = CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_memory_of_workers(modules):
    _, line = run(modules[0].main, "memory", "average", "--shape", "wide", "--shrink", 64, "--tile", 256)
    *_, worker, resident, driver, fits = line.split()
    assert 100 < float(worker) < float(resident) < 1000
    assert 50 < float(driver) < 1000
    assert fits == "fits"


def test_speed_of_workers(modules, tmp_path):
    words = ("--side", 512, "--frames", 2, "--tile", 256, "--runs", 0, "--folder", tmp_path)
    lines = run(modules[0].main, "speed", *words)
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["1", "thread"], ["2", "threads"], ["1", "process"], ["2", "processes"]
    ]  # fmt: skip
    assert all(float(number) > 0 for line in lines[1:5] for number in line.split()[2:4])
    assert [line.split(":")[0] for line in lines[5:]] == ["by the clock", "by processor seconds"]


def test_scheduling(modules):
    lines = run(modules[1].main, "schedule", "--tiles", 16)
    found = dict(line.rsplit(None, 1) for line in lines)
    assert found["tiles"] == "16"
    assert float(found["seconds to build it"]) < 1
    assert float(found["scheduler, CPU ms a tile"]) > 0


def test_bytes_read_are_those_that_tasks_read(modules):
    """The halo of the pyramid is 44 pixels, on a grid of 8."""
    assert modules[1].read_bytes("pyramid", 2048, 512, 1) == 6**2 * 512**2 / 2048**2
    assert modules[1].read_bytes("pyramid", 2048, 8, 1) == pytest.approx((2048 + 2 * 48) ** 2 / 2048**2)
    assert len(run(modules[1].main, "reads")) == 6


def test_what_is_left_after_the_tiles(modules):
    lines = run(modules[1].main, "tail", "--side", 1024, "--frames", 1, "--tile", 512)
    assert [line.split()[0] for line in lines] == ["tiles", "levels", "finish"]


def test_prediction(modules):
    lines = run(modules[1].main, "predict", "--side", 100_000)
    hours = [float(line.split()[1]) for line in lines[2:5]]
    assert hours == sorted(hours, reverse=True)
    assert "6 merges" in run(modules[1].main, "statistics")[-1]

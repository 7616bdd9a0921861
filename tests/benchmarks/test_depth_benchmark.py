"""The depth benchmark runs, tiny, and its numbers mean what their names say."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    """The script, whose name `depth` must not stay in the list of modules."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import depth
    finally:
        sys.path.remove(str(BENCHMARKS))
    return sys.modules.pop("depth", depth)


def test_a_line_for_each_scene_and_their_mean(benchmark):
    arguments = ["--scenes", "ramp,steps", "--size", "96x128", "--block", "64", "--oracle"]
    result = CliRunner().invoke(benchmark.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split()[0] == "rmse"
    assert [line.split()[0] for line in lines] == ["ramp", "steps", "mean"]
    assert float(lines[0].split()[1]) < 0.5


def test_coverage_is_the_share_within_so_many_sigmas(benchmark):
    error, sigma = np.array([0.5, 1.5, 2.5, 9.0]), np.ones(4)
    where = np.array([True, True, True, False])
    assert [benchmark.coverage(error, sigma, where, n) for n in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_steps_are_edges_and_slopes_are_not(benchmark):
    depth = np.tile(np.linspace(0, 1, 60), (60, 1))
    assert benchmark.away_from_edges(depth).all()
    depth[:, 30:] += 5
    far = benchmark.away_from_edges(depth)
    assert far[:, :21].all()
    assert not far[:, 25:35].any()


def test_valid_is_scored_where_there_is_texture_and_where_there_is_none(benchmark):
    textured, nothing = benchmark.void(0, (96, 480), 2.0)
    assert textured > 99
    assert nothing < 10


def test_the_oracle_errs_only_where_the_nearest_texture_is_of_another_depth(benchmark):
    image, depth = np.zeros((9, 40, 3)), np.zeros((9, 40))
    image[:, 0], image[:, 39], depth[:, 10:] = 200, 200, 3.0
    assert benchmark.oracle(image, depth) == pytest.approx(3 * np.sqrt(10 / 40), abs=0.05)

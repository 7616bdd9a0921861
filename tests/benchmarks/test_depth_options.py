"""The benchmark of depth's choices runs, tiny, and each line is what it says."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import depth_options
    finally:
        sys.path.remove(str(BENCHMARKS))
    return depth_options


def test_a_line_for_each_choice(benchmark):
    arguments = ["refine", "--scenes", "five", "--size", "48x64"]
    result = CliRunner().invoke(benchmark.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(benchmark.GROUPS["refine"])
    scores = {line.split("|")[1].strip(): float(line.split("|")[2]) for line in lines[2:]}
    assert len(set(scores.values())) > 5
    assert max(scores.values()) < 1


def test_every_choice_can_be_made(benchmark):
    from bigstack.kernels.depth.recipe import recipe_of

    for choices in benchmark.GROUPS.values():
        assert len({recipe_of(**options) for options in choices.values()}) >= len(choices) - 1


def test_unknown_groups_are_named(benchmark):
    result = CliRunner().invoke(benchmark.main, ["refin"])
    assert "refine" in str(result.exception)

"""The benchmark of pruning runs, tiny."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def prunes():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        sys.modules.pop("prune", None)
        import prune
    finally:
        sys.path.remove(str(BENCHMARKS))
    return prune


def test_scenes_are_fused_both_ways(prunes, tmp_path):
    words = ["tilted", "--plain", "--side", "512", "--frames", "40", "--folder", str(tmp_path / "p")]
    result = CliRunner().invoke(prunes.main, [*words, "--methods", "pyramid,select"], catch_exceptions=False)
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()[1:]]
    assert [row[1] for row in rows] == ["pyramid", "select"]
    assert all(float(row[2][:-1]) < 75 and float(row[3][:-1]) > 96 for row in rows)
    assert not (tmp_path / "p").exists()


def test_what_was_to_be_reached_is_checked(prunes):
    assert prunes.misses("tilted", {"read": 0.3, "same": 0.9995}) == []
    assert len(prunes.misses("tilted", {"read": 0.4, "same": 0.99})) == 2

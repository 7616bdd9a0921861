"""The benchmark of plans runs, tiny; what does not depend on the machine's load holds."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def plans():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        sys.modules.pop("plan", None)
        import plan
    finally:
        sys.path.remove(str(BENCHMARKS))
    return plan


def test_plans_are_held_against_runs(plans, tmp_path):
    words = ["tiff16", "--folder", str(tmp_path), "--shrink", "10", "--seconds", "0.3"]
    result = CliRunner().invoke(plans.main, words)
    rows = [line.split() for line in result.output.splitlines()[1:]]
    assert [row[1] for row in rows] == ["memory", "bytes", "seconds"]
    assert rows[1][-2:] == ["+0%", "pass"]
    assert rows[0][-1] == "pass"
    assert result.exit_code == ("MISS" in result.output)


def test_a_miss_is_told(plans, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "make", lambda case, place: place)
    monkeypatch.setattr(plans, "plan", lambda words, seconds: {"memory": 2e6, "bytes": 1e6, "seconds": 1.3})
    monkeypatch.setattr(plans, "run", lambda words, place: {"memory": 1e6, "bytes": 1e6, "seconds": 1.0})
    result = CliRunner().invoke(plans.main, ["jpeg", "--keep", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.count("MISS") == 1
    assert result.output.count("pass") == 2

"""The benchmark of reports runs, tiny."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def reports():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import reports
    finally:
        sys.path.remove(str(BENCHMARKS))
    return reports


def test_a_case_is_timed_with_and_without_a_report(reports, tmp_path):
    words = ["photographs", "--folder", str(tmp_path), "--shrink", "16"]
    result = CliRunner().invoke(reports.main, words, catch_exceptions=False)
    assert result.exit_code == 0
    _, without, shown, _, _, size = result.output.splitlines()[-1].split()
    assert 0 < float(without) < float(shown) * 3
    assert 0.01 < float(size) < 15

"""The speed benchmark runs, tiny, on every kind of stack it makes."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def speed():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import speed
    finally:
        sys.path.remove(str(BENCHMARKS))
    return speed


@pytest.mark.parametrize("case", ["jpeg", "fast", "guided", "tiff16", "tiff16t", "zarr"])
def test_a_case_is_made_and_timed(speed, tmp_path, case):
    words = [case, "--folder", str(tmp_path), "--runs", "0", "--shrink", "16"]
    result = CliRunner().invoke(speed.main, words, catch_exceptions=False)
    assert result.exit_code == 0
    name, pixels, _, _, busy, anonymous, resident = result.output.splitlines()[-1].split()
    assert name == case
    assert float(pixels) > 1
    assert float(busy) > 0.1
    assert 0 < float(anonymous) <= float(resident) < 2000

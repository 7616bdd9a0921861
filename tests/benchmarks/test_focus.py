"""The benchmark of focus regions runs, tiny."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import focus
    finally:
        sys.path.remove(str(BENCHMARKS))
        sys.modules.pop("focus", None)
    return focus


def test_an_image_and_its_border(benchmark):
    words = ["image", "border", "--size", "90x120", "--runs", "1"]
    result = CliRunner().invoke(benchmark.main, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.count("Mpix/s") == 2
    assert "focus_response left out" in result.stdout
    shares = benchmark.border_shares(benchmark.photograph(300, 400))
    assert set(shares) == {"replicate", "reflect", "constant"}
    assert 0.3 < shares["replicate"] < 2


def test_the_other_program_is_run_by_its_own_python(benchmark, tmp_path):
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 0.5\n")
    other.chmod(0o755)
    found = benchmark.time_image(benchmark.photograph(60, 80), 1, str(other), tmp_path)
    assert found["focus_response, 3 scales"] == 0.5
    assert found["bigstack, 3 scales"] < 0.5


def test_a_large_image_goes_through_the_command(benchmark, tmp_path):
    source = benchmark.make_large(300, tmp_path)
    assert benchmark.make_large(300, tmp_path) == source
    seconds, peak = benchmark.run_large(source, tmp_path, ["--bandwidth", "10"])
    assert 0 < seconds < 120
    assert peak > 10**7
    assert [path.name for path in tmp_path.iterdir()] == [source.name]

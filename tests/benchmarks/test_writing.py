"""The benchmark of writing runs, tiny, over every format and way."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import writing
    finally:
        sys.path.remove(str(BENCHMARKS))
    return writing


def test_every_way_is_measured(benchmark, tmp_path):
    output = tmp_path / "records.json"
    arguments = ["--size", "600x700", "--json", str(output)]
    result = CliRunner().invoke(benchmark.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    records = json.loads(output.read_text())
    assert {record["format"] for record in records} == set(benchmark.WAYS)
    assert len(result.stdout.splitlines()) == 2 + len(records)
    size = {(r["dtype"], r["format"], *r["options"].values()): r["percent"] for r in records}
    assert size["uint8", "tif", "deflate"] < size["uint8", "tif", "none"]
    assert size["uint8", "jpg", 95] < size["uint8", "png", 1]
    assert size["float32", "npy"] == pytest.approx(100, abs=1)

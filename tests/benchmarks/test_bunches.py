"""The benchmark of bunches runs, tiny, and its scenes lose little."""

import json
import sys
from pathlib import Path

from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_bunching_costs_less_than_half_a_decibel(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bunches

    output = tmp_path / "records.json"
    words = ["--scenes", "ramp,steps,hairs", "--size", "120x160", "--json", str(output)]
    result = CliRunner().invoke(bunches.main, words, catch_exceptions=False)
    assert result.exit_code == 0
    records = json.loads(output.read_text())
    assert [record["scene"] for record in records] == ["ramp", "steps", "hairs"]
    assert all(record["bunches"] < record["frames"] for record in records)
    assert min(record["bunched"] - record["direct"] for record in records) > -0.5
    sys.modules.pop("bunches", None)

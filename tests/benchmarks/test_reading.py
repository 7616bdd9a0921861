"""The benchmark of reading runs, tiny."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(("kind", "rows"), [("jpeg", 1), ("tiff", 7), ("zarr", 8)])
def test_every_stack_is_made_and_read(kind, rows, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sys.modules.pop("reading", None)
    import reading

    arguments = [kind, "--side", "300", "--frames", "2", "--runs", "1"]
    result = CliRunner().invoke(reading.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    lines = result.output.splitlines()[1:]
    assert len(lines) >= rows
    assert all(float(number) > 0 for line in lines for number in line.split()[-4:])

"""The benchmark of corrections runs, tiny, and finds what it must."""

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
        import corrections
    finally:
        sys.path.remove(str(BENCHMARKS))
    return corrections


@pytest.fixture
def run(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "SCENES", ("flat",))

    def call(part):
        output = tmp_path / "records.json"
        arguments = [part, "--size", "72x96", "--seeds", "1", "--json", str(output)]
        result = CliRunner().invoke(benchmark.main, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        assert f"## {part}" in result.output
        return json.loads(output.read_text())[part]

    return call


def test_balance(run):
    records = {(r["space"], r["curve"]): r for r in run("balance")}
    assert len(records) == 15
    assert records["rgb", "linear"]["luminance % before"] > 5
    assert records["rgb", "linear"]["after"] < 1
    assert records["rgb", "linear"]["tint after"] < 1


def test_flicker(run):
    for record in run("flicker"):
        assert record["global step %"] < 1  # of 12 % between frames
        assert record["global worst %"] < 15


def test_vignetting(run):
    for record in run("vignetting"):
        assert record["gradients worst"] < 0.02
        assert record["rings worst"] < 0.02


def test_hot_pixels(run):
    for record in run("hot"):
        if record["rule"] == "noise":
            assert record["false"] == 0
            assert record["found"] >= 0.8 * record["hot"]
            assert record["after"] < 0.3 * record["error before"]


def test_noise(run):
    records = run("noise")
    assert all(record["bigstack"] > record["noisy"] - 0.1 for record in records)


def test_speed(run):
    assert {record["step"] for record in run("speed")} > {"read only", "denoise", "vignetting", "balance lab"}

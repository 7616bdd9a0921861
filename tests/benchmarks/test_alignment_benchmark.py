"""The benchmark of alignment runs, tiny, and finds what it must."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import alignment
    finally:
        sys.path.remove(str(BENCHMARKS))
    return alignment


@pytest.fixture
def run(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "SCENES", benchmark.SCENES[:1])

    def call(part, *words, frames=10):
        output = tmp_path / "records.json"
        size = ("--size", "200x260", "--seeds", "1", "--frames", str(frames))
        result = CliRunner().invoke(
            benchmark.main, [part, *size, "--json", str(output), *words], catch_exceptions=False
        )
        assert result.exit_code == 0
        assert f"## {part}" in result.output
        return json.loads(output.read_text())[part]

    return call


def test_truth(run):
    (record,) = run("truth")
    assert record["median px"] < 0.15
    assert record["max px"] < 0.5


def test_bad_frames(run):
    (record,) = run("bad", frames=12)
    assert record["bad"] == record["named"] == 1
    assert record["falsely named"] == 0
    assert record["max px of the rest"] < 0.5


def test_still(run):
    assert all(record["identity"] for record in run("still", frames=6))


def test_drift(run):
    (record,) = run("drift", frames=3)
    assert record["frames"] == 25
    assert record["last to first px"] < 1


def test_photographs(run, tmp_path):
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 255, (460, 520, 3), dtype=np.uint8), (0, 0), 2)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    (tmp_path / "photos").mkdir()
    for z, (x, y) in enumerate([(0, 0), (2, 1), (3, -1)]):
        noise = rng.normal(0, 2, (400, 460, 3))
        frame = scene[20 + y : 420 + y, 20 + x : 480 + x] + noise
        cv2.imwrite(str(tmp_path / "photos" / f"{z}.png"), np.clip(frame, 0, 255).astype(np.uint8))
    (record,) = run("real", "--photos", str(tmp_path / "photos"))
    assert record["median px before"] > 1.5
    assert record["median px left"] < 0.1
    assert record["ECC px before"] > 1.5
    assert record["ECC px left"] < 0.1
    assert record["ECC px left, shift and turn"] < 0.1
    assert record["px no similarity mends"] < 0.1


def test_speed(run):
    records = run("speed")
    assert [record["what"].split(",")[0] for record in records] == ["align", "align and fuse", "fuse"]
    assert all(record["peak MB"] > 50 and record["Mpixel/s"] > 0 for record in records)


def test_the_measures_see_a_shift_that_is_there(benchmark):
    rng = np.random.default_rng(1)
    frame = cv2.GaussianBlur(rng.integers(0, 255, (400, 400), dtype=np.uint8), (0, 0), 1.5)
    values = np.stack([frame, np.roll(frame, (1, 2), (0, 1))])[..., None]
    stack = xr.DataArray(values, dims=("z", "y", "x", "channel"))
    shifts = benchmark.block_shifts(stack)
    np.testing.assert_allclose(np.median(shifts[:, 3:], axis=0), (-2, -1), atol=0.05)
    assert benchmark.median(benchmark.unmended(shifts)) < 0.05
    for motion in (cv2.MOTION_AFFINE, cv2.MOTION_EUCLIDEAN):
        assert benchmark.ecc_shifts(stack, motion)[0] == pytest.approx(np.hypot(1, 2), abs=0.05)

"""The benchmark of focus measures runs, tiny, and ranks what is plainly better first."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import focus_measures
    finally:
        sys.path.remove(str(BENCHMARKS))
    return focus_measures


def run(benchmark, *arguments):
    result = CliRunner().invoke(benchmark.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_tables_have_every_measure_and_condition(benchmark, tmp_path):
    output = tmp_path / "records.json"
    where = ["--scenes", "hill", "--seeds", "1", "--size", "60x80", "--windows", "9"]
    names = ["laplacian", "modified_laplacian", "log_energy"]
    text = run(benchmark, "--measures", ",".join(names), *where, "--json", str(output))
    for heading in ("By noise", "By contrast", "By window", "By scene", "Mpix/s"):
        assert heading in text
    records = json.loads(output.read_text())
    assert {record["measure"] for record in records} == set(names)
    assert {record["noise"] for record in records} == set(benchmark.NOISE)

    def error(**conditions):
        found = [r["rmse"] for r in records if all(r[k] == v for k, v in conditions.items())]
        return np.mean(found)

    alike = {"measure": "modified_laplacian", "contrast": 1.0}
    assert error(**alike, noise=5.0, window=9) < error(**alike, noise=5.0, window="default")
    assert error(**alike, noise=1.0, window=9) < error(**alike, noise=10.0, window=9)
    assert error(measure="laplacian", noise=1.0, contrast=0.25) > error(
        measure="laplacian", noise=1.0, contrast=1.0
    )


def test_all_measures_find_the_depth_of_a_clean_scene(benchmark):
    shot = benchmark.render("hill", 3, (64, 80), 0.0, 1.0)
    for measure in benchmark.MEASURES.values():
        assert benchmark.depth_error(shot, benchmark.windowed(measure, 9)) < 1.2, measure.name


def test_recorded_stacks_are_read_with_their_truth(benchmark, tmp_path):
    shot = benchmark.render("hill", 3, (64, 80), 0.0, 1.0)
    for z, frame in enumerate(shot.frames):
        cv2.imwrite(str(tmp_path / f"image_{z + 1}.png"), frame)
    np.save(tmp_path / "gt_index.npy", shot.depth[4:-4, 4:-4])
    text = run(benchmark, "--measures", "sml", "--windows", "9", "--real", str(tmp_path))
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 4]
    errors = {row[1].strip(): float(row[2]) for row in rows if row[2].strip()[0].isdigit()}
    assert 0.25 < errors["(truth, to whole frames)"] < errors["sml"] < 1
    # Between frames nothing keeps errors from being less than whole frames can have.
    assert errors["sml, three-point peak"] < errors["sml"]
    assert errors["(depth_from_focus)"] < errors["(depth_from_focus, to whole frames)"]

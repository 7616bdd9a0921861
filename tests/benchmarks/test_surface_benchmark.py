"""The benchmark of surfaces runs, tiny, and its errors are those of the meshes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    """The script, whose name must not stay in the list of modules."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import surface
    finally:
        sys.path.remove(str(BENCHMARKS))
    return sys.modules.pop("surface", surface)


def test_errors_of_three_ways(benchmark, tmp_path, capsys):
    y, x = np.mgrid[:120, :160]
    tifffile.imwrite(tmp_path / "d.tif", (10 * np.exp(-((x - 50) ** 2 + (y - 60) ** 2) / 200)).astype("f4"))
    benchmark.main(["error", str(tmp_path / "d.tif"), "--triangles", "300", "1500"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1].strip() for row in rows] == ["300", "1500"]
    for row in rows:
        surface, _, grid = (float(value) for value in row[2:])
        assert surface < 0.5 * grid  # a lonely hill is where adaptive meshes win


def test_a_plain_grid_of_all_pixels_misses_nothing(benchmark):
    heights = np.random.default_rng(1).normal(0, 1, (20, 30))
    count, missed = benchmark.plain_grid(heights, 2 * 20 * 30)
    assert (count, missed) == (2 * 19 * 29, pytest.approx(0, abs=1e-12))


def test_sizes_of_every_command(benchmark, capsys):
    benchmark.main(["size", "--side", "256", "--triangles", "1000"])
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == ["surface", "picture", "roughness"]
    assert all(0.05 < float(line.split("|")[3]) < 2 for line in lines)

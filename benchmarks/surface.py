"""Surfaces of depth maps: how near meshes of so many triangles are, and what large maps take.

    python benchmarks/surface.py error DEPTH... --triangles 2000 10000 50000
    python benchmarks/surface.py size --side 16384 --triangles 500000

`error` compares the mesh that `bigstack.surface` makes with a plain grid of as many triangles and with the
same network without weights of area, by the root mean square of the heights they miss, in units of the map.
`size` writes a rough map of `side` x `side` pixels and measures the command: seconds, and anonymous memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

import bigstack
from bigstack.io.maps import open_map
from bigstack.kernels.mesh.build import cut
from bigstack.kernels.mesh.raster import lay_over


def plain_grid(heights: np.ndarray, triangles: int) -> tuple[int, float]:
    """Triangles of the plain grid of at most so many, and the RMS that it misses the heights by."""
    side = np.sqrt(2 * heights.size / triangles)
    count = [max(2, int(size / side)) for size in heights.shape]
    lines = [
        np.unique(np.rint(np.linspace(0, n - 1, k)).astype(int))
        for n, k in zip(heights.shape, count, strict=True)
    ]
    level = heights[np.ix_(*lines)].astype(np.float64)
    down = np.stack([np.interp(np.arange(heights.shape[0]), lines[0], column) for column in level.T], axis=1)
    both = np.stack([np.interp(np.arange(heights.shape[1]), lines[1], row) for row in down])
    return 2 * (len(lines[0]) - 1) * (len(lines[1]) - 1), rms(both - heights)


def of_means(heights: np.ndarray, triangles: int) -> tuple[int, float]:
    """The same of what `surface` makes, which sees means of pixels, against all pixels."""
    mesh = bigstack.surface(heights, z_scale=1.0, pixel_size=1.0, triangles=triangles)
    # On a grid four times as fine as a pixel all vertices lie on whole numbers.
    places = np.stack([-mesh.vertices[:, 1], mesh.vertices[:, 0]], axis=1).astype(np.float64)
    scaled = np.rint(places * 4).astype(np.int64)[mesh.faces]
    fine = np.full([4 * n for n in heights.shape], np.nan, np.float32)
    lay_over(fine, scaled, -mesh.vertices[mesh.faces][..., 2].astype(np.float64))
    missed = fine[::4, ::4] - heights
    return len(mesh.faces), rms(missed[np.isfinite(missed)])


def unweighted(heights: np.ndarray, triangles: int) -> tuple[int, float]:
    """The network of all pixels that keeps the largest error small."""
    found = cut(heights, triangles, tolerance=0.0)
    assert found is not None
    return len(found.faces), found.error


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def error(paths: list[Path], budgets: list[int], most: int = 1024) -> list[tuple[str, int, list[float]]]:
    """RMS of each map, budget and way."""
    rows = []
    for path in paths:
        heights = np.ascontiguousarray(open_map(path)[:most, :most].values, np.float32)
        heights = np.nan_to_num(heights, nan=float(np.nanmedian(heights)))
        for budget in budgets:
            found = [way(heights, budget)[1] for way in (of_means, unweighted, plain_grid)]
            rows.append((path.name, budget, found))
    return rows


def rough_map(side: int, path: Path) -> None:
    """A map with waves, steps and noise."""

    def block(block_info: dict) -> np.ndarray:
        (y0, y1), (x0, x1) = block_info[None]["array-location"]
        y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        noise = np.random.default_rng([y0, x0]).normal(0, 0.3, x.shape)
        steps = 20 * ((x // 1500 + y // 1500) % 2)
        return (60 * np.sin(x / 900) * np.cos(y / 700) + steps + noise).astype(np.float32)

    sizes = da.core.normalize_chunks(1024, (side, side))
    values = da.map_blocks(block, chunks=sizes, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    attrs = {"unit": "micrometer", "units": "micrometer", "pixel_size": 0.5}
    bigstack.write_image(xr.DataArray(values, dims=("y", "x"), attrs=attrs), path)


def size(side: int, triangles: int) -> list[tuple[str, float, float]]:
    """Seconds and anonymous gigabytes of every command on a map of `side` x `side` pixels."""
    with tempfile.TemporaryDirectory() as folder:
        depth = Path(folder) / "depth.ome.zarr"
        rough_map(side, depth)
        commands = {
            "surface": ["-o", f"{folder}/mesh.ply", "--triangles", str(triangles)],
            "picture": ["-o", f"{folder}/relief.tif"],
            "roughness": ["--l-filter", "200"],
        }
        return [(name, *measured([name, str(depth), *words, "-q"])) for name, words in commands.items()]


def measured(words: list[str]) -> tuple[float, float]:
    """Seconds and largest anonymous memory, in GB, of a command."""
    started, peak = time.perf_counter(), 0
    run = subprocess.Popen([sys.executable, "-m", "bigstack", *words])
    status = Path(f"/proc/{run.pid}/status")
    while run.poll() is None:
        lines = status.read_text().splitlines() if status.exists() else []
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))])
        time.sleep(0.02)
    assert run.returncode == 0
    return time.perf_counter() - started, peak / 1e6


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="what", required=True)
    first = kinds.add_parser("error")
    first.add_argument("depth", nargs="+", type=Path)
    first.add_argument("--triangles", nargs="+", type=int, default=[2000, 10_000, 50_000])
    second = kinds.add_parser("size")
    second.add_argument("--side", type=int, default=16384)
    second.add_argument("--triangles", type=int, default=500_000)
    asked = parser.parse_args(words)
    if asked.what == "error":
        print("| map | triangles | surface | largest error first | plain grid |\n|---|---|---|---|---|")
        for name, budget, found in error(asked.depth, asked.triangles):
            print(f"| {name} | {budget} | " + " | ".join(f"{value:.3f}" for value in found) + " |")
        return
    print("| command | seconds | anonymous GB |\n|---|---|---|")
    for command, seconds, gigabytes in size(asked.side, asked.triangles):
        print(f"| {command} | {seconds:.1f} | {gigabytes:.2f} |")


if __name__ == "__main__":
    main()

"""What writing costs: CPU and wall seconds and size for every format, dtype and way to compress.

python benchmarks/writing.py                       24 Mpix: about a minute on two cores
python benchmarks/writing.py --size 1000x1500 --formats tif,png --json out.json

The picture is a photograph of scikit-image's, repeated in mirrors, with noise so that copies differ: 1 grey
level in uint8, 16 in uint16; as float32 it is a smooth map. CPU seconds do not depend on what else the
machine is doing, wall seconds do.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from skimage.data import astronaut

from bigstack.geometry import tiles_of
from bigstack.io.sink import ImageSpec, Sink
from bigstack.io.writers import create_sink

WAYS: dict[str, list[dict[str, Any]]] = {
    "tif": [{"compression": name} for name in ("deflate", "zstd", "lzw", "none")],
    "ome.zarr": [
        *({"compression": name} for name in ("zstd", "lz4", "none")),
        *({"chunk": side} for side in (256, 1024)),
        {"shard": 2048},
        {"version": "0.4"},
    ],
    "png": [{"level": level} for level in (1, 2, 6)],
    "jpg": [{"quality": 95}, {"quality": 95, "subsampling": "420"}],
    "npy": [{}],
}
TILE = 2048
ROWS = 256
"""Height of the bands of formats whose tiles span the whole width."""


def picture(dtype: str, size: tuple[int, int]) -> np.ndarray:
    """A colour photograph of any size (uint8, uint16), or a smooth map of one channel (float32)."""
    random = np.random.default_rng(0)
    photo = astronaut()
    block = np.block([[[photo], [photo[:, ::-1]]], [[photo[::-1]], [photo[::-1, ::-1]]]])
    times = [-(-want // have) for want, have in zip(size, block.shape, strict=False)]
    image = np.tile(block, (*times, 1))[: size[0], : size[1]]
    if dtype == "float32":
        smooth = cv2.GaussianBlur(image[..., 0].astype(np.float32), (0, 0), 9)
        return (smooth / 7 + np.arange(size[1], dtype=np.float32) / 977)[..., None]
    if dtype == "uint16":
        return image.astype(np.uint16) * 200 + random.integers(0, 16, image.shape, dtype=np.uint16)
    return np.clip(image + random.integers(-1, 2, image.shape), 0, 255).astype(np.uint8)


def write(path: Path, image: np.ndarray, threads: int, options: dict[str, Any]) -> dict[str, float]:
    """Write an image as a run does, and say what it took."""
    sink = create_sink(path, ImageSpec(image.shape, image.dtype.name), **options)
    wall, cpu = time.perf_counter(), time.process_time()
    sink.open()
    with ThreadPoolExecutor(threads) as pool:
        tiles = list(_tiles(sink, image.shape))
        for tile, encoded in zip(
            tiles, pool.map(lambda tile: sink.encode(tile, image[tile.slices]), tiles), strict=True
        ):
            sink.put(tile, encoded)
        for level in range(1, sink.levels):
            list(pool.map(lambda tile, level=level: sink.build_level(level, tile), sink.level_tasks(level)))
    sink.finish()
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "percent": 100 * sum(p.stat().st_size for p in files) / image.nbytes,
    }


def _tiles(sink: Sink, shape: tuple[int, ...]) -> Iterator[Any]:
    if sink.full_width:
        step = sink.multiple[0]
        return tiles_of(shape[:2], max(step, ROWS // step * step), shape[1])
    return tiles_of(shape[:2], TILE, TILE)


def measure(formats: list[str], dtypes: list[str], size: tuple[int, int], threads: int) -> Iterator[dict]:
    """One record a way to write; ways that the format has not are left out."""
    for dtype in dtypes:
        image = picture(dtype, size)
        for name in formats:
            for options in WAYS[name]:
                if (name in ("png", "jpg") and dtype == "float32") or (name, dtype) == ("jpg", "uint16"):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, f"out.{name}")
                    write(path, image[:300], threads, options)  # imports and tables are not measured
                    path = Path(folder, f"measured.{name}")
                    record = write(path, image, threads, options)
                yield {"dtype": dtype, "format": name, "options": options, **record}


@click.command()
@click.option("--formats", default=",".join(WAYS), show_default=True)
@click.option("--dtypes", default="uint8,uint16,float32", show_default=True)
@click.option("--size", default="4000x6000", show_default=True, help="Height x width.")
@click.option("--threads", default=2, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Also write the records here.")
def main(formats: str, dtypes: str, size: str, threads: int, output: Path | None) -> None:
    """Print what writing costs."""
    height, width = (int(side) for side in size.split("x"))
    click.echo("| pixels | format | options | CPU s | wall s | size |\n|---|---|---|---|---|---|")
    records = []
    for record in measure(formats.split(","), dtypes.split(","), (height, width), threads):
        records.append(record)
        options = " ".join(f"{k}={v}" for k, v in record["options"].items())
        click.echo(
            f"| {record['dtype']} | {record['format']} | {options} | {record['cpu']:.2f} | "
            f"{record['wall']:.2f} | {record['percent']:.0f} % |"
        )
    if output is not None:
        output.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()

"""Megapixels a second that sources read, by wall clock and by processor time.

    python benchmarks/reading.py                  JPEG, TIFF and Zarr stacks, one and two threads
    python benchmarks/reading.py zarr --side 16384

Zarr stores are also read through zarr-python, and through its zarrs pipeline where that is installed. Every
thread reads its own tiles of all frames, as tasks do. On a busy machine compare processor time only.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from bigstack.geometry import tiles_of
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack
from bigstack.io.ring import FRAMES

Read = Callable[[int, slice, slice], np.ndarray]
Region = tuple[slice, slice]

TIFFS = {
    "tiff striped": {"rowsperstrip": 16},
    "tiff tiled": {"tile": (256, 256)},
    "tiff big-endian": {"rowsperstrip": 16, "byteorder": ">"},
    "tiff striped deflate": {"rowsperstrip": 16, "compression": "zlib", "predictor": True},
    "tiff tiled deflate": {"tile": (256, 256), "compression": "zlib", "predictor": True},
    "tiff tiled lzw": {"tile": (256, 256), "compression": "lzw", "predictor": True},
    "tiff tiled zstd": {"tile": (256, 256), "compression": "zstd"},
}


def texture(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """Smooth light with a little noise: compresses about as photographs do."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 220, (height // 32 + 1, width // 32 + 1, channels), dtype=np.uint8)
    smooth = coarse.repeat(32, axis=0)[:height].repeat(32, axis=1)[:, :width]
    return smooth + rng.integers(0, 8, smooth.shape, dtype=np.uint8)


def jpegs(folder: Path, frames: int, side: int) -> None:
    import cv2

    for z in range(frames):
        cv2.imwrite(str(folder / f"f{z}.jpg"), texture(side, side, 3, z), [cv2.IMWRITE_JPEG_QUALITY, 90])


def tiffs(folder: Path, frames: int, side: int, options: dict[str, object]) -> None:
    import tifffile

    for z in range(frames):
        pixels = texture(side, side, 3, z).astype(np.uint16) * 257
        tifffile.imwrite(folder / f"f{z}.tif", pixels, photometric="rgb", **options)


def zarrs(folder: Path, frames: int, side: int, chunk: int, codec: str) -> None:
    import zarr
    from zarr.codecs import BloscCodec, ZstdCodec

    compressor = {"zstd": ZstdCodec(level=1), "lz4": BloscCodec(cname="lz4", shuffle="noshuffle")}[codec]
    array = zarr.create_array(
        str(folder), shape=(frames, side, side), chunks=(1, chunk, chunk), dtype="uint8",
        compressors=compressor, dimension_names=["z", "y", "x"], config={"write_empty_chunks": True},
    )  # fmt: skip
    for z in range(frames):
        array[z] = texture(side, side, 1, z)[..., 0]


def speed(read: Read, frames: int, tiles: list[Region], threads: int) -> tuple[float, float]:
    """Megapixels a second of wall clock and of processor time."""

    def walk(own: list[Region]) -> int:
        return sum(read(z, *tile).size // channels for z in range(frames) for tile in own)

    channels = read(0, slice(0, 1), slice(0, 1)).size
    FRAMES.clear()
    start, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        pixels = sum(pool.map(walk, [tiles[i::threads] for i in range(threads)]))
    wall, used = time.perf_counter() - start, time.process_time() - used
    return pixels / wall / 1e6, pixels / used / 1e6


def with_halo(side: int, tile: int, halo: int = 48) -> list[Region]:
    return [t.pad(halo, within=(side, side)).slices for t in tiles_of((side, side), tile, tile)]


def bands(side: int, count: int = 4) -> list[Region]:
    return [t.slices for t in tiles_of((side, side), -(-side // count), side)]


def cases(kinds: tuple[str, ...], frames: int, side: int) -> Iterator[tuple[str, Read, list[Region]]]:
    """Name, function that reads, and tiles of each stack, made one after the other."""
    with tempfile.TemporaryDirectory() as made:
        if "jpeg" in kinds:
            folder = Path(made, "jpeg")
            folder.mkdir()
            jpegs(folder, frames, side)
            yield "jpeg", source_of(open_stack(folder).data).read, bands(side)
        for name, options in TIFFS.items() if "tiff" in kinds else ():
            folder = Path(made, name)
            folder.mkdir()
            tiffs(folder, frames, side, options)
            yield name, source_of(open_stack(folder).data).read, bands(side)
        for chunk in (512, 1024) if "zarr" in kinds else ():
            for codec in ("zstd", "lz4"):
                folder = Path(made, f"{codec}{chunk}")
                zarrs(folder, frames, side, chunk, codec)
                tiles = with_halo(side, max(chunk, side // 2))
                for reader, read in zarr_readers(folder):
                    yield f"zarr {codec} {chunk} {reader}", read, tiles


def zarr_readers(folder: Path) -> Iterator[tuple[str, Read]]:
    """Ways to read a store: bigstack's, zarr-python's, and that with the zarrs pipeline.

    A slice in z, not a number: zarrs leaves reads that drop a dim to zarr-python.
    """
    import importlib.util

    import zarr

    yield "bigstack", source_of(open_stack(folder).data).read
    plain = zarr.open_array(str(folder), mode="r")
    yield "zarr-python", lambda z, y, x: plain[z : z + 1, y, x]
    if importlib.util.find_spec("zarrs"):
        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
            fast = zarr.open_array(str(folder), mode="r")
            yield "zarr-python with zarrs", lambda z, y, x: fast[z : z + 1, y, x]


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(["jpeg", "tiff", "zarr"]))
@click.option("--frames", default=4, help="Frames of each stack.")
@click.option("--side", default=4096, help="Height and width of the frames in pixels.")
@click.option("--runs", default=3, help="Runs of each; the best counts.")
def main(kinds: tuple[str, ...], frames: int, side: int, runs: int) -> None:
    """Print Mpix/s by wall clock and Mpix per second of processor time, for one and two threads."""
    click.echo(f"{'':34}  1 thread: wall   cpu    2 threads: wall   cpu")
    for name, read, tiles in cases(kinds or ("jpeg", "tiff", "zarr"), frames, side):
        found = [np.max([speed(read, frames, tiles, n) for _ in range(runs)], axis=0) for n in (1, 2)]
        numbers = "   ".join(f"{wall:13.0f} {cpu:5.0f}" for wall, cpu in found)
        click.echo(f"{name:34}{numbers}")


if __name__ == "__main__":
    main()

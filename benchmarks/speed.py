"""Whole-process time and peak memory of `bigstack stack`, input megapixels a second.

    python benchmarks/speed.py jpeg            20 frames of 6000 x 4000 RGB JPEG to TIFF
    python benchmarks/speed.py aligned         the same, registered (a still stack: found so, left alone)
    python benchmarks/speed.py depth fast      the same by depth, full quality and fast; depth is written too
    python benchmarks/speed.py select guided   the same by any other method
    python benchmarks/speed.py tiff16 tiff16t  the same as 16-bit TIFF, striped and tiled
    python benchmarks/speed.py zarr            16384 x 16384 x 20 grey OME-Zarr, --memory-limit 2GB
    python benchmarks/speed.py zarr4area zarr4frames   four times the area, four times the frames

Inputs are made once in --folder and kept. Peak memory is the largest sum over the run's processes of
anonymous resident memory (what the OS can't drop), sampled every 50 ms; resident memory with file pages is
shown beside it.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np


@dataclass(frozen=True)
class Case:
    """A stack to make and the command that fuses it."""

    kind: str
    frames: int
    height: int
    width: int
    channels: int
    output: str
    options: tuple[str, ...] = ()
    like: str = ""
    """Case whose input this one takes."""

    @property
    def pixels(self) -> int:
        return self.frames * self.height * self.width


BY_DEPTH = ("--method", "depth", "--memory-limit", "3GB", "--depth-out")

WAVELET = ("--method", "wavelet", "--memory-limit", "3GB")
OTHERS = ("select", "average", "depth_map", "weighted", "guided", "blend")

CASES = {
    **{name: Case("jpg", 20, 4000, 6000, 3, f"{name}.tif", ("--method", name), "jpeg") for name in OTHERS},
    "wavelet": Case("jpg", 20, 4000, 6000, 3, "wavelet.tif", WAVELET, "jpeg"),
    "jpeg": Case("jpg", 20, 4000, 6000, 3, "out.tif"),
    "aligned": Case("jpg", 20, 4000, 6000, 3, "out.tif", ("--align", "auto")),
    "depth": Case("jpg", 20, 4000, 6000, 3, "out.tif", (*BY_DEPTH, "depth.tif"), "jpeg"),
    "fast": Case("jpg", 20, 4000, 6000, 3, "out.tif", ("--quality", "fast", *BY_DEPTH, "fast.tif"), "jpeg"),
    "tiff16": Case("striped", 20, 4000, 6000, 3, "out.tif"),
    "tiff16t": Case("tiled", 20, 4000, 6000, 3, "out.tif"),
    "zarr": Case("zarr", 20, 16384, 16384, 1, "out.ome.zarr", ("--memory-limit", "2GB")),
    "zarr4area": Case("zarr", 20, 32768, 32768, 1, "out.ome.zarr", ("--memory-limit", "2GB")),
    "zarr4frames": Case("zarr", 80, 16384, 16384, 1, "out.ome.zarr", ("--memory-limit", "2GB")),
}


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/tmp/bigstack-bench"))
@click.option("--runs", default=3, help="Counted runs of each case, after one to warm up.")
@click.option("--shrink", default=1, help="Divide height and width by this, for a quick look.")
@click.option("--extra", multiple=True, help="More options for bigstack stack (repeatable).")
@click.option("--keep/--no-keep", default=True, help="Keep the made inputs for the next time.")
def main(
    cases: tuple[str, ...], folder: Path, runs: int, shrink: int, extra: tuple[str, ...], keep: bool
) -> None:
    """Time `bigstack stack` on made stacks."""
    heads = ("Mpix in", "s (median)", "Mpix/s", "CPU s", "anon MB", "rss MB")
    click.echo(f"{'case':12} " + " ".join(h.rjust(max(7, len(h))) for h in heads))
    for name in cases or ("jpeg",):
        case = shrunk(CASES[name], shrink)
        place = folder / f"{case.like or name}-{case.frames}x{case.height}x{case.width}"
        source = make(case, place)
        results = [run(case, source, place, extra) for _ in range(runs + 1)][1 if runs else 0 :]
        seconds, busy = (statistics.median(result[i] for result in results) for i in (0, 3))
        anonymous, resident = (max(result[i] for result in results) / 1e6 for i in (1, 2))
        pixels = case.pixels / 1e6
        click.echo(
            f"{name:12} {pixels:7.0f} {seconds:10.2f} {pixels / seconds:7.0f} {busy:7.1f} "
            f"{anonymous:7.0f} {resident:7.0f}"
        )
        if not keep:
            shutil.rmtree(place)


def shrunk(case: Case, factor: int) -> Case:
    return Case(
        case.kind, case.frames, case.height // factor, case.width // factor, case.channels, case.output,
        case.options, case.like,
    )  # fmt: skip


def run(case: Case, source: Path, place: Path, extra: tuple[str, ...]) -> tuple[float, int, int, float]:
    """One run in a fresh process: seconds, peak anonymous bytes, peak resident bytes, processor seconds."""
    output = place / case.output
    command = [sys.executable, "-m", "bigstack", "stack", str(source), "-o", str(output), "--overwrite", "-q"]
    command += [] if "--align" in case.options else ["--align", "none"]
    started, before = time.perf_counter(), processor_seconds()
    options = [str(place / word) if word.endswith(".tif") else word for word in case.options]
    process = subprocess.Popen([*command, *options, *extra])
    peak = [0, 0]
    watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
    watcher.start()
    if process.wait() != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    seconds = time.perf_counter() - started
    watcher.join()
    return seconds, peak[0], peak[1], processor_seconds() - before


def processor_seconds() -> float:
    """Of all processes that this one has waited for: they tell more than the clock on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watch(process: subprocess.Popen, peak: list[int]) -> None:
    import psutil

    parent = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            family = [parent, *parent.children(recursive=True)]
            for i, field in enumerate(("RssAnon", "VmRSS")):
                peak[i] = max(peak[i], sum(status(p.pid, field) for p in family))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)


def status(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def make(case: Case, place: Path) -> Path:
    """Make the stack once: a tilted, textured surface that goes through focus."""
    done = place / "done"
    target = place / ("in.ome.zarr" if case.kind == "zarr" else "frames")
    if done.exists():
        return target
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if case.kind == "zarr":
        make_zarr(case, target)
    else:
        target.mkdir()
        sharp, soft = textures(case)
        for z in range(case.frames):
            write(case, frame(case, z, sharp, soft), target / f"frame_{z:03d}")
    done.touch()
    return target


def textures(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """A photograph mirrored to the size asked for, and the same out of focus."""
    import cv2
    from skimage import data

    photograph = cv2.resize(data.astronaut(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 4, photograph.shape)
    photograph = np.clip(photograph + noise, 0, 255).astype(np.uint8)
    if case.channels == 1:
        photograph = photograph[..., 1:2]
    pad = [(0, case.height - 1024), (0, case.width - 1024), (0, 0)]
    sharp = np.pad(photograph, [(0, max(0, high)) for _, high in pad], mode="symmetric")
    sharp = np.ascontiguousarray(sharp[: case.height, : case.width])
    soft = cv2.GaussianBlur(sharp, (0, 0), 4).reshape(sharp.shape)
    return sharp, soft


def frame(case: Case, z: int, sharp: np.ndarray, soft: np.ndarray) -> np.ndarray:
    focus = np.arange(case.height) / case.height * (case.frames - 1)
    weight = np.round(256 * np.clip(np.abs(focus - z) / 3, 0, 1)).astype(np.uint16)[:, None, None]
    clean = (sharp * (256 - weight) + soft * weight) >> 8
    return np.clip(clean.astype(np.int16) + grain(z, sharp.shape), 0, 255).astype(np.uint8)


def grain(z: int, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of sigma 1.5, another in every frame: no two frames of a camera are equal anywhere."""
    side = 1000
    block = np.rint(np.random.default_rng(z).normal(0, 1.5, (side, side, shape[2]))).astype(np.int16)
    return np.tile(block, (-(-shape[0] // side), -(-shape[1] // side), 1))[: shape[0], : shape[1]]


def write(case: Case, pixels: np.ndarray, path: Path) -> None:
    import imagecodecs
    import tifffile

    if case.kind == "jpg":
        path.with_suffix(".jpg").write_bytes(imagecodecs.jpeg_encode(pixels, level=92))
        return
    wide = pixels.astype(np.uint16) * 257
    layout = {"tile": (512, 512)} if case.kind == "tiled" else {"rowsperstrip": 64}
    tifffile.imwrite(path.with_suffix(".tif"), wide, photometric="rgb", **layout)


def make_zarr(case: Case, target: Path) -> None:
    """An OME-Zarr 0.5 of 512 x 512 chunks; frames repeat a band of 2048 rows to be made in little time."""
    import zarr

    band = Case(case.kind, case.frames, 2048, min(case.width, 4096), 1, case.output)
    sharp, soft = textures(band)
    group = zarr.create_group(target)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [{"name": name, "type": "space"} for name in "zyx"],
                "datasets": [
                    {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]}
                ],
            }
        ],
    }  # fmt: skip
    array = group.create_array(
        "0",
        shape=(case.frames, case.height, case.width),
        chunks=(1, 512, 512),
        dtype="uint8",
        compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="noshuffle"),
        dimension_names=("z", "y", "x"),
    )
    for z in range(case.frames):
        pixels = frame(band, z, sharp, soft)[..., 0]
        wide = np.tile(pixels, (1, -(-case.width // pixels.shape[1])))[:, : case.width]
        for y in range(0, case.height, len(wide)):
            array[z, y : y + len(wide)] = wide[: case.height - y]


if __name__ == "__main__":
    main()

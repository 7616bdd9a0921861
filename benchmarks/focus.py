"""Focus regions: speed of one image in memory, of one that is larger than memory, and what borders do.

python benchmarks/focus.py image                   2048 x 1536, three scales, density; all processors
python benchmarks/focus.py image --other PYTHON    the same by focus_response, installed for that Python
python benchmarks/focus.py large                   16384 x 16384 grey OME-Zarr through `bigstack density`
python benchmarks/focus.py border                  share of focus that lies at the border, by border rule

Times are medians of counted runs in one process, after one to warm up; of `large` those of whole processes.
Peak memory is the largest sum of anonymous resident memory, sampled every 50 ms.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import numpy as np
from speed import watch

RADII = ((1, 3), (2, 5), (3, 7))

OTHER = """
import json, statistics, sys, time
import numpy as np
from focus_response.batch import process_single_image
image = np.load(sys.argv[1])
radii = [tuple(pair) for pair in json.loads(sys.argv[2])]
times = []
for _ in range(int(sys.argv[3]) + 1):
    started = time.perf_counter()
    process_single_image(image, radii)
    times.append(time.perf_counter() - started)
print(statistics.median(times[1:]))
"""
"""Run by the other Python, which need not have bigstack."""


def photograph(height: int, width: int) -> np.ndarray:
    """A photograph, mirrored to size, sharp in a band and soft elsewhere, with noise: (y, x) uint8."""
    import cv2
    from skimage import data

    base = cv2.resize(data.astronaut()[..., 1], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    pads = [(0, max(0, size - 1024)) for size in (height, width)]
    sharp = np.pad(base, pads, mode="symmetric")[:height, :width].astype(np.float32)
    weight = np.clip(np.abs(np.arange(height) / height - 0.5) * 6 - 1, 0, 1).astype(np.float32)[:, None]
    mixed = sharp * (1 - weight) + cv2.GaussianBlur(sharp, (0, 0), 4) * weight
    noise = np.random.default_rng(0).normal(0, 1.5, mixed.shape)
    return np.clip(np.rint(mixed + noise), 0, 255).astype(np.uint8)


def median_seconds(runs: int, function) -> float:
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def time_image(image: np.ndarray, runs: int, other: str | None, folder: Path) -> dict[str, float]:
    """Seconds by program."""
    import cv2

    from bigstack import detect_focus_regions

    cv2.setNumThreads(1)  # as in all of bigstack's workers
    found = {}
    for scales in (1, 3):
        radii = RADII[:scales]
        found[f"bigstack, {scales} scales"] = median_seconds(
            runs, lambda radii=radii: detect_focus_regions(image, radii=radii)
        )
        if other is not None:
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / "image.npy", image)
            words = [other, "-c", OTHER, str(folder / "image.npy"), json.dumps(radii), str(runs)]
            said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            found[f"focus_response, {scales} scales"] = float(said)
    return found


def make_large(side: int, folder: Path) -> Path:
    """An OME-Zarr of one frame of side x side grey pixels, made once."""
    import dask.array as da
    import xarray as xr

    from bigstack import write_image

    path = folder / f"in-{side}.ome.zarr"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        band = da.from_array(photograph(min(side, 4096), min(side, 4096)), chunks=1024)
        rows = da.concatenate([band] * -(-side // band.shape[0]), axis=0)[:side]
        whole = da.concatenate([rows] * -(-side // band.shape[1]), axis=1)[:, :side]
        write_image(xr.DataArray(whole.rechunk(1024), dims=("y", "x")), path)
    return path


def run_large(source: Path, folder: Path, words: list[str]) -> tuple[float, int]:
    """One run of the command in a process of its own: seconds and peak anonymous bytes."""
    output = folder / "out.npy"
    output.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bigstack", "density", str(source), "-o", str(output), "-q", *words]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    peak = [0, 0]
    watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
    watcher.start()
    if process.wait() != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    seconds = time.perf_counter() - started
    watcher.join()
    output.unlink()
    return seconds, peak[0]


def border_shares(image: np.ndarray, reach: int = 3) -> dict[str, float]:
    """Share of all focus that lies within `reach` pixels of the border, over its share of the area."""
    from bigstack.kernels.focus.rdf import BORDERS, rdf

    area = 1 - (image.shape[0] - 2 * reach) * (image.shape[1] - 2 * reach) / image.size
    shares = {}
    for border in BORDERS:
        focus = rdf(image, border=border).astype(float)
        shares[border] = (1 - focus[reach:-reach, reach:-reach].sum() / focus.sum()) / area
    return shares


@click.command()
@click.argument("what", nargs=-1, type=click.Choice(["image", "large", "border"]))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/tmp/bigstack-bench-focus"))
@click.option("--runs", default=5, show_default=True)
@click.option("--size", default="1536x2048", show_default=True, help="Height x width of image and border.")
@click.option("--side", default=16384, show_default=True, help="Side of the large image.")
@click.option("--bandwidth", "bandwidths", multiple=True, default=("10", "300"), help="Of the large image.")
@click.option("--other", help="A Python that has focus_response.")
@click.option("--file", "path", type=click.Path(exists=True, path_type=Path), help="Image to use instead.")
def main(
    what: tuple[str, ...],
    folder: Path,
    runs: int,
    size: str,
    side: int,
    bandwidths: tuple[str, ...],
    other: str | None,
    path: Path | None,
) -> None:
    """Time focus regions."""
    height, width = (int(part) for part in size.split("x"))
    image = photograph(height, width)
    if path is not None:
        import cv2

        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if "image" in what or not what:
        for name, seconds in time_image(image, runs, other, folder).items():
            click.echo(f"{name:28} {seconds * 1e3:8.1f} ms  {image.size / seconds / 1e6:6.1f} Mpix/s")
        if other is None:
            click.echo("focus_response left out: give --other PYTHON that has it")
    if "large" in what:
        source = make_large(side, folder)
        for bandwidth in bandwidths:
            words = ["--bandwidth", bandwidth, "--memory-limit", "2GB"]
            results = [run_large(source, folder, words) for _ in range(max(1, runs // 2))]
            seconds = statistics.median(result[0] for result in results)
            peak = max(result[1] for result in results) / 1e6
            click.echo(
                f"{side} x {side}, bandwidth {bandwidth}: {seconds:.1f} s, {side**2 / seconds / 1e6:.1f} "
                f"Mpix/s, {peak:.0f} MB anonymous"
            )
    if "border" in what:
        for border, share in border_shares(image).items():
            click.echo(f"border {border:10} {share:.2f} of its share of the area")


if __name__ == "__main__":
    main()

"""Worker processes: what memory each takes, and what they add in speed.

    python benchmarks/cluster.py memory              16384 x 16384 x 20 and 32768 x 32768 x 4, all methods
    python benchmarks/cluster.py memory pyramid depth --shape deep --shrink 4
    python benchmarks/cluster.py speed               1 and 2 worker processes, and as many threads

`memory` runs the real commands in real worker processes, on frames that are computed as they are read, and
samples what the OS says of every process each 20 ms: anonymous memory, which cannot be dropped, and all
resident memory, mapped files and the interpreter's own code included. With `--shrink` height and width
are divided, but tiles are those of the full size, and at least one a worker: what a worker holds depends
on those.

`speed` fuses an OME-Zarr with each in turn, so that what else the machine does meets all alike, and
compares the medians; processor seconds tell the same on a machine that has other work.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from bigstack.io.fake import FakeSource
from bigstack.io.source import Source

SHAPES = {"deep": (20, 16384, 16384, 1), "wide": (4, 32768, 32768, 1)}

STEP = (3, 5)
"""Pixels that each frame of the stack to align is moved against the one before."""

FUSE = ("stack", "INPUT", "-o", "out.ome.zarr", "--align", "none", "--method")
METHODS = ("pyramid", "select", "average", "depth", "depth_map", "weighted", "guided", "wavelet", "blend")
CASES: dict[str, tuple[str, ...]] = {
    **{method: (*FUSE, method) for method in METHODS},
    "align": ("stack", "INPUT", "-o", "out.ome.zarr", "--align", "phase"),
    "depth-maps": ("depth", "INPUT", "-o", "depth.ome.zarr"),
    "focus": ("focus", "INPUT", "-o", "focus.ome.zarr"),
    "density": ("density", "INPUT", "-o", "density.tif", "--frame", "1"),
}
"""Commands; tiles of those that take a plan are found by it."""

PLANNED = (*METHODS, "align", "depth-maps")


OWN_TILE = 2048
"""Largest side of tiles of commands without a plan."""


class Moved(Source):
    """Frames of another source, each moved against the one before."""

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        frames, height, width, channels = shape
        self.inner = FakeSource(
            (frames, height + STEP[0] * frames, width + STEP[1] * frames, channels), "uint8"
        )
        self.shape, self.dtype, self.chunks = shape, self.inner.dtype, self.inner.chunks

    def __dask_tokenize__(self) -> object:
        return ("Moved", self.shape)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """The region."""
        down, right = z * STEP[0], z * STEP[1]
        return self.inner.read(
            z, slice(y.start + down, y.stop + down), slice(x.start + right, x.stop + right)
        )


def opened(source: Source) -> Any:
    """A source as `open_stack` gives stacks."""
    import xarray as xr

    from bigstack.io.lazy import lazy_array

    return xr.DataArray(lazy_array(source), dims=("z", "y", "x", "channel"), attrs={"files": []})


def give(source: Source) -> None:
    """Have every path opened as this source."""
    import bigstack.io.open

    bigstack.io.open.open_stack = lambda *_, **__: opened(source)  # type: ignore[assignment]


def planned_tile(case: str, shape: tuple[int, int, int, int], limit: str) -> int | None:
    """Side of the tiles at full size, None where the command finds it itself."""
    from bigstack.cluster import Cluster
    from bigstack.engine.plan import parse_bytes
    from bigstack.jobs.stack import StackJob, plan_stack

    if case not in PLANNED:
        return None
    give(FakeSource(shape, "uint8"))
    method: Any = {"align": "pyramid", "depth-maps": "depth"}.get(case, case)
    job = StackJob(
        (Path("stack"),),
        Path("out.ome.zarr"),
        method=method,
        memory_limit=parse_bytes(limit),
        cluster=Cluster("local"),
        workers=2,
    )
    return max(plan_stack(job).plan.tile)


@click.group()
def main() -> None:
    """Measure worker processes."""


@main.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--shape", "shapes", multiple=True, type=click.Choice(list(SHAPES)), help="Stacks [both].")
@click.option("--shrink", default=1, help="Divide height and width by this; tiles stay.")
@click.option("--tile", type=int, help="Side of the tiles, instead of that of the full size.")
@click.option("--limit", default="2GB", help="--memory-limit of a worker.")
def memory(
    cases: tuple[str, ...], shapes: tuple[str, ...], shrink: int, tile: int | None, limit: str
) -> None:
    """Peak memory of each worker process against its limit."""
    from bigstack.engine.plan import parse_bytes

    click.echo(
        f"{'case':11} {'stack':>19} {'tile':>5} {'s':>6} {'worker MB':>9} {'rss MB':>7} {'driver MB':>9}"
    )
    failed = False
    for name in shapes or tuple(SHAPES):
        for case in cases or tuple(CASES):
            side = tile or planned_tile(case, SHAPES[name], limit)
            shape = shrunk(SHAPES[name], shrink, side)
            seconds, worker, resident, driver = run(case, shape, side, limit)
            fits = max(worker, driver) <= parse_bytes(limit)
            failed |= not fits
            size = f"{shape[0]} x {shape[1]} x {shape[2]}"
            click.echo(
                f"{case:11} {size:>19} {side or 'own':>5} {seconds:6.0f} {worker / 1e6:9.0f} "
                f"{resident / 1e6:7.0f} {driver / 1e6:9.0f} {'fits' if fits else 'OVER'}"
            )
    if failed:
        raise SystemExit(1)


def shrunk(shape: tuple[int, ...], shrink: int, tile: int | None) -> tuple[int, int, int, int]:
    """The stack with its sides divided, but a tile high and two wide at least."""
    frames, height, width, channels = shape
    side = tile or OWN_TILE
    high, wide = max(height // shrink, side), max(width // shrink, 2 * side)
    return frames, min(height, high), min(width, wide), channels


def run(
    case: str, shape: tuple[int, int, int, int], tile: int | None, limit: str
) -> tuple[float, int, int, int]:
    """Seconds; the largest anonymous and resident memory of a worker, and anonymous memory of the driver."""
    words = ["_run", case, *map(str, shape), "--memory-limit", limit, "--processes", "--workers", "2"]
    words += ["--tile", str(tile)] if tile else []
    with tempfile.TemporaryDirectory(prefix="bigstack-cluster-") as folder:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, str(Path(__file__).absolute()), *words], cwd=folder)
        peak = {"worker": 0, "resident": 0, "driver": 0}
        watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
        watcher.start()
        if process.wait() != 0:
            raise SystemExit(f"failed: {' '.join(words)}")
        seconds = time.perf_counter() - started
        watcher.join()
    return seconds, peak["worker"], peak["resident"], peak["driver"]


def watch(process: subprocess.Popen, peak: dict[str, int]) -> None:
    """Sample the driver and each of its descendants, until it ends."""
    import psutil
    from speed import status

    driver = psutil.Process(process.pid)
    while process.poll() is None:
        peak["driver"] = max(peak["driver"], status(driver.pid, "RssAnon"))
        try:
            workers = [child.pid for child in driver.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for pid in workers:
            peak["worker"] = max(peak["worker"], status(pid, "RssAnon"))
            peak["resident"] = max(peak["resident"], status(pid, "VmRSS"))
        time.sleep(0.02)


@main.command("_run", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("case", type=click.Choice(list(CASES)))
@click.argument("shape", nargs=4, type=int)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def run_here(case: str, shape: tuple[int, int, int, int], words: tuple[str, ...]) -> None:
    """Run a case of `memory` on a made stack in this process."""
    from bigstack.cli import main as bigstack

    give(Moved(shape) if case == "align" else FakeSource(shape, "uint8"))
    if case == "align" and "--tile" not in words:
        raise click.UsageError("align needs --tile")
    Path("stack").touch()
    bigstack([*("stack" if word == "INPUT" else word for word in CASES[case]), *words, "-q"])


WAYS = {
    "1 thread": ("--workers", "1"),
    "2 threads": ("--workers", "2"),
    "1 process": ("--processes", "--workers", "1"),
    "2 processes": ("--processes", "--workers", "2"),
}


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/tmp/bigstack-bench"))
@click.option("--side", default=8192, help="Height and width of the frames.")
@click.option("--frames", default=20, help="How many there are.")
@click.option("--tile", default=1024, help="Side of the tiles.")
@click.option("--method", default="pyramid", type=click.Choice(METHODS))
@click.option("--runs", default=3, help="Counted rounds, after one to warm up.")
@click.option("--keep/--no-keep", default=True, help="Keep the made input for the next time.")
def speed(folder: Path, side: int, frames: int, tile: int, method: str, runs: int, keep: bool) -> None:
    """Time the same run with 1 and 2 threads and worker processes, by turns."""
    from speed import Case, make

    place = folder / f"cluster-{frames}x{side}x{side}"
    source = make(Case("zarr", frames, side, side, 1, ""), place)
    found: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
    for number in range(runs + 1):
        for way, words in WAYS.items():
            times = timed(source, place, tile, method, words)
            if number or not runs:
                found[way].append(times)
    middle = {
        way: [statistics.median(column) for column in zip(*times, strict=True)]
        for way, times in found.items()
    }
    click.echo(f"{'':12} {'s in all':>8} {'s of work':>9} {'CPU s of it':>11} {'Mpix/s':>7}")
    for way, (whole, work, cpu) in middle.items():
        click.echo(f"{way:12} {whole:8.2f} {work:9.2f} {cpu:11.2f} {frames * side**2 / work / 1e6:7.0f}")
    for label, column in (("by the clock", 1), ("by processor seconds", 2)):
        one, two, process, both = (middle[way][column] for way in WAYS)
        share = 2 if column == 1 else 1
        click.echo(
            f"{label}: efficiency of 2 threads {one / two / share:.0%}, of 2 processes "
            f"{process / both / share:.0%}; 1 process over 1 thread {process / one - 1:+.0%}, "
            f"2 over 2 {both / two - 1:+.0%}"
        )
    if not keep:
        shutil.rmtree(place)


def timed(source: Path, place: Path, tile: int, method: str, words: tuple[str, ...]) -> tuple[float, ...]:
    """Seconds of a whole process; of its work, without the start of Python and workers; CPU of that."""
    output = place / "out.ome.zarr"
    command = [sys.executable, str(Path(__file__).absolute()), "_time", "stack", source, "-o", output]
    options = ["--overwrite", "--align", "none", "-q", "--tile", tile, "--method", method, *words]
    started = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in (*command, *options)], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - started, *map(float, done.stdout.split()[-2:])


@main.command("_time", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def time_here(words: tuple[str, ...]) -> None:
    """Run a command and print the seconds in which tiles were computed and stored, levels included."""
    import bigstack.engine.store as engine
    from bigstack.cli import main as bigstack

    store, spent = engine.store, np.zeros(2)

    def measured(*values: Any, **options: Any) -> Any:
        started = np.array([time.perf_counter(), processor_seconds()])
        try:
            return store(*values, **options)
        finally:
            spent[:] += np.array([time.perf_counter(), processor_seconds()]) - started

    engine.store = measured
    try:
        bigstack(list(words))
    except SystemExit as stop:
        if stop.code:
            raise
    click.echo(f"{spent[0]} {spent[1]}")


def processor_seconds() -> float:
    """Of this process and its workers."""
    import psutil

    me = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (me, *me.children(recursive=True)))


if __name__ == "__main__":
    main()

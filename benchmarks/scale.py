"""What a cluster of any size would take: scheduling without pixels, bytes read, and what follows from both.

    python benchmarks/scale.py schedule --tiles 10000     real scheduler, workers whose tiles cost nothing
    python benchmarks/scale.py schedule --tiles 10000 --whole    the same, the graph given in one piece
    python benchmarks/scale.py reads                      bytes read per output byte, by tile and chunk size
    python benchmarks/scale.py tail                       share of the time that coarser levels take
    python benchmarks/scale.py statistics                 what merging counts of many tiles takes
    python benchmarks/scale.py predict                    wall time of 1 Tpx x 100 frames
    python benchmarks/scale.py predict --rate 90 --task-ms 1.9

Stacks are `FakeSource`s of 100 frames; docs/scale.md has the figures.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import cloudpickle
import numpy as np
import psutil
import xarray as xr
from distributed import WorkerPlugin

from bigstack.engine.layout import Layout
from bigstack.fusion import fuse_by
from bigstack.io.fake import FakeSource
from bigstack.io.lazy import lazy_array

TILE, FRAMES = 2048, 100

METHODS = ("pyramid", "select", "depth")


class Idle(WorkerPlugin):
    """Makes the work of tiles cost nothing; their graph and its way to the workers stay as they are."""

    name = "idle"

    def setup(self, worker: Any) -> None:
        """Replace what tasks call."""
        from bigstack.engine import combine, store, tile_work, tiles

        for module, names in ((tiles, ("fold_tile", "pick", "load")), (tile_work, ("pick", "load"))):
            for name in names:
                setattr(module, name, nothing)
        combine._combine_tile = nothing
        store._store_tile = encoded


def nothing(*_: Any, **__: Any) -> None:
    """The result of an idle task."""


def encoded(sinks: list[Any], *_: Any) -> list[None]:
    """What an idle task has stored."""
    return [None] * len(sinks)


cloudpickle.register_pickle_by_value(sys.modules[__name__])


@click.group()
def main() -> None:
    """Measure what grows with the number of tiles."""


def fused(tiles: int, method: str, scratch: Path) -> Any:
    """The lazy image of so many tiles, as near as a square has them."""
    side = round(tiles**0.5) * TILE
    stack = xr.DataArray(
        lazy_array(FakeSource((FRAMES, side, side, 1), "uint8")), dims=("z", "y", "x", "channel")
    )
    return fuse_by(stack, Layout(tile=TILE, scratch=scratch), method=method).image  # type: ignore[arg-type]


@main.command()
@click.option("--tiles", default=10_000, help="Tiles of the output.")
@click.option("--method", default="pyramid", type=click.Choice(METHODS))
@click.option("--threads", default=4, help="Threads of each of the two workers.")
@click.option("--whole", is_flag=True, help="Give the scheduler the whole graph at once.")
def schedule(tiles: int, method: str, threads: int, whole: bool) -> None:
    """Graph, driver and scheduler: time and memory a tile."""
    from bigstack.cluster import open_executor, stream
    from bigstack.engine.store import store
    from bigstack.io.writers import create_sink, spec_of

    if whole:
        stream.WINDOW = 10**9
    with tempfile.TemporaryDirectory(prefix="bigstack-scale-") as name, cluster(Path(name), threads) as found:
        folder, scheduler, file = Path(name), *found
        started = time.perf_counter()
        image = fused(tiles, method, folder / "scratch")
        built = time.perf_counter() - started
        layers = image.data.dask.layers
        tasks, size = sum(len(layer) for layer in layers.values()), len(cloudpickle.dumps(image.data))
        sink: Any = create_sink(folder / "image.ome.zarr", spec_of(image), overwrite=True)
        sink.open()
        sink.level_tasks = lambda level: []
        with open_executor(scheduler_file=file) as executor:
            executor.client.register_plugin(Idle())  # type: ignore[union-attr]
            gc.collect()
            me = psutil.Process()
            before, own, peak = spent(scheduler), spent(me), Peak(scheduler)
            started = time.perf_counter()
            first: list[float] = []
            store(
                [image.data],
                [sink],
                executor,
                watch=lambda _: first.append(time.perf_counter()) if not first else None,
            )
            wall = time.perf_counter() - started
            cpu, driver = spent(scheduler) - before, spent(me) - own
        count = round(tiles**0.5) ** 2
        sink.abort()
    for label, value in {
        "tiles": f"{count}",
        "tasks of the lazy array": f"{tasks}",
        "seconds to build it": f"{built:.3f}",
        "bytes of it pickled": f"{size}",
        "seconds to the first tile": f"{first[0] - started:.1f}",
        "seconds in all": f"{wall:.1f}",
        "scheduler, CPU ms a tile": f"{cpu / count * 1e3:.2f}",
        "scheduler, peak MB above idle": f"{peak.stop() / 1e6:.0f}",
        "driver, CPU ms a tile": f"{driver / count * 1e3:.2f}",
        "driver, MB": f"{me.memory_info().rss / 1e6:.0f}",
    }.items():
        click.echo(f"{label:30} {value:>10}")


def spent(process: psutil.Process) -> float:
    """Processor seconds."""
    times = process.cpu_times()
    return times.user + times.system


class Peak:
    """Samples the memory of a process."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        self.before = self.most = process.memory_info().rss
        self.going = True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while self.going:
            try:
                self.most = max(self.most, self.process.memory_info().rss)
            except psutil.NoSuchProcess:
                return
            time.sleep(0.1)

    def stop(self) -> int:
        """Bytes above those at the start."""
        self.going = False
        self.thread.join()
        return self.most - self.before


@contextmanager
def cluster(folder: Path, threads: int) -> Iterator[tuple[psutil.Process, Path]]:
    """A scheduler, in a process of its own, and two workers."""
    file = folder / "scheduler.json"
    common = ("--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard")
    commands = [
        ("scheduler", *common, "--port", "0"),
        *[("worker", *common, "--nthreads", str(threads), "--no-nanny", "--local-directory", str(folder))]
        * 2,
    ]
    processes: list[subprocess.Popen] = []
    try:
        for what, *words in commands:
            command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *words]
            processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ}))
            while not file.exists():
                time.sleep(0.1)
        yield psutil.Process(processes[0].pid), file
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@main.command()
@click.option("--method", default="pyramid", type=click.Choice(METHODS))
@click.option("--frames", default=FRAMES)
def reads(method: str, frames: int) -> None:
    """Bytes read per byte of output, by tile and chunk: each chunk a tile touches is decoded whole."""
    chunks = (256, 512, 1024, 2048)
    click.echo(f"{'tile':>6} | chunks of " + "".join(f"{chunk:>8}" for chunk in chunks))
    for tile in (512, 1024, 2048, 4096, 8192):
        row = "".join(f"{read_bytes(method, tile, chunk, frames):8.1f}" for chunk in chunks)
        click.echo(f"{tile:6} |           {row}")


def read_bytes(method: str, tile: int, chunk: int, frames: int) -> float:
    """Bytes read per output byte of a tile in the middle of a large image."""
    from bigstack.engine.tile_work import rounds_of

    job = first_job(method, tile, chunk)
    side = 8 * max(tile, chunk)
    core = tile_at(side // 2 // tile * tile, tile)
    outer = job.outer(core)
    spans = [-(-stop // chunk) - start // chunk for start, stop in
             ((outer.y0, outer.y1), (outer.x0, outer.x1))]  # fmt: skip
    return frames * rounds_of(job.fold) * spans[0] * spans[1] * chunk**2 / tile**2


def first_job(method: str, tile: int, chunk: int) -> Any:
    """The job whose tasks read the stack."""
    side = 8 * max(tile, chunk)
    source = FakeSource((2, side, side, 1), "uint8", chunks=(chunk, chunk))
    stack = xr.DataArray(lazy_array(source), dims=("z", "y", "x", "channel"))
    image = fuse_by(stack, Layout(tile=tile), method=method).image  # type: ignore[arg-type]
    for layer in image.data.dask.layers.values():
        job = getattr(layer, "io_deps", None) is not None and job_of(layer)
        if job:
            return job
    raise LookupError(f"no task of {method} reads the stack")


def job_of(layer: Any) -> Any:
    """What the tasks of a layer are told, where they read a source."""
    from bigstack.engine.tile_work import Job

    task = layer[next(iter(layer))]
    found = [value for value in (*task.args, *task.kwargs.values()) if isinstance(value, Job)]
    return found[0] if found and found[0].source is not None else None


def tile_at(start: int, side: int) -> Any:
    """A square tile."""
    from bigstack.geometry import Tile

    return Tile(start, start + side, start, start + side)


@main.command()
@click.option("--side", default=16384)
@click.option("--frames", default=4)
@click.option("--tile", default=TILE)
@click.option("--workers", default=2)
def tail(side: int, frames: int, tile: int, workers: int) -> None:
    """Seconds of tiles, of the coarser levels that are built after them, and of the finish, in a real run."""
    from bigstack.cluster import ThreadExecutor
    from bigstack.engine import store as engine
    from bigstack.io.writers import create_sink, spec_of

    stack = xr.DataArray(
        lazy_array(FakeSource((frames, side, side, 1), "uint8")), dims=("z", "y", "x", "channel")
    )
    with tempfile.TemporaryDirectory(prefix="bigstack-scale-") as folder:
        image = fuse_by(stack, Layout(tile=tile, scratch=Path(folder) / "scratch")).image
        sink = create_sink(Path(folder) / "image.ome.zarr", spec_of(image))
        sink.open()
        built = timed_levels(engine)
        started = time.perf_counter()
        engine.store([image.data], [sink], ThreadExecutor(workers))
        stored = time.perf_counter()
        sink.finish()
        finished = time.perf_counter()
    levels = sum(built)
    click.echo(f"{'tiles':22} {stored - started - levels:8.2f} s")
    click.echo(f"{'levels after them':22} {levels:8.2f} s {levels / (finished - started):7.2%}")
    click.echo(f"{'finish':22} {finished - stored:8.2f} s {(finished - stored) / (finished - started):7.2%}")


def timed_levels(engine: Any) -> list[float]:
    """Seconds that building levels takes, once it was done."""
    seconds: list[float] = []
    build = engine._build_levels

    def timed(*values: Any) -> None:
        engine._build_levels = build
        started = time.perf_counter()
        build(*values)
        seconds.append(time.perf_counter() - started)

    engine._build_levels = timed
    return seconds


@main.command()
@click.option("--tiles", default=100_000)
def statistics(tiles: int) -> None:
    """Seconds of merging what tiles counted, in all and of the last merges, which wait for each other."""
    from bigstack.engine.quantiles import add_counts
    from bigstack.engine.reduction import SPLIT_EVERY

    states = [np.ones(65536, np.int64) for _ in range(SPLIT_EVERY)]
    add_counts(states)
    started = time.perf_counter()
    for _ in range(50):
        add_counts(states)
    each = (time.perf_counter() - started) / 50
    merges = depth = 0
    left = tiles
    while left > 1:
        left = -(-left // SPLIT_EVERY)
        merges, depth = merges + left, depth + 1
    click.echo(f"{'merges':22} {merges:8} of {SPLIT_EVERY} states of 0.5 MB, {each * 1e3:.2f} ms each")
    click.echo(f"{'in all':22} {merges * each:8.2f} s of work, in parallel")
    click.echo(f"{'one after the other':22} {depth * each * 1e3:8.2f} ms: {depth} merges")


@main.command()
@click.option("--side", default=1_000_000, help="Height and width of the frames.")
@click.option("--frames", default=FRAMES)
@click.option("--tile", default=4096)
@click.option("--chunk", default=1024)
@click.option("--rate", default=90.0, help="Input megapixels a second of one core (cluster.py speed).")
@click.option("--task-ms", default=2.0, help="Scheduler ms a tile (schedule).")
@click.option("--storage", default=5.0, help="GB/s that the storage gives all workers together.")
@click.option("--cores", default=8, help="Cores of a worker.")
def predict(
    side: int, frames: int, tile: int, chunk: int, rate: float, task_ms: float, storage: float, cores: int
) -> None:
    """Wall time on 8, 64 and 512 workers, and what sets it."""
    tiles = (-(-side // tile)) ** 2
    work = frames * side**2 / (rate * 1e6)
    read = read_bytes("pyramid", tile, chunk, frames) * side**2
    click.echo(f"{tiles} tiles, {work / 3600:.0f} core hours, {read / 1e12:.0f} TB of pixels decoded")
    click.echo(f"{'workers':>8} {'compute':>10} {'scheduler':>10} {'storage':>10}  hours; bottleneck")
    for workers in (8, 64, 512):
        hours = {
            "compute": work / (workers * cores) / 3600,
            "scheduler": tiles * task_ms / 1e3 / 3600,
            "storage": read / (storage * 1e9) / 3600,
        }
        row = "".join(f"{value:10.2f} " for value in hours.values())
        click.echo(f"{workers:8} {row} {max(hours.values()):8.2f} h: {max(hours, key=lambda k: hours[k])}")
    threads = work / (tiles * task_ms / 1e3)
    click.echo(f"the scheduler keeps up with {threads:.0f} threads")


if __name__ == "__main__":
    main()

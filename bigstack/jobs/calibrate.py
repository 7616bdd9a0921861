"""How long a run will take, from parts of it that are run here and now."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from dask.base import tokenize

from bigstack.errors import InputError
from bigstack.io.source import Source

SIDE = 1024
"""Pixels a side of the tiles of a trial, about; those of the run where they are smaller."""

FRAMES = 3
"""Frames of the smallest trial of a stack whose frames are decoded whole, and of its alignment."""

SECONDS = 8.0
"""How long trials may take together, about."""


@dataclass(frozen=True)
class Timing:
    """What trials say of the time of a run, in seconds."""

    startup: float
    """Until the process was ready to begin: imports, headers."""
    estimates: float
    """Aligning, and measuring corrections."""
    work: float
    """Reading, computing and writing."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.startup + self.estimates + self.work


class CroppedSource(Source):
    """The first rows and columns of another source."""

    def __init__(self, source: Source, height: int, width: int) -> None:
        self.source = source
        self.size = height, width
        self.shape = (source.shape[0], height, width, source.shape[3])
        self.dtype = source.dtype
        self.chunks = min(source.chunks[0], height), min(source.chunks[1], width)
        small = getattr(source, "coarser", {}).items()
        self.coarser = {
            factor: CroppedSource(level, -(-height // factor), -(-width // factor)) for factor, level in small
        }

    def __dask_tokenize__(self) -> object:
        return ("CroppedSource", tokenize(self.source), self.size)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Read the source."""
        return self.source.read(z, y, x)

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data."""
        return self.source.valid(z, y, x)

    @property
    def masked(self) -> bool:
        """Whether the source has made-up pixels."""
        return self.source.masked

    @property
    def whole_frames(self) -> bool:
        """False: a trial is cropped where storage can be."""
        return False


def timing(job: Any, stack: Any, layout: Any, *, seconds: float = SECONDS) -> Timing:
    """Run parts of a job, of two sizes, and tell from them what all of it takes.

    Parts of the image are fused where storage can be read in parts, else some of its frames; each is read
    from the stack itself and written as the output will be, into a temporary folder. The first trial is cold,
    as a run is: libraries are loaded, loops compiled. Steps before the fusion are timed on a few frames.

    Parameters
    ----------
    job
        A `StackJob`.
    stack
        Its stack, before any step.
    layout
        The layout of its result, with its plan.
    seconds
        How long trials may take together, about; the first one takes as long as it takes.

    Raises
    ------
    BigstackError
        What the run itself would raise on those parts.
    """
    import psutil

    startup = time.time() - psutil.Process().create_time()
    began = time.perf_counter()
    estimates, moved = _estimates(job, stack)
    plan = layout.plan
    trial: Any = _Regions(stack, layout)
    if layout.source.whole_frames:
        trial = _Frames(stack if moved is None else moved, stack.sizes["z"])
    first = trial.least()
    cold = _timed(job, trial, first)
    warm = _timed(job, trial, first)
    left = max(warm, seconds - (time.perf_counter() - began))
    # The larger the second part, the less its time owes to chance.
    second = trial.about(first, left / warm)
    rate = warm / trial.work(first)
    if trial.work(second) > 1.3 * trial.work(first):
        longer = _timed(job, trial, second)
        rate = (longer - warm) / (trial.work(second) - trial.work(first))
        if rate <= 0:
            rate = longer / trial.work(second)
    here = trial.workers
    rounds = -(-plan.tiles // plan.workers) * plan.workers / plan.tiles
    faster = min(plan.workers, plan.tiles) / min(here, plan.tiles)
    rest = max(0.0, trial.total(rounds) - trial.work(first))
    return Timing(startup, estimates, cold + rate * rest / faster)


class _Frames:
    """Some of the frames, whole."""

    def __init__(self, stack: Any, total: int) -> None:
        from bigstack.cluster import count_workers

        self.stack = stack
        self.count = stack.sizes["z"]
        self.frames = total
        self.workers = count_workers(None)

    def least(self) -> int:
        return min(FRAMES, self.count)

    def about(self, first: int, times: float) -> int:
        return min(self.count, max(first, int(first * min(times, 100))))

    def work(self, frames: int) -> float:
        return float(frames)

    def total(self, rounds: float) -> float:
        return float(self.frames)

    def part(self, frames: int) -> tuple[Any, Any]:
        return part_of(self.stack, frames), None


class _Regions:
    """Some tiles of the image, in all frames."""

    def __init__(self, stack: Any, layout: Any) -> None:
        from bigstack.cluster import count_workers

        self.stack = stack
        self.fold = layout.fold
        self.tile = layout.plan.tile
        self.workers = count_workers(None)
        self.shape = stack.shape[1:3]
        self.side = tuple(min(SIDE, each) for each in self.tile)

    def least(self) -> tuple[int, int]:
        return self._clipped(1, self.workers)

    def about(self, first: tuple[int, int], times: float) -> tuple[int, int]:
        tiles = max(1.0, min(times, 64.0)) * self.workers
        down = max(1, round(tiles**0.5 / self.workers)) * self.workers
        return self._clipped(down, max(1, int(tiles // down)))

    def _clipped(self, down: int, across: int) -> tuple[int, int]:
        return min(self.shape[0], down * self.side[0]), min(self.shape[1], across * self.side[1])

    def work(self, size: tuple[int, int]) -> float:
        """Pixels with the halos of what is worked on at a time."""
        from bigstack.engine.plan import worked_pixels

        return worked_pixels(self.fold, size, self.side)

    def total(self, rounds: float) -> float:
        from bigstack.engine.plan import worked_pixels

        return worked_pixels(self.fold, self.shape, self.tile) * rounds

    def part(self, size: tuple[int, int]) -> tuple[Any, Any]:
        from bigstack.engine.sources import as_source
        from bigstack.io.lazy import lazy_array

        source = CroppedSource(as_source(self.stack.data), *size)
        cut = self.stack.isel(y=slice(0, size[0]), x=slice(0, size[1]))
        return cut.copy(data=lazy_array(source)), self.side


def part_of(stack: Any, frames: int) -> Any:
    """The first frames of a stack, still read from its source."""
    from bigstack.engine.sources import as_source
    from bigstack.io.lazy import lazy_array
    from bigstack.io.select import select_frames

    cut = stack.isel(z=slice(0, frames))
    return cut.copy(data=lazy_array(select_frames(as_source(stack.data), range(frames))))


def _timed(job: Any, trial: Any, size: Any) -> float:
    from bigstack.io.record import RunRecord
    from bigstack.jobs import results

    stack, tile = trial.part(size)
    with TemporaryDirectory(prefix="bigstack-trial-") as folder:
        outputs = {name: Path(folder) / path.name for name, path in job.outputs.items()}
        how = replace(
            job, tile=tile, workers=trial.workers, processes=False, scheduler=None, scheduler_file=None,
            cluster=None, task=None, finish=False, overwrite=True,
        )  # fmt: skip
        started = time.perf_counter()
        ready = results.prepare(
            lambda layout: job.dataset(stack, layout),
            outputs,
            how,
            RunRecord.of("trial", [], {}),
            frames=stack.sizes["z"],
            size=max(stack.shape[1:3]),
        )
        results.write(ready, how)
        return time.perf_counter() - started


def estimate_reads(job: Any, stack: Any, plan: Any) -> int:
    """Bytes that aligning decodes: every frame once, less what the fusion then finds decoded.

    What corrections are measured on, parts of some frames, is not counted.
    """
    from bigstack.cluster import count_workers
    from bigstack.engine.plan import stack_bytes
    from bigstack.engine.sources import as_source
    from bigstack.io.ring import FRAMES as RING

    source, frames = as_source(stack.data), stack.sizes["z"]
    aligned = [step for step in job.steps if step.kind == "align" and _estimated(step)]
    if not aligned or frames == 1:
        return 0
    all_frames, kept = stack_bytes(source), count_workers(job.workers) + 2
    found = 0
    if source.whole_frames and kept * all_frames <= RING.size * frames:
        found = min(frames, kept - 1)
    return all_frames * len(aligned) - all_frames * found // frames


def _estimates(job: Any, stack: Any) -> tuple[float, Any]:
    """Seconds of the steps before the fusion, and frames that they were tried on."""
    from bigstack.jobs.correct import apply_steps

    steps = [_unsaved(step) for step in job.steps]
    if not any(_estimated(step) for step in steps):
        return 0.0, None
    total = stack.sizes["z"]
    counts = dict.fromkeys((min(total, FRAMES), min(total, 3 * FRAMES)))
    times, moved = [], None
    for frames in counts:
        started = time.perf_counter()
        try:
            moved, _ = apply_steps(part_of(stack, frames), steps, workers=job.workers)
        except InputError as error:
            raise InputError(
                f"the steps before the fusion cannot be timed on the first {frames} frames: {error}"
            ) from error
        times.append(time.perf_counter() - started)
    each = times[-1] / max(counts)
    return times[0] + each * (total - min(counts)), moved


def _estimated(step: Any) -> bool:
    """Whether a step measures anything."""
    how = step.options.get("how")
    return step.kind != "saved" and (how is None or (how.method != "none" and how.alignment is None))


def _unsaved(step: Any) -> Any:
    """The step without the files that it would write."""
    how = step.options.get("how")
    return step if how is None else replace(step, options={**step.options, "how": replace(how, save=None)})

"""Density of focus of an image or of each frame of a stack, tile by tile, of any size."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bigstack.errors import InputError, OutputExistsError
from bigstack.io.places import AnyPath
from bigstack.jobs.running import Running


@dataclass
class DensityJob(Running):
    """Everything `bigstack density` can be told of one image or stack; see its help for what each means."""

    inputs: tuple[AnyPath, ...]
    output: Path
    method: str = "rdf"
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the focus measure."""
    top_percent: float = 25.0
    bandwidth: float = 10.0
    unit: str = "pixel"
    include_strength: bool = False
    clip_percentile: float | None = 99.5
    normalize: bool = True
    focus_out: Path | None = None
    """Also write the focus the density is of."""
    overlay: Path | None = None
    """Also write the density laid over the image."""
    frame: int | None = None
    """Only this frame of a stack."""
    focus_channel: list[str] | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    tile: int | None = None
    overwrite: bool = False


@dataclass
class DensityResult:
    """What a run wrote."""

    written: list[AnyPath]
    shape: tuple[int, ...]
    thresholds: np.ndarray
    """Least focus that was selected, of each frame; infinity where there was no focus."""
    seconds: float

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        lines = [f"wrote {path}" for path in self.written]
        for z, threshold in enumerate(self.thresholds):
            if not np.isfinite(threshold):
                lines.append(f"frame {z} has no focus at all, so nothing was selected in it")
            elif verbose:
                lines.append(f"frame {z}: focus of at least {threshold:.6g} was selected")
        pixels = self.shape[0] * self.shape[1] * self.shape[2]
        return [*lines, f"{pixels / 1e6:.1f} Mpix in {self.seconds:.1f} s"]


def run_density(job: DensityJob, *, watch: Callable[[Any], None] = lambda progress: None) -> DensityResult:
    """Run `job`: what does not fit in memory between two passes lies beside the output meanwhile.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    started = time.perf_counter()
    from bigstack.cluster import tasks_a_process
    from bigstack.density import bandwidth_in_pixels
    from bigstack.engine.sources import as_source
    from bigstack.engine.windows import settle
    from bigstack.focus import measure_focus
    from bigstack.jobs.maps import fitting_tile, write_field
    from bigstack.jobs.stack import open_inputs
    from bigstack.kernels.density import DIRECT, density_halo

    stack = open_inputs(job.inputs, job.reading)
    options = {"normalize": "p99", **job.options} if job.method == "rdf" else job.options
    sigma = min(bandwidth_in_pixels(stack, job.bandwidth, job.unit), DIRECT)  # type: ignore[arg-type]
    tile, budget = fitting_tile(
        as_source(stack.data),
        halo=density_halo(sigma),
        tile=job.tile,
        memory_limit=job.memory_limit,
        workers=tasks_a_process(**job.place),
        keep=stack.nbytes + _frame_bytes(stack),
    )
    how = {"method": job.method, "focus_channel": job.focus_channel, "tile": tile, **options}
    measure_focus(stack, **how)  # refuses bad options before any work
    chosen = _chosen(job.frame, stack.sizes["z"])
    _refuse_existing(job, len(chosen))
    with ExitStack() as cleanup:
        executor = cleanup.enter_context(job.executor())
        held, budget = _held(stack, executor, budget)
        focus = measure_focus(held, **how)
        # Statistics that the measure needs are taken once here, not again for every frame.
        frames = _Frames(job, stack, focus, settle(focus.data, executor), executor, watch, budget)
        thresholds = [frames.write(z, number, len(chosen)) for number, z in enumerate(chosen)]
        written = frames.written
        if job.focus_out is not None:
            maps, source = (focus, frames.source) if job.frame is None else frames.single(chosen[0])
            written += write_field(source, maps, job.focus_out, executor, overwrite=job.overwrite)
    shape = (len(chosen), *stack.shape[1:])
    return DensityResult(written, shape, np.array(thresholds), time.perf_counter() - started)


def _frame_bytes(stack: Any) -> int:
    """Bytes of one frame's density."""
    return 4 * stack.sizes["y"] * stack.sizes["x"]


def _held(stack: Any, executor: Any, budget: int) -> tuple[Any, int]:
    """The stack, in memory if this process computes and there is room; what that leaves of the budget.

    Room is what leaves a frame's density in memory too, or a third of the budget.

    Statistics read all pixels twice and a density again, tile by tile with halos: of chunks half the
    size of a tile each is decoded some 20 times.
    """
    if not executor.in_process:
        return stack, 0
    if stack.nbytes + _frame_bytes(stack) > budget and 3 * stack.nbytes > budget:
        return stack, budget
    from bigstack.engine.memory import hold
    from bigstack.engine.sources import as_source
    from bigstack.io.lazy import lazy_array

    held = lazy_array(hold(as_source(stack.data), executor))
    return stack.copy(data=held), budget - stack.nbytes


def _refuse_existing(job: DensityJob, frames: int) -> None:
    from bigstack.jobs.maps import map_paths

    outputs = [path for path in (job.output, job.focus_out, job.overlay) if path is not None]
    for path in (each for output in outputs for each in map_paths(output, frames)):
        if path.exists() and not job.overwrite:
            raise OutputExistsError(f"{path} exists; give --overwrite to replace it")


def _chosen(frame: int | None, frames: int) -> list[int]:
    if frame is None:
        return list(range(frames))
    if not -frames <= frame < frames:
        raise InputError(f"frame {frame} is not in the stack of {frames} frames (0 to {frames - 1})")
    return [frame % frames]


class _Frames:
    """Densities of one frame after another."""

    def __init__(
        self,
        job: DensityJob,
        stack: Any,
        focus: Any,
        source: Any,
        executor: Any,
        watch: Any,
        budget: int,
    ) -> None:
        from bigstack.density import bandwidth_in_pixels

        self.job = job
        self.stack = stack
        self.focus = focus
        self.source = source
        self.executor = executor
        self.watch = watch
        self.budget = budget
        self.sigma = bandwidth_in_pixels(focus, job.bandwidth, job.unit)  # type: ignore[arg-type]
        self.written: list[AnyPath] = []

    def single(self, z: int) -> tuple[Any, Any]:
        """The focus map of one frame, and what it is read from."""
        from bigstack.engine.windows import FieldSource, lazy_field

        field = self.source.frame(z)
        array = lazy_field(field, self.focus.data.chunks[1:])
        return self.focus.isel(z=[z]).copy(data=array), FieldSource(field, (), self.source.chunks)

    def write(self, z: int, number: int, frames: int) -> float:
        """Write frame `z`, the `number`-th of `frames`; gives its threshold."""
        from bigstack.density import frame_levels, smooth_levels
        from bigstack.engine.windows import constant
        from bigstack.jobs.maps import compute, frame_path

        job = self.job
        maps, _ = self.single(z)
        levels = compute(frame_levels(maps.data, job.top_percent, job.include_strength), self.executor)
        with TemporaryDirectory(prefix=f".{job.output.name}-", dir=job.output.absolute().parent) as scratch:
            density = smooth_levels(
                maps.data,
                self.sigma,
                [constant(level) for level in levels],
                job.clip_percentile,
                normalize=job.normalize,
                scratch=scratch,
                budget=self.budget,
            )
            image = maps[0].copy(data=density[0]).rename("density")
            if job.overlay is not None or not job.normalize:
                image = self._once(image, Path(scratch))
            highest = 1.0 if job.normalize else self._highest(image)
            self._write(image, frame_path(job.output, number, frames), highest)
            if job.overlay is not None:
                self._overlay(z, image, frame_path(job.overlay, number, frames), highest)
        return float(levels[0][0])

    def _once(self, image: Any, scratch: Path) -> Any:
        """The image computed once, into a file that all who need it read from."""
        import dask.array as da

        from bigstack.jobs.maps import write_by

        path = scratch / "density.npy"
        write_by(image, path, self.executor, watch=self.watch)
        return image.copy(data=da.from_array(np.load(path, mmap_mode="r"), chunks=image.data.chunks))

    def _highest(self, image: Any) -> float:
        from bigstack.engine import statistics
        from bigstack.jobs.maps import compute

        return float(compute([statistics.maximum(image.data)], self.executor)[0])

    def _write(self, image: Any, path: AnyPath, highest: float) -> None:
        from bigstack.jobs.maps import PICTURES, coloured, write_by

        if path.suffix.lower() in PICTURES:
            image = coloured(image, highest)
        write_by(image, path, self.executor, overwrite=self.job.overwrite, watch=self.watch)
        self.written.append(path)

    def _overlay(self, z: int, density: Any, path: AnyPath, highest: float) -> None:
        from bigstack.jobs.maps import overlaid, write_by

        picture = overlaid(self.stack[z], density, highest, self.executor)
        write_by(picture, path, self.executor, overwrite=self.job.overwrite)
        self.written.append(path)

"""The main job: read a stack, fuse it, write the image and whatever else was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from math import lcm
from pathlib import Path
from shutil import rmtree
from typing import Any

from bigstack.errors import InputError, choose
from bigstack.jobs.notes import notes_of, shown
from bigstack.names import FusionMethod


@dataclass
class StackJob:
    """Everything `bigstack stack` can be told; see its help for what each means."""

    inputs: tuple[Path, ...]
    output: Path
    method: FusionMethod = "pyramid"
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the method."""
    reading: dict[str, Any] = field(default_factory=dict)
    """Options of `open_stack`."""
    steps: Sequence[Any] = ()
    """Corrections and the alignment before the fusion, in order; `bigstack.jobs.correct.Step`."""
    focus_channel: list[str] | None = None
    depth_out: Path | None = None
    index_out: Path | None = None
    confidence_out: Path | None = None
    sigma_out: Path | None = None
    tile: int | None = None
    memory_limit: int = 2 * 10**9
    workers: int | None = None
    processes: bool = False
    scheduler: str | None = None
    scheduler_file: Path | None = None
    overwrite: bool = False
    ngff: str | None = None
    compression: str | None = None
    quality: int | None = None

    @property
    def outputs(self) -> dict[str, Path]:
        """Path of every variable to write."""
        paths = {
            "image": self.output,
            "depth": self.depth_out,
            "index": self.index_out,
            "confidence": self.confidence_out,
            "sigma": self.sigma_out,
        }
        return {name: path for name, path in paths.items() if path is not None}

    def parameters(self) -> dict[str, Any]:
        """What the pixels depend on, for the record: a resumed run must have the same."""
        return {
            "method": self.method,
            "focus_channel": self.focus_channel,
            **dict(sorted(self.options.items())),
            **{f"step {n} {step.kind}": step.parameters() for n, step in enumerate(self.steps, 1)},
            **dict(sorted(self.reading.items())),
            "outputs": {name: str(path.absolute()) for name, path in self.outputs.items()},
        }


@dataclass
class StackPlan:
    """What a run would be."""

    shape: tuple[int, ...]
    dtype: str
    plan: Any

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"shape": list(self.shape), "dtype": self.dtype, **self.plan.as_dict()}


@dataclass
class StackResult:
    """What a run did."""

    outputs: dict[str, Path]
    shape: tuple[int, ...]
    dtype: str
    seconds: float
    tiles: int
    skipped: int
    notes: list[str]

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        frames, height, width = self.shape[:3]
        rate = frames * height * width / self.seconds / 1e6
        lines = [f"wrote {path}" for path in self.outputs.values()]
        lines.append(
            f"{frames} frames of {height} x {width} in {self.seconds:.1f} s, {rate:.0f} Mpix/s of input"
        )
        if self.skipped:
            lines.append(
                f"{self.skipped} of {self.skipped + self.tiles} tiles were there from an earlier run"
            )
        return lines + shown(self.notes, verbose=verbose)


@dataclass
class _Prepared:
    """A job made ready: nothing computed, nothing written yet."""

    stack: Any
    dataset: Any
    layout: Any
    sinks: dict[str, Any]
    record: Any

    @property
    def plan(self) -> StackPlan:
        return StackPlan(self.stack.shape, str(self.stack.dtype), self.layout.plan)


def plan_stack(job: StackJob) -> StackPlan:
    """What running `job` would take: the stack's shape and dtype and its `Plan`. Reads headers only."""
    return _prepare(job, dry=True).plan


def run_stack(
    job: StackJob,
    *,
    tell: Callable[[StackPlan], None] = lambda plan: None,
    watch: Callable[[Any], None] = lambda progress: None,
) -> StackResult:
    """Run `job`: an interrupted run to OME-Zarr goes on where it was.

    `tell` gets the plan before the work starts, `watch` the progress while it goes on.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    started = time.perf_counter()
    from bigstack.cluster import open_executor
    from bigstack.engine.store import store

    ready = _prepare(job)
    tell(ready.plan)
    where = {name: getattr(job, name) for name in ("workers", "processes", "scheduler", "scheduler_file")}
    names = list(ready.sinks)
    arrays = [ready.dataset[name].data for name in names]
    sinks = list(ready.sinks.values())
    with ExitStack() as cleanup:
        executor = cleanup.enter_context(open_executor(**where, memory_limit=job.memory_limit))
        mine = False
        try:
            for sink in sinks:
                sink.open()
            mine = True
            progress = store(arrays, sinks, executor, frames=ready.stack.sizes["z"], watch=watch)
        except BaseException:
            for sink in sinks:
                sink.pause()
            # Where another run has the output, the scratch space is that run's.
            if mine and not all(_is_zarr(path) for path in job.outputs.values()):
                _clear_scratch(job)
            raise
        for sink in sinks:
            sink.finish()
    _clear_scratch(job)
    return StackResult(
        outputs=job.outputs,
        shape=ready.stack.shape,
        dtype=str(ready.stack.dtype),
        seconds=time.perf_counter() - started,
        tiles=progress.total,
        skipped=progress.skipped,
        notes=notes_of(ready.stack),
    )


def _prepare(job: StackJob, *, dry: bool = False) -> _Prepared:
    from bigstack.cluster import count_workers
    from bigstack.engine.layout import Layout
    from bigstack.engine.plan import plan
    from bigstack.fusion import METHODS, fuse_by, method_options
    from bigstack.io.record import RunRecord
    from bigstack.io.writers import spec_of
    from bigstack.jobs.correct import apply_steps, digests

    choose(job.method, METHODS, "method")
    _check_names(job)
    for name in job.options:
        if name not in method_options(job.method):
            takers = [method for method in METHODS if name in method_options(method)]
            raise InputError(
                f"--{name.replace('_', '-')} belongs to --method {' or '.join(takers)}, not {job.method}"
            )
    _check_outputs(job, dry)
    # A plan reads no pixel, and needs none: steps change what is read, not how much.
    stack, corrections = apply_steps(
        open_inputs(job.inputs, job.reading), () if dry else job.steps, overwrite=job.overwrite
    )
    _check_folders(job, stack.attrs["files"])
    # What is written is known before how it is computed, and decides where tiles may end.
    draft = fuse_by(stack, Layout(tile=max(stack.shape[1:3])), **_fusion(job))
    missing = [name for name in job.outputs if name not in draft]
    if missing:
        raise InputError(f"--method {job.method} gives no {missing[0]}; leave --{missing[0]}-out away")
    record = RunRecord.of("stack", stack.attrs["files"], {**job.parameters(), **digests(corrections)})
    sinks = {name: _sink(path, spec_of(draft[name]), job, record, dry) for name, path in job.outputs.items()}
    resumable = all(_is_zarr(path) for path in job.outputs.values())
    layout = Layout(
        planner=partial(
            _plan,
            plan,
            workers=1 if job.processes else count_workers(job.workers),
            memory_limit=job.memory_limit,
            tile=job.tile,
            multiple=_common_multiple(sinks.values()),
            full_width=any(sink.full_width for sink in sinks.values()),
            # A run that can go on after a kill needs its pieces on disk.
            scratch=True if resumable else None,
        ),
        scratch=_scratch(job),
    )
    return _Prepared(stack, fuse_by(stack, layout, **_fusion(job)), layout, sinks, record)


def _check_names(job: StackJob) -> None:
    """Refuse two outputs of one name."""
    places = [path.absolute() for path in job.outputs.values()]
    twice = [str(path) for path in places if places.count(path) > 1]
    if twice:
        raise InputError(f"{twice[0]} was given for more than one output; give each a name of its own")


def _check_folders(job: StackJob, files: list[str]) -> None:
    """Refuse outputs that the next run would take for frames of the stack."""
    from bigstack.io.find import FAMILIES

    folder = job.inputs[0].absolute()
    if len(job.inputs) != 1 or not folder.is_dir() or not files:
        return
    kind = FAMILIES.get(Path(files[0]).suffix[1:].lower())
    for path in job.outputs.values():
        if path.absolute().parent == folder and FAMILIES.get(path.suffix[1:].lower()) == kind is not None:
            raise InputError(
                f"{path} would lie among the frames in {folder}, and be one of them the next time; "
                "write it to another folder"
            )


def _check_outputs(job: StackJob, dry: bool) -> None:
    """Refuse outputs that cannot be, before steps that read the whole stack are estimated."""
    from bigstack.io.writers import suffix_of
    from bigstack.io.writers.output import Output

    for path in job.outputs.values():
        suffix_of(path)
        Output(path, overwrite=job.overwrite or dry, folder=_is_zarr(path)).check()


def open_inputs(inputs: tuple[Path, ...], reading: dict[str, Any]) -> Any:
    """The stack that paths on a command line mean; absolute, as workers may be elsewhere."""
    from bigstack.io.open import open_stack

    paths = [path.absolute() for path in inputs]
    return open_stack(paths[0] if len(paths) == 1 else paths, **reading)


def _plan(plan: Callable[..., Any], fold: Any, source: Any, passes: int, **how: Any) -> Any:
    return plan(fold, source, passes=passes, **how)


def _fusion(job: StackJob) -> dict[str, Any]:
    return {"method": job.method, "focus_channel": job.focus_channel, **job.options}


def _sink(path: Path, spec: Any, job: StackJob, record: Any, dry: bool) -> Any:
    """The writer of one output; options go to the formats that take them, and to one at least."""
    from bigstack.io.writers import create_sink, sink_options

    given = {"version": job.ngff, "compression": job.compression, "quality": job.quality}
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if not any(name in sink_options(other) for other in job.outputs.values()):
            raise InputError(
                f"--{'ngff' if name == 'version' else name} has no effect on "
                f"{', '.join(str(p) for p in job.outputs.values())}"
            )
    takes = sink_options(path)
    options = {name: value for name, value in options.items() if name in takes}
    return create_sink(path, spec, overwrite=job.overwrite or dry, record=record, **options)


def _common_multiple(sinks: Any) -> tuple[int, int]:
    pairs = [sink.multiple for sink in sinks]
    return lcm(*(pair[0] for pair in pairs)), lcm(*(pair[1] for pair in pairs))


def _is_zarr(path: Path) -> bool:
    return path.name.lower().endswith(".zarr")


def _scratch(job: StackJob) -> Path:
    # Workers of a cluster may have another working directory.
    return job.output.absolute().with_name(job.output.name + ".scratch")


def _clear_scratch(job: StackJob) -> None:
    rmtree(_scratch(job), ignore_errors=True)

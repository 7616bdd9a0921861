"""The main job: read a stack, fuse it, write the image and whatever else was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from bigstack.errors import InputError, choose
from bigstack.io.places import AnyPath
from bigstack.jobs import results
from bigstack.jobs.notes import notes_of, shown
from bigstack.jobs.running import Writing
from bigstack.jobs.trace import Trace
from bigstack.names import FusionMethod

MAPS = ("depth", "index", "confidence", "sigma", "valid", "unobserved")
"""Variables that a report shows."""


@dataclass
class StackJob(Writing):
    """Everything `bigstack stack` can be told; see its help for what each means."""

    inputs: tuple[AnyPath, ...]
    output: AnyPath
    method: FusionMethod = "pyramid"
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the method."""
    reading: dict[str, Any] = field(default_factory=dict)
    """Options of `open_stack`."""
    steps: Sequence[Any] = ()
    """Corrections and the alignment before the fusion, in order; `bigstack.jobs.correct.Step`."""
    focus_channel: list[str] | None = None
    prune: bool = False
    """Whether frames are left unread where a smaller copy shows that they cannot be sharpest."""
    depth_out: AnyPath | None = None
    index_out: AnyPath | None = None
    confidence_out: AnyPath | None = None
    sigma_out: AnyPath | None = None
    task: tuple[int, int] | None = None
    """Compute only the i-th of n shares of the tiles, beside other processes."""
    finish: bool = False
    """Only complete what such processes computed."""
    metadata_from: str | None = None
    """Frame, or file, whose profile, EXIF and XMP go with the outputs; see `bigstack.jobs.metadata`."""
    keep: bool = False
    """Whether the result keeps what a report needs: samples of the maps, memory of each step."""

    command: ClassVar[str] = "stack"
    """Name of the command, for the record."""

    def check(self) -> None:
        """Refuse options that cannot be, before anything is read."""
        from bigstack.fusion import METHODS, method_options

        choose(self.method, METHODS, "method")
        for name in self.options:
            if name not in method_options(self.method):
                takers = [method for method in METHODS if name in method_options(method)]
                raise InputError(
                    f"--{name.replace('_', '-')} belongs to --method {' or '.join(takers)}, not {self.method}"
                )

    def dataset(self, stack: Any, layout: Any) -> Any:
        """The lazy result."""
        from bigstack.fusion import fuse_by

        channel: Any = self.focus_channel
        return fuse_by(
            stack, layout, method=self.method, focus_channel=channel, prune=self.prune, **self.options
        )

    @property
    def outputs(self) -> dict[str, AnyPath]:
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
            **({"prune": True} if self.prune else {}),
            **dict(sorted(self.options.items())),
            **{f"step {n} {step.kind}": step.parameters() for n, step in enumerate(self.steps, 1)},
            **dict(sorted(self.reading.items())),
            **({"metadata from": self.metadata_from} if self.metadata_from else {}),
            **({"gps": "kept"} if self.keep_gps else {}),
            "outputs": {name: str(path.absolute()) for name, path in self.outputs.items()},
        }


@dataclass
class StackPlan:
    """What a run would be."""

    shape: tuple[int, ...]
    dtype: str
    plan: Any
    timing: Any = None
    """What the time is made of, a `bigstack.jobs.calibrate.Timing`, where it was asked for."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"shape": list(self.shape), "dtype": self.dtype, **self.plan.as_dict()}


@dataclass
class StackResult:
    """What a run did."""

    outputs: dict[str, AnyPath]
    shape: tuple[int, ...]
    dtype: str
    seconds: float
    tiles: int
    skipped: int
    notes: list[str]
    task: tuple[int, int] | None = None
    share_read: float | None = None
    """Share of the stack's storage that was read, where it was pruned."""
    trace: Trace = field(default_factory=Trace)

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        if self.task is not None:
            return [
                f"task {self.task[0]} of {self.task[1]}: {self.tiles} tiles in {self.seconds:.1f} s, "
                f"{self.skipped} were there; --finish completes the output when all tasks are done",
                *shown(self.notes, verbose=verbose),
            ]
        frames, height, width = self.shape[:3]
        rate = frames * height * width / self.seconds / 1e6
        lines = [f"wrote {path}" for path in self.outputs.values()]
        lines.append(
            f"{frames} frames of {height} x {width} in {self.seconds:.1f} s, {rate:.0f} Mpix/s of input"
        )
        if self.share_read is not None:
            saved = "" if self.share_read < 1 else ", looks included: --prune does not pay here"
            lines.append(f"pruned: {self.share_read:.1%} of the stack was read{saved}")
        if self.skipped:
            lines.append(
                f"{self.skipped} of {self.skipped + self.tiles} tiles were there from an earlier run"
            )
        return lines + shown(self.notes, verbose=verbose)


@dataclass
class _Prepared:
    """A job made ready: nothing computed, nothing written yet."""

    stack: Any
    ready: results.Ready
    trace: Trace

    @property
    def plan(self) -> StackPlan:
        return StackPlan(self.stack.shape, str(self.stack.dtype), self.ready.layout.plan)


def plan_stack(job: StackJob, *, calibrate: float | None = None) -> StackPlan:
    """What running `job` would take: the stack's shape and dtype and its `Plan`.

    Reads headers only; with `calibrate`, parts of the job are run for about so many seconds, which tell how
    long all of it will take.
    """
    from bigstack.jobs.calibrate import estimate_reads, timing

    prepared = _prepare(job, dry=True)
    found = prepared.plan
    reads = estimate_reads(job, prepared.stack, found.plan)
    found.plan = replace(found.plan, bytes_read=found.plan.bytes_read + reads)
    if calibrate is not None:
        found.timing = timing(job, prepared.stack, prepared.ready.layout, seconds=calibrate)
        found.plan = replace(found.plan, seconds=round(found.timing.total, 1))
    return found


def run_stack(
    job: StackJob,
    *,
    tell: Callable[[StackPlan], None] = lambda plan: None,
    watch: Callable[[Any], None] = lambda progress: None,
    say: Callable[[str], None] = lambda text: None,
) -> StackResult:
    """Run `job`: an interrupted run to OME-Zarr goes on where it was.

    `tell` gets the plan before the work starts, `watch` the progress while it goes on, `say` what else is
    worth knowing meanwhile.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    started = time.perf_counter()
    prepared = _prepare(job, watch=watch)
    tell(prepared.plan)
    trace = prepared.trace
    with trace.step("compute and write"):
        if job.task is not None:
            progress = results.write_share(prepared.ready, job, job.task, watch=watch, say=say)
        else:
            progress = results.write(prepared.ready, job, only_finish=job.finish, watch=watch, say=say)
    trace.maps = results.samples(prepared.ready)
    if progress.share_read is not None:
        trace.parameters["share of the stack read"] = f"{progress.share_read:.1%}"
    return StackResult(
        outputs=job.outputs,
        shape=prepared.stack.shape,
        dtype=str(prepared.stack.dtype),
        seconds=time.perf_counter() - started,
        tiles=progress.total,
        skipped=progress.skipped,
        notes=notes_of(prepared.stack),
        task=job.task,
        share_read=progress.share_read,
        trace=trace,
    )


def _prepare(
    job: StackJob, *, dry: bool = False, watch: Callable[[Any], None] = lambda progress: None
) -> _Prepared:
    from bigstack.io.record import RunRecord
    from bigstack.jobs.correct import apply_steps, digests
    from bigstack.jobs.metadata import carry_metadata

    job.check()
    # Before steps that read the whole stack are estimated.
    results.check_paths(job.outputs, overwrite=job.overwrite or dry)
    # A plan reads no pixel, and needs none: steps change what is read, not how much.
    trace = Trace(memory=job.keep)
    with trace.step("open and audit"):
        opened = open_inputs(job.inputs, job.reading)
    carry_metadata(opened, job.metadata_from)  # a frame that there is not is told before the work
    stack, corrections = apply_steps(
        opened,
        () if dry else job.steps,
        overwrite=job.overwrite,
        workers=job.workers,
        watch=watch,
        trace=trace,
    )
    stack = carry_metadata(stack, job.metadata_from, corrections, opened)
    if len(job.inputs) == 1:
        results.check_among(job.outputs, job.inputs[0].absolute(), stack.attrs["files"])
    ready = results.prepare(
        lambda layout: job.dataset(stack, layout),
        job.outputs,
        job,
        RunRecord.of(job.command, stack.attrs["files"], {**job.parameters(), **digests(corrections)}),
        frames=stack.sizes["z"],
        size=max(stack.shape[1:3]),
        dry=dry,
        absent=lambda name: (
            f"--method {job.method} gives no {name}, --method depth does; leave --{name}-out away"
        ),
    )
    if job.keep and job.task is None and not job.finish:
        ready.sample(MAPS)
    trace.opened, trace.stack, trace.parameters = opened, stack, job.parameters()
    trace.units = {
        str(name): str(value.attrs["unit"]) for name, value in ready.dataset.items() if "unit" in value.attrs
    }
    return _Prepared(stack, ready, trace)


def open_inputs(inputs: tuple[AnyPath, ...], reading: dict[str, Any]) -> Any:
    """The stack that paths on a command line mean; absolute, as workers may be elsewhere."""
    from bigstack.io.open import open_stack

    paths = [path.absolute() for path in inputs]
    return open_stack(paths[0] if len(paths) == 1 else paths, **reading)

"""Align a stack: estimate or read an alignment, save it, apply it, or write the aligned stack."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, OutputExistsError
from bigstack.io.places import AnyPath
from bigstack.jobs.running import Running


@dataclass
class AlignOptions:
    """How a stack is aligned; see `bigstack.align` for what each means."""

    method: str = "auto"
    """`none` leaves the stack alone."""
    estimate: dict[str, Any] = field(default_factory=dict)
    """Options of `estimate_alignment` but the method."""
    apply: dict[str, Any] = field(default_factory=dict)
    """Options of `apply_alignment`."""
    alignment: Path | None = None
    """Saved alignment to apply instead of estimating one."""
    save: Path | None = None
    """Where to save the alignment as JSON."""

    def parameters(self) -> dict[str, Any]:
        """What pixels depend on beside the alignment itself."""
        applied = {f"align {name}": value for name, value in sorted(self.apply.items())}
        return {"align": self.method, **applied}


@dataclass
class AlignJob(Running):
    """Everything `bigstack align` can be told."""

    inputs: tuple[AnyPath, ...]
    output: AnyPath
    options: AlignOptions
    reading: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False


@dataclass
class AlignResult:
    """What an alignment found, and what was written."""

    stack: Any
    """The stack as it was, lazy."""
    alignment: Any
    written: list[AnyPath]
    seconds: float

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        return [
            *describe(self.alignment, every=verbose),
            *(f"wrote {path}" for path in self.written),
            f"{len(self.alignment)} frames in {self.seconds:.1f} s",
        ]


def align_stack(job: AlignJob, *, watch: Callable[[Any], None] = lambda progress: None) -> AlignResult:
    """Run `job`: estimate, and write the alignment or the aligned stack."""
    started = time.perf_counter()
    from bigstack.io.remote import RemotePath
    from bigstack.jobs.stack import open_inputs

    as_json = job.output.suffix == ".json"
    options = job.options
    if as_json:
        if isinstance(job.output, RemotePath):
            raise InputError(f"{job.output}: an alignment is saved to a disk; a store takes an .ome.zarr")
        options = AlignOptions(**{**vars(options), "save": job.output})
    _check_save(options, job.overwrite)
    stack = open_inputs(job.inputs, job.reading)
    if not as_json:
        _check_output(job, stack)
    with estimating(job.workers, watch):
        aligned, alignment = aligned_by(stack, options, overwrite=job.overwrite)
    written: list[AnyPath] = [path for path in (options.save,) if path is not None]
    if not as_json:
        _write(job, aligned, alignment, watch)
        written.append(job.output)
    return AlignResult(stack, alignment, written, time.perf_counter() - started)


@contextmanager
def estimating(workers: int | None, watch: Callable[[Any], None]) -> Iterator[None]:
    """Estimates inside use so many workers, and `watch` is told how far they are."""
    import dask

    from bigstack.cluster import count_workers
    from bigstack.engine.watch import watching

    with dask.config.set(num_workers=count_workers(workers)), watching(watch):
        yield


def aligned_by(stack: Any, options: AlignOptions, *, overwrite: bool = False) -> tuple[Any, Any]:
    """Return the stack aligned, lazily, and the alignment; None for the latter when nothing is to be done."""
    if options.method == "none" and options.alignment is None:
        return stack, None
    from bigstack.align import apply_alignment, estimate_alignment
    from bigstack.geometry.alignment import Alignment
    from bigstack.io.corrections import put_files

    _check_save(options, overwrite)
    if stack.sizes["z"] == 1 and options.alignment is None:
        alignment = Alignment.identity(stack.shape[1:3], 1)
    elif options.alignment is None:
        method: Any = options.method
        alignment = estimate_alignment(stack, method=method, **options.estimate)
    else:
        alignment = read_alignment(options.alignment)
    if options.save is not None:
        put_files({options.save: alignment.to_json().encode()}, overwrite=overwrite)
    return apply_alignment(stack, alignment, **options.apply), alignment


def describe(alignment: Any, *, every: bool = False) -> list[str]:
    """An alignment in a few lines: how far frames move, and which are odd."""
    if alignment.is_identity:
        return ["the frames lie on one another already: nothing is moved"]
    parts = alignment.decompose()
    width = max(abs(parts["shift_x"]).max(), abs(parts["shift_y"]).max())
    lines = [
        f"frames move by up to {width:.1f} px, scale {parts['scale'].min():.4f} to "
        f"{parts['scale'].max():.4f}, "
        f"rotation up to {abs(parts['rotation']).max():.3f} degrees, against frame {alignment.reference}"
    ]
    for z, frame in enumerate(alignment.frames):
        if frame.flags or frame.dropped:
            lines.append(f"frame {z}: {', '.join(frame.flags)}{', left out' if frame.dropped else ''}")
        elif every:
            moved = f"x {parts['shift_x'][z]:+.2f} y {parts['shift_y'][z]:+.2f} px"
            lines.append(f"frame {z}: {moved}, scale {parts['scale'][z]:.5f}, {frame.inliers} matches")
    return lines


def _check_save(options: AlignOptions, overwrite: bool) -> None:
    """Refuse before the work what could not be saved after it."""
    if options.save is None:
        return
    if options.save.exists() and not overwrite:
        raise OutputExistsError(f"{options.save} exists; allow to overwrite it (--overwrite)")
    if not options.save.absolute().parent.is_dir():
        raise InputError(f"cannot write {options.save}: its folder does not exist; create it first")


def _check_output(job: AlignJob, stack: Any) -> None:
    """Refuse before the work a stack that could not be written after it."""
    from bigstack.io.writers import STACK_SUFFIXES, create_stack_sink, stack_spec_of

    if not job.output.name.lower().endswith(STACK_SUFFIXES):
        raise InputError(
            f"{job.output}: alignments are written as .json, aligned stacks as {' or '.join(STACK_SUFFIXES)}"
        )
    create_stack_sink(job.output, stack_spec_of(stack), overwrite=job.overwrite)


def read_alignment(path: Path) -> Any:
    """Read an alignment that was saved as JSON."""
    from bigstack.errors import StackError
    from bigstack.geometry.alignment import Alignment

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"the alignment {path} cannot be read: {error}") from error
    try:
        return Alignment.from_json(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _write(job: AlignJob, aligned: Any, alignment: Any, watch: Callable[[Any], None]) -> None:
    from bigstack.engine.copy import copy_stack
    from bigstack.engine.sources import as_source
    from bigstack.io.record import RunRecord
    from bigstack.io.writers import create_stack_sink, stack_spec_of
    from bigstack.jobs.correct import digests

    parameters = {**job.options.parameters(), **digests([alignment])}
    reading = {f"reading {name}": value for name, value in job.reading.items()}
    record = RunRecord.of("align", aligned.attrs["files"], {**parameters, **reading})
    sink = create_stack_sink(job.output, stack_spec_of(aligned), overwrite=job.overwrite, record=record)
    with job.executor() as executor:
        sink.open()
        try:
            copy_stack(as_source(aligned.data), sink, executor, watch=watch)
        except BaseException:
            sink.pause()
            raise
        sink.finish()

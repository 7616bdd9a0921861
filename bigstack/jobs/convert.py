"""Copy a stack into OME-Zarr, which tiles can be read from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bigstack.io.places import AnyPath
from bigstack.io.writers.spec import human
from bigstack.jobs.notes import notes_of, shown
from bigstack.jobs.running import Running


@dataclass
class ConvertJob(Running):
    """Everything `bigstack convert` can be told."""

    inputs: tuple[AnyPath, ...]
    output: AnyPath
    reading: dict[str, Any] = field(default_factory=dict)
    ngff: str | None = None
    compression: str | None = None
    chunk: int | None = None
    shard: int | None = None
    levels: int | None = None
    overwrite: bool = False
    keep_gps: bool = False


@dataclass
class ConvertResult:
    """What a conversion did."""

    output: AnyPath
    shape: tuple[int, ...]
    dtype: str
    seconds: float
    pieces: int
    skipped: int
    stored: int
    notes: list[str]

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        z, y, x, channels = self.shape
        lines = [
            f"wrote {self.output} ({human(self.stored)})",
            f"{z} frames of {y} x {x}, {channels} channels, {self.dtype}, in {self.seconds:.1f} s, "
            f"{z * y * x / self.seconds / 1e6:.0f} Mpix/s",
        ]
        if self.skipped:
            lines.append(
                f"{self.skipped} of {self.skipped + self.pieces} pieces were there from an earlier run"
            )
        return lines + shown(self.notes, verbose=verbose)


def convert_stack(job: ConvertJob, *, watch: Callable[[Any], None] = lambda progress: None) -> ConvertResult:
    """Run `job`: an interrupted conversion goes on where it was."""
    started = time.perf_counter()
    from bigstack.engine.copy import copy_stack
    from bigstack.engine.sources import as_source
    from bigstack.io.places import stored_bytes
    from bigstack.io.record import RunRecord
    from bigstack.io.writers import create_stack_sink, stack_spec_of
    from bigstack.jobs.stack import open_inputs

    stack = open_inputs(job.inputs, job.reading)
    record = RunRecord.of("convert", stack.attrs["files"], dict(job.reading))
    given = {"version": job.ngff, "compression": job.compression, "chunk": job.chunk, "shard": job.shard}
    options = {k: v for k, v in {**given, "levels": job.levels}.items() if v is not None}
    sink = create_stack_sink(
        job.output,
        stack_spec_of(stack, keep_gps=job.keep_gps),
        overwrite=job.overwrite,
        record=record,
        **options,
    )
    with job.executor() as executor:
        sink.open()
        try:
            progress = copy_stack(as_source(stack.data), sink, executor, watch=watch)
        except BaseException:
            sink.pause()
            raise
        sink.finish()
    notes = notes_of(stack)
    if "alpha" in stack.coords:
        notes.append("skipped alpha: the copy has the colour channels only")
    return ConvertResult(
        output=job.output,
        shape=stack.shape,
        dtype=str(stack.dtype),
        seconds=time.perf_counter() - started,
        pieces=progress.total,
        skipped=progress.skipped,
        stored=stored_bytes(job.output),
        notes=notes,
    )

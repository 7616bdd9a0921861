"""Fuse a stack in bunches and write them, in one pass: frames that bunches share are read once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bigstack.errors import InputError
from bigstack.io.places import AnyPath
from bigstack.jobs.cache import digest
from bigstack.jobs.notes import notes_of, shown
from bigstack.jobs.running import Writing
from bigstack.jobs.stack import StackJob
from bigstack.jobs.stack_output import stack_writer

KEPT = 0.5
"""Most of the memory limit that shared frames may take; where they need more, they are read twice."""


@dataclass
class BunchJob(StackJob):
    """Everything `bigstack bunch` can be told; `output` is an OME-Zarr or a folder."""

    frames: int = 10
    overlap: int = 0
    format: str = "tif"
    """Ending of the files in a folder."""


@dataclass
class BunchResult:
    """What was written."""

    output: AnyPath
    spans: list[range]
    shape: tuple[int, ...]
    seconds: float
    skipped: int
    notes: list[str] = field(default_factory=list)

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        frames, height, width = self.shape[:3]
        sizes = ", ".join(f"{span.start}-{span.stop - 1}" for span in self.spans[:8])
        more = ", ..." if len(self.spans) > 8 else ""
        lines = [
            f"wrote {self.output}: {len(self.spans)} bunches of frames {sizes}{more}",
            f"{frames} frames of {height} x {width} in {self.seconds:.1f} s, "
            f"{frames * height * width / self.seconds / 1e6:.0f} Mpix/s of input",
        ]
        if self.skipped:
            lines.append(f"{self.skipped} tiles were there from an earlier run")
        return lines + shown(self.notes, verbose=verbose)


def run_bunch(job: BunchJob, *, watch: Callable[[Any], None] = lambda progress: None) -> BunchResult:
    """Run `job`: an interrupted run goes on where it was.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    from bigstack.bunches import source_of
    from bigstack.engine.bunched import bunch_spans
    from bigstack.jobs.correct import apply_steps, digests
    from bigstack.jobs.metadata import carry_metadata
    from bigstack.jobs.stack import open_inputs

    started = time.perf_counter()
    job.check()
    opened = open_inputs(job.inputs, job.reading)
    spans = bunch_spans(opened.sizes["z"], job.frames, job.overlap)
    stack, corrections = apply_steps(
        opened, job.steps, overwrite=job.overwrite, workers=job.workers, watch=watch
    )
    stack = carry_metadata(stack, job.metadata_from, corrections, opened)
    how = {"method": job.method, "focus_channel": job.focus_channel, **job.options}
    key = digest([job.parameters(), digests(corrections), [job.frames, job.overlap]])
    notes = notes_of(opened)
    if source_of(stack).masked and not _fills(stack):
        notes.append("note: frames move; where none of a bunch has data it is made up (--crop cuts that off)")
    skipped = write_bunches(
        stack, spans, job.output, job, fusion=how, key=key, ending=job.format, watch=watch
    )
    return BunchResult(job.output, spans, stack.shape, time.perf_counter() - started, skipped, notes)


def write_bunches(
    stack: Any,
    spans: Sequence[range],
    path: AnyPath,
    how: Writing,
    *,
    fusion: Mapping[str, Any],
    key: str,
    ending: str = "tif",
    watch: Callable[[Any], None] = lambda progress: None,
) -> int:
    """Fuse each bunch and write it; gives the number of tiles that were there from an interrupted run."""
    import dask.array as da

    from bigstack.bunches import bunch_stack, fuse_bunch, source_of
    from bigstack.engine.bunched import KeepingSource

    source = source_of(stack)
    lazy = da.zeros((len(spans), *stack.shape[1:]), dtype=stack.dtype, chunks=-1)
    with ExitStack() as cleanup:
        executor = cleanup.enter_context(how.executor())
        writer = stack_writer(path, bunch_stack(stack, spans, lazy), how, key=key, ending=ending)
        shared = _shared_bytes(stack, spans)
        keeps = executor.in_process and 0 < shared <= KEPT * how.memory_limit
        limit = how.memory_limit - shared if keeps else how.memory_limit
        read = KeepingSource(source) if keeps else source
        layout = _layout(stack, source, spans, limit, how, writer, fusion)
        progress = _Progress(len(spans), stack.shape, watch)
        writer.open()
        try:
            for number, span in enumerate(spans):
                if isinstance(read, KeepingSource):
                    read.keep(span, spans[number + 1] if number + 1 < len(spans) else ())
                image = fuse_bunch(stack, read, span, layout, **fusion)
                writer.store(number, image, executor, progress.of(number))
        except BaseException:
            writer.pause()
            raise
        writer.finish(executor)
    return int(writer.skipped)


def _layout(
    stack: Any,
    source: Any,
    spans: Sequence[range],
    limit: int,
    how: Writing,
    writer: Any,
    fusion: Mapping[str, Any],
) -> Any:
    """The same tiles for all bunches: those of the first, which has as many frames as any."""
    from bigstack.bunches import fuse_bunch
    from bigstack.cluster import tasks_a_process
    from bigstack.engine.layout import Layout
    from bigstack.engine.plan import plan

    def planner(fold: Any, source: Any, passes: int) -> Any:
        return plan(
            fold,
            source,
            workers=tasks_a_process(**how.place),
            memory_limit=limit,
            tile=how.tile,
            multiple=writer.multiple,
            full_width=writer.full_width,
            passes=passes,
        )

    draft = Layout(planner=planner, scratch=writer.scratch)
    fuse_bunch(stack, source, spans[0], draft, **fusion)
    if draft.plan is None:
        raise InputError(f"method {fusion['method']!r} cannot be planned")
    return Layout(tile=draft.plan.tile, scratch=writer.scratch if draft.plan.scratch else None)


def _shared_bytes(stack: Any, spans: Sequence[range]) -> int:
    """Bytes of the frames that a bunch hands on to the next, and of a third more for the halos of tiles.

    Where more than half of a bunch is shared, frames for the next and the one after are kept at a time.
    """
    if len(spans) < 2:
        return 0
    most = max(len(set(a) & set(b)) for a, b in pairwise(spans))
    return int(most * stack.nbytes / stack.sizes["z"] * 4 / 3)


def _fills(stack: Any) -> bool:
    """Whether every frame has data everywhere."""
    from bigstack.bunches import source_of

    source = source_of(stack)
    height, width = source.shape[1:3]
    whole = slice(0, height), slice(0, width)
    # Corners tell: what a warp leaves empty begins at an edge.
    for z in range(source.shape[0]):
        for y, x in ((whole[0], slice(0, 1)), (whole[0], slice(width - 1, width)), (slice(0, 1), whole[1])):
            mask = source.valid(z, y, x)
            if mask is not None and not mask.all():
                return False
    return True


class _Progress:
    """How far all bunches are, for who watches."""

    def __init__(self, bunches: int, shape: tuple[int, ...], watch: Callable[[Any], None]) -> None:
        self.bunches = bunches
        self.pixels = shape[0] * shape[1] * shape[2]
        self.share = 0.0
        self.watch = watch

    def of(self, number: int) -> Callable[[Any], None]:
        """What to tell of one bunch."""

        def told(progress: Any) -> None:
            self.share = (number + progress.share) / self.bunches
            self.watch(self)

        return told

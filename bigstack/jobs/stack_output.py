"""Write a stack for people and for later steps: an OME-Zarr, or a folder of frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bigstack.jobs.results import Running


def write_stack(
    stack: Any,
    path: Path,
    how: Running,
    *,
    key: str,
    watch: Callable[[Any], None] = lambda progress: None,
) -> None:
    """Write a lazy stack to an OME-Zarr; an interrupted one of the same `key` goes on where it was."""
    from bigstack.cluster import open_executor
    from bigstack.engine.copy import copy_stack
    from bigstack.engine.sources import as_source
    from bigstack.io.record import RunRecord
    from bigstack.io.writers import create_stack_sink, stack_spec_of

    record = RunRecord.of("job", stack.attrs.get("files", ()), {"key": key})
    given = {"version": how.ngff, "compression": how.compression}
    options = {name: value for name, value in given.items() if value is not None}
    sink = create_stack_sink(path, stack_spec_of(stack), overwrite=how.overwrite, record=record, **options)
    where = {name: getattr(how, name) for name in ("workers", "processes", "scheduler", "scheduler_file")}
    with open_executor(**where, memory_limit=how.memory_limit) as executor:
        sink.open()
        try:
            copy_stack(as_source(stack.data), sink, executor, watch=watch)
        except BaseException:
            sink.pause()
            raise
        sink.finish()

"""Where jobs compute and how they write: the fields that jobs have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigstack.cluster import Cluster


@dataclass(kw_only=True)
class Running:
    """Where a job computes, and in how much memory."""

    memory_limit: int = 2 * 10**9
    """Bytes of a process."""
    workers: int | None = None
    processes: bool = False
    scheduler: str | None = None
    scheduler_file: Path | None = None
    cluster: Cluster | None = None
    """A cluster to start, and to end with the run."""

    @property
    def place(self) -> dict[str, Any]:
        """Where it computes, as `bigstack.cluster` wants it."""
        names = ("workers", "processes", "scheduler", "scheduler_file", "cluster")
        return {name: getattr(self, name) for name in names}

    @contextmanager
    def executor(self, say: Callable[[str], None] = lambda text: None) -> Iterator[Any]:
        """Open the place, and close what that opened; `say` is told what people may want to look at."""
        from bigstack.cluster import open_executor

        with open_executor(**self.place, memory_limit=self.memory_limit) as executor:
            if executor.about:
                say(executor.about)
            yield executor


@dataclass(kw_only=True)
class Writing(Running):
    """The same, and how its images or stacks are written."""

    tile: int | None = None
    overwrite: bool = False
    ngff: str | None = None
    compression: str | None = None
    quality: int | None = None
    keep_gps: bool = False

"""How far an estimate is, for whoever wants to know: measuring a stack takes long, and gives one value."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from dask.callbacks import Callback

_SELDOM = 0.1
"""Seconds between two reports."""


@dataclass(frozen=True)
class Measuring:
    """What is being measured."""

    step: str
    share: float
    """Of the step's work that is done, 0 to 1."""


Watch = Callable[[Measuring], None]
_WATCH: ContextVar[Watch | None] = ContextVar("bigstack-watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Have `watch` told of every `measuring` inside.

    Examples
    --------
    >>> with watching(lambda now: print(now.step, now.share)), measuring("reading frames"):
    ...     pass
    reading frames 0.0
    reading frames 1.0
    """
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


@contextmanager
def measuring(step: str) -> Iterator[None]:
    """Tell how far dask's tasks are that are computed inside; a cluster's are told at the end."""
    watch = _WATCH.get()
    if watch is None:
        yield
        return
    watch(Measuring(step, 0.0))
    with _Count(step, watch):
        yield
    watch(Measuring(step, 1.0))


class _Count(Callback):  # type: ignore[misc]
    """Counts tasks of dask's local schedulers."""

    def __init__(self, step: str, watch: Watch) -> None:
        super().__init__()
        self.step, self.watch = step, watch
        self.total = self.done = 0
        self.told = time.perf_counter()

    def _start_state(self, graph: Any, state: Any) -> None:
        self.total += len(state["waiting"]) + len(state["ready"])

    def _posttask(self, key: Any, result: Any, graph: Any, state: Any, worker: Any) -> None:
        self.done += 1
        now = time.perf_counter()
        if now - self.told >= _SELDOM and self.done < self.total:
            self.told = now
            self.watch(Measuring(self.step, self.done / self.total))

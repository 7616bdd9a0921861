"""What a run leaves behind for a report: its steps with their time and memory, and what they found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PAUSE = 0.02
"""Seconds between two looks at the memory."""


@dataclass(frozen=True)
class Span:
    """One step of a run."""

    name: str
    seconds: float
    memory: int | None = None
    """Highest resident memory in bytes of this process while it ran; None where it was not watched."""


@dataclass
class Trace:
    """What a run did; lazy arrays stay lazy, so that keeping them costs nothing.

    Examples
    --------
    >>> trace = Trace()
    >>> with trace.step("think"):
    ...     pass
    >>> trace.spans[0].name
    'think'
    """

    memory: bool = False
    """Whether memory is watched."""
    opened: Any = None
    """The stack as it was read."""
    stack: Any = None
    """The stack as it was fused: corrected and aligned."""
    found: list[tuple[Any, Any]] = field(default_factory=list)
    """The stack that each correction, or the alignment, was estimated on, and its value."""
    spans: list[Span] = field(default_factory=list)
    maps: dict[str, Any] = field(default_factory=dict)
    """Samples of maps that were not written, `bigstack.io.writers.preview.Sampled`."""
    units: dict[str, str] = field(default_factory=dict)
    """Unit of each variable of the result that has one."""
    parameters: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step."""
        started = time.perf_counter()
        with _Peak(self.memory) as peak:
            yield
        self.spans.append(Span(name, time.perf_counter() - started, peak.bytes))


class _Peak:
    """Looks at the resident memory of this process from time to time."""

    def __init__(self, wanted: bool) -> None:
        self.bytes: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True) if wanted else None

    def __enter__(self) -> _Peak:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        import psutil

        process = psutil.Process()
        while True:
            self.bytes = max(self.bytes or 0, int(process.memory_info().rss))
            if self._stop.wait(PAUSE):
                break

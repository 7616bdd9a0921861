"""Counts what is decoded, so that a plan can be held against it."""

from __future__ import annotations

import threading


class Meter:
    """A number of bytes that all threads of the process add to.

    Examples
    --------
    >>> meter = Meter()
    >>> meter.add(5)
    >>> meter.bytes
    5
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0

    def add(self, count: int) -> None:
        """Count more bytes."""
        with self._lock:
            self._bytes += count

    @property
    def bytes(self) -> int:
        """Bytes so far."""
        return self._bytes


DECODED = Meter()
"""Bytes of pixels that this process has decoded, in pieces as storage has them: frames, strips, chunks."""

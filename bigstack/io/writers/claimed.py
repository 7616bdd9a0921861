"""What outputs on disks and in stores have in common: one process at a time may write to one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from bigstack.errors import RunError
from bigstack.io.places import AnyPath
from bigstack.io.writers.lock import OutputLock


class Claimed(ABC):
    """An output that its process locks while it is under construction."""

    path: AnyPath
    _lock: OutputLock | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_lock": None}  # tasks on other machines write, but do not own

    @abstractmethod
    def check(self) -> None:
        """Refuse, before any work, a name that the output could not take in the end."""

    @abstractmethod
    def clear(self) -> None:
        """Remove what an earlier run left unfinished."""

    @abstractmethod
    def writing(self, need: int) -> AbstractContextManager[None]:
        """Say of errors in writing so many bytes what people can do."""

    def claim(self, *, wait: float = 0.0) -> None:
        """Lock the output for this process; another's lock may be waited for, in seconds."""
        lock = OutputLock(self.path)
        with self.writing(0):
            acquire(lock, wait)
        self._lock = lock
        try:
            self.check()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Unlock the output."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def discard(self) -> None:
        """Remove the unfinished output and unlock; harmless when nothing was claimed."""
        if self._lock is not None:
            self.clear()
            self.release()


def acquire(lock: OutputLock, wait: float) -> None:
    """Take a lock; another's may be waited for, in seconds."""
    until = time.monotonic() + wait
    while True:
        try:
            return lock.acquire()
        except RunError:
            if time.monotonic() >= until:
                raise
        time.sleep(0.1)

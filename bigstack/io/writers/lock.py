"""A lock file beside an output, so that two runs never write the same one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import weakref

from bigstack.errors import RunError, StoreError
from bigstack.io.places import AnyPath, create, put_text

SETTLE_SECONDS = 5.0
"""A lock file without content for longer than this was left by a process killed while it made it."""
CLOCK_SECONDS = 60.0
"""Start times of one process may differ by this much: the clock they are computed from can be set."""


class OutputLock:
    """Held by the one process that may write an output; a dead process's lock is taken over.

    The owner is known by host, process and start time. On another host nobody can see whether it still
    lives, so there the lock is respected and the message says how to remove it.
    """

    def __init__(self, output: AnyPath) -> None:
        self.output = output
        self.path = output.with_name(output.name + ".lock")
        self._release: weakref.finalize | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        RunError
            When another run holds it.
        """
        mine = _me()
        while not create(self.path, mine):
            owner = _read(self.path)
            if owner is not None and _alive(self.path, owner):
                raise RunError(self._refusal(owner))
            if owner is not None and self._take_over(owner, mine):
                break
        self._release = weakref.finalize(self, _unlink_if_mine, self.path, mine)

    def release(self) -> None:
        """Let go of the lock; nothing happens when it is not held."""
        if self._release is not None:
            self._release()
            self._release = None

    def _take_over(self, stale: str, mine: str) -> bool:
        """Replace a dead process's lock, unless somebody else was faster.

        One at a time, behind a guard file, and never with a moment without a lock: else several that saw
        the same stale lock would remove each other's new ones.
        """
        guard = self.path.with_name(self.path.name + ".takeover")
        if not create(guard, mine):
            self._wait_for(guard)
            return False
        try:
            if _read(self.path) != stale:
                return False
            put_text(self.path, mine)
            return True
        finally:
            guard.unlink(missing_ok=True)

    @staticmethod
    def _wait_for(guard: AnyPath) -> None:
        """Give the one that takes over a moment; one that was killed meanwhile is not waited for."""
        with contextlib.suppress(FileNotFoundError):
            if time.time() - guard.stat().st_mtime > SETTLE_SECONDS:
                guard.unlink()
            else:
                time.sleep(0.01)

    def _refusal(self, owner: str) -> str:
        who = _parse(owner)
        where = f"process {who.get('pid', '?')} on {who.get('host', '?')}"
        return (
            f"another run is writing {self.output} ({where}): wait for it, or choose another output; "
            f"if that run is dead, delete {self.path}"
        )


def _me() -> str:
    import psutil

    me = psutil.Process()
    return json.dumps(
        {
            "host": socket.gethostname(),
            "pid": me.pid,
            "started": me.create_time(),
            "taken": time.time_ns(),
        }
    )


def _read(path: AnyPath) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _parse(owner: str) -> dict:
    try:
        value = json.loads(owner)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _alive(path: AnyPath, owner: str) -> bool:
    import psutil

    who = _parse(owner)
    pid, started = who.get("pid"), who.get("started")
    if not isinstance(pid, int) or not isinstance(started, int | float):
        with contextlib.suppress(FileNotFoundError):
            return time.time() - path.stat().st_mtime < SETTLE_SECONDS
        return False
    if who.get("host") != socket.gethostname():
        return True
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and (
            abs(process.create_time() - started) < CLOCK_SECONDS
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _unlink_if_mine(path: AnyPath, mine: str) -> None:
    # A forked child inherits the finalizer, but the lock is not its own to remove.
    if _parse(mine).get("pid") != os.getpid():
        return
    # A store that is gone tells nobody else either; the next run sees that this process is dead.
    with contextlib.suppress(StoreError):
        if _read(path) == mine:
            path.unlink(missing_ok=True)

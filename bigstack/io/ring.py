"""Decoded frames that are shared by all threads of a process, so that none is decoded once a tile."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from itertools import islice

import numpy as np

Decode = Callable[[], np.ndarray]

MEGABYTE = 1 << 20
_PATIENCE = 0.1
_MOST_WALKERS = 256


class _Entry:
    """A frame that is being decoded, or is there, or failed."""

    __slots__ = ("done", "error", "pixels")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.pixels: np.ndarray | None = None
        self.error: BaseException | None = None


class _Walker:
    """A thread on its way through the frames of a stack: where it is and how fast it steps."""

    __slots__ = ("place", "seen", "step", "walk")

    def __init__(self, walk: Hashable, place: int, now: float) -> None:
        self.walk = walk
        self.place = place
        self.seen = now
        self.step = 0.0

    def leaves(self) -> float:
        """Time at which to believe that it does not come back."""
        return self.seen + max(_PATIENCE, 3 * self.step)


class FrameRing:
    """Keeps the frames that were used last; each is decoded by one thread while others wait or work ahead.

    Two threads that walk through the same frames would both decode every frame, or one would idle while
    the other decodes. Here the second one decodes the next frame meanwhile, so both stay busy and every
    frame is decoded once. A thread that gets so far ahead that frames would be dropped before the others
    had them waits a little: else those others would decode all of the rest again for themselves.

    Parameters
    ----------
    frames
        Most frames to keep; processors + 2 when None: as many as threads use, one ahead, one to spare.
    size
        Most bytes to keep. The frame that was asked for last stays, however large.

    Examples
    --------
    >>> ring = FrameRing(frames=2)
    >>> ring.get("a", lambda: np.arange(3)).tolist()
    [0, 1, 2]
    """

    def __init__(self, *, frames: int | None = None, size: int = 1024 * MEGABYTE) -> None:
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._walkers: dict[int, _Walker] = {}
        self._bytes = 0
        self.limit(frames=frames, size=size)

    def limit(self, *, frames: int | None = None, size: int | None = None) -> None:
        """Set how much to keep; None for `frames` means processors + 2, for `size` no change."""
        with self._lock:
            self.frames = _processors() + 2 if frames is None else max(1, frames)
            if size is not None:
                self.size = size
            self._evict()

    def clear(self) -> None:
        """Forget all frames that are there; those being decoded are kept until asked for."""
        with self._lock:
            frames, self.frames = self.frames, 0
            self._evict()
            self.frames = frames
            self._walkers.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of the frames that are kept now."""
        return self._bytes

    def get(
        self,
        key: Hashable,
        decode: Decode,
        ahead: Iterable[tuple[Hashable, Decode]] = (),
        walk: tuple[Hashable, int] | None = None,
    ) -> np.ndarray:
        """Return the frame `key`, read-only; decode it if no thread did so before.

        While another thread decodes it, decode the first of `ahead` that nobody has begun. An error of
        `decode` is raised in every thread that waits for the frame; the next one to ask tries again.

        Parameters
        ----------
        ahead
            The frames that follow, nearest first.
        walk
            What is walked through, and the place of this frame in it; threads that walk through the same
            are kept together.
        """
        with self._lock:
            entry = self._entries.get(key)
            if walk is not None:
                self._step(walk)
                if entry is None:
                    self._wait_for_others(walk)
                    entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry()
            else:
                self._entries.move_to_end(key)
        if mine:
            return self._fill(key, entry, decode)
        if not entry.done.is_set():
            self._work_ahead(entry, ahead, walk)
            entry.done.wait()
        if entry.error is not None:
            raise entry.error
        assert entry.pixels is not None
        return entry.pixels

    def _step(self, walk: tuple[Hashable, int]) -> None:
        now = time.monotonic()
        known = self._walkers.get(threading.get_ident())
        if known is None or known.walk != walk[0]:
            if len(self._walkers) >= _MOST_WALKERS:
                self._walkers = {i: w for i, w in self._walkers.items() if w.leaves() > now}
            self._walkers[threading.get_ident()] = _Walker(*walk, now)
        else:
            known.step, known.seen, known.place = now - known.seen, now, walk[1]
        self._moved.notify_all()

    def _wait_for_others(self, walk: tuple[Hashable, int]) -> None:
        """Wait while a frame at this place would push out one that a thread close behind still needs."""
        while slow := self._behind(walk):
            now = time.monotonic()
            until = max(walker.leaves() for walker in slow)
            self._moved.wait(max(0.001, until - now))

    def _behind(self, walk: tuple[Hashable, int]) -> list[_Walker]:
        """Walkers for whom a frame at this place comes too early; those far behind are on another round."""
        if len(self._walkers) < 2:
            return []
        room, now = self._room(), time.monotonic()
        return [
            walker
            for walker in self._walkers.values()
            if walker.walk == walk[0] and room <= walk[1] - walker.place <= 2 * room and walker.leaves() > now
        ]

    def _room(self) -> int:
        """Frames that fit."""
        largest = max((e.pixels.nbytes for e in self._entries.values() if e.pixels is not None), default=1)
        return max(1, min(self.frames, self.size // max(1, largest)))

    def _work_ahead(
        self,
        waited: _Entry,
        ahead: Iterable[tuple[Hashable, Decode]],
        walk: tuple[Hashable, int] | None,
    ) -> None:
        for i, (key, decode) in enumerate(islice(ahead, max(1, self.frames - 1))):
            if waited.done.is_set():
                return
            with self._lock:
                pending = sum(not entry.done.is_set() for entry in self._entries.values())
                if key in self._entries or pending >= self.frames:
                    continue
                if walk is not None and self._behind((walk[0], walk[1] + i + 1)):
                    return
                entry = self._entries[key] = _Entry()
            try:
                self._fill(key, entry, decode)
            except Exception:  # noqa: BLE001
                continue  # whoever needs that frame decodes it again and gets the error

    def _fill(self, key: Hashable, entry: _Entry, decode: Decode) -> np.ndarray:
        try:
            pixels = decode()
            pixels.flags.writeable = False
        except BaseException as error:
            with self._lock:
                self._entries.pop(key, None)
            entry.error = error
            entry.done.set()
            raise
        with self._lock:
            entry.pixels = pixels
            self._bytes += pixels.nbytes
            self._entries.move_to_end(key)
            entry.done.set()
            self._evict(keep=key)
        return pixels

    def _evict(self, keep: Hashable = None) -> None:
        there = [key for key, entry in self._entries.items() if entry.pixels is not None]
        for key in there:
            if len(self._entries) <= self.frames and self._bytes <= self.size:
                return
            pixels = self._entries[key].pixels
            if key != keep and pixels is not None:
                self._bytes -= pixels.nbytes
                del self._entries[key]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


FRAMES = FrameRing()
"""Frames of formats that can only be decoded whole; one for the process."""

THICK_CHUNKS = FrameRing(frames=1 << 16, size=256 * MEGABYTE)
"""Zarr chunks that hold several frames, which are read one after the other."""

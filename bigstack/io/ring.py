"""Decoded frames that are shared by all threads of a process, so that none is decoded once a tile."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable

import numpy as np

Decode = Callable[[], np.ndarray]

MEGABYTE = 1 << 20


class _Entry:
    """A frame that is being decoded, or is there, or failed."""

    __slots__ = ("done", "error", "pixels")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.pixels: np.ndarray | None = None
        self.error: BaseException | None = None


class FrameRing:
    """Keeps the frames that were used last; each is decoded by one thread while others wait or work ahead.

    Two threads that walk through the same frames would both decode every frame, or one would idle while
    the other decodes. Here the second one decodes the next frame meanwhile, so both stay busy and every
    frame is decoded once.

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
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
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

    @property
    def nbytes(self) -> int:
        """Bytes of the frames that are kept now."""
        return self._bytes

    def get(self, key: Hashable, decode: Decode, ahead: Iterable[tuple[Hashable, Decode]] = ()) -> np.ndarray:
        """Return the frame `key`, read-only; decode it if no thread did so before.

        While another thread decodes it, decode the first of `ahead` that nobody has begun. An error of
        `decode` is raised in every thread that waits for the frame; the next one to ask tries again.
        """
        with self._lock:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry()
            else:
                self._entries.move_to_end(key)
        if mine:
            return self._fill(key, entry, decode)
        if not entry.done.is_set():
            self._work_ahead(entry, ahead)
            entry.done.wait()
        if entry.error is not None:
            raise entry.error
        assert entry.pixels is not None
        return entry.pixels

    def _work_ahead(self, waited: _Entry, ahead: Iterable[tuple[Hashable, Decode]]) -> None:
        for key, decode in ahead:
            if waited.done.is_set():
                return
            with self._lock:
                pending = sum(not entry.done.is_set() for entry in self._entries.values())
                if key in self._entries or pending >= self.frames:
                    continue
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

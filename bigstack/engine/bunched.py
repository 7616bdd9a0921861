"""Sources about bunches: regions kept for the next bunch, and bunch images that know where they are real."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

import numpy as np
from dask.base import tokenize

from bigstack.errors import InputError
from bigstack.io.source import Source


def bunch_spans(frames: int, size: int, overlap: int = 0) -> list[range]:
    """Frames of each bunch: `size`, the last may be short; each starts `overlap` before the one before ends.

    Raises
    ------
    InputError
        When bunches would be empty or would not get on.

    Examples
    --------
    >>> bunch_spans(10, 4, 1)
    [range(0, 4), range(3, 7), range(6, 10)]
    """
    if size < 1:
        raise InputError(f"a bunch has at least 1 frame, got frames={size}")
    if not 0 <= overlap < size:
        raise InputError(f"overlap must be 0 to {size - 1} for bunches of {size} frames, got {overlap}")
    spans = [range(0, min(size, frames))]
    while spans[-1].stop < frames:
        start = spans[-1].stop - overlap
        spans.append(range(start, min(start + size, frames)))
    return spans


class KeepingSource(Source):
    """Keeps the regions that are read of some frames, for who reads the same ones again; for one process.

    Tiles of the same cut ask for the same regions: a frame that two bunches share is read, decoded, corrected
    and resampled once.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = source.dtype
        self.chunks = source.chunks
        self._later: Collection[int] = ()
        self._kept: dict[tuple[int, ...], np.ndarray] = {}
        self._lock = threading.Lock()

    def __dask_tokenize__(self) -> object:
        return ("KeepingSource", tokenize(self.source))

    def keep(self, now: Collection[int], later: Collection[int]) -> None:
        """Keep what is read of the frames of `later`; what is kept of others goes once it is read `now`."""
        with self._lock:
            self._later = frozenset(later)
            wanted = self._later.union(now)
            self._kept = {key: pixels for key, pixels in self._kept.items() if key[0] in wanted}

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """The region: kept from before, or read now."""
        key = (z, y.start, y.stop, x.start, x.stop)
        keep = z in self._later
        with self._lock:
            found = self._kept.get(key) if keep else self._kept.pop(key, None)
        if found is None:
            found = self.source.read(z, y, x)
            if keep:
                # A view would keep the whole decoded frame.
                found = found if found.base is None else found.copy()
                with self._lock:
                    self._kept[key] = found
        return found

    @property
    def masked(self) -> bool:
        """Whether the source has made-up pixels."""
        return self.source.masked

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data."""
        return self.source.valid(z, y, x)


class BunchedSource(Source):
    """Bunch images as they were stored, real where any frame of the bunch is.

    Parameters
    ----------
    images
        The bunch images, one a frame.
    frames
        What they were fused from.
    spans
        Frames of each bunch.
    """

    def __init__(self, images: Source, frames: Source, spans: Sequence[range]) -> None:
        self.images = images
        self.frames = frames
        self.spans = tuple(spans)
        self.shape = images.shape
        self.dtype = images.dtype
        self.chunks = images.chunks

    def __dask_tokenize__(self) -> object:
        return ("BunchedSource", tokenize(self.images), tokenize(self.frames), self.spans)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """A region of a bunch image."""
        return self.images.read(z, y, x)

    @property
    def masked(self) -> bool:
        """Whether the frames have made-up pixels."""
        return self.frames.masked

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where any frame of the bunch is real."""
        found: np.ndarray | None = None
        for number in self.spans[z]:
            mask = self.frames.valid(number, y, x)
            if mask is None:
                return None
            found = mask if found is None else found | mask
        return found

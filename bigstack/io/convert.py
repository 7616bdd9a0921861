"""Sources that change what another one gives: alpha split off, other dtypes as float32."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from dask.base import tokenize

from bigstack.errors import FormatError
from bigstack.io.select import select_channels, select_frames
from bigstack.io.source import Source

KEPT = ("uint8", "uint16", "float32")
EXACT = ("bool", "int8", "int16", "float16")
"""Dtypes whose every value float32 holds exactly."""


class ColourSource(Source):
    """The colours of a source whose last channel is alpha; pixels of alpha 0 are not valid."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape = (*source.shape[:3], source.shape[3] - 1)
        self.dtype = source.dtype
        self.chunks = source.chunks
        self._last = threading.local()

    def __getstate__(self) -> Source:
        return self.source

    def __setstate__(self, source: Source) -> None:
        self.__init__(source)  # type: ignore[misc]

    def __dask_tokenize__(self) -> object:
        return ("ColourSource", tokenize(self.source))

    def take_frames(self, frames: Sequence[int]) -> ColourSource:
        """The same with these frames only, in this order."""
        return ColourSource(select_frames(self.source, frames))

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """All channels but alpha."""
        return self._both(z, y, x)[..., :-1]

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where alpha is not 0; None when that is everywhere."""
        seen = self._both(z, y, x)[..., -1] != 0
        return None if seen.all() else seen

    def _both(self, z: int, y: slice, x: slice) -> np.ndarray:
        # Colours and validity of one region are asked for one after the other.
        where = (z, y.start, y.stop, x.start, x.stop)
        if getattr(self._last, "where", None) != where:
            self._last.pixels = self.source.read(z, y, x)
            self._last.where = where
        pixels: np.ndarray = self._last.pixels
        return pixels


def alpha_of(source: Source) -> Source:
    """The alpha of a source whose last channel is alpha, as a source of one channel."""
    return select_channels(source, [source.shape[3] - 1])


class Float32Source(Source):
    """Another source's pixels as float32."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = np.dtype(np.float32)
        self.chunks = source.chunks

    def __dask_tokenize__(self) -> object:
        return ("Float32Source", tokenize(self.source))

    def take_frames(self, frames: Sequence[int]) -> Float32Source:
        """The same with these frames only, in this order."""
        return Float32Source(select_frames(self.source, frames))

    def take_channels(self, channels: Sequence[int]) -> Float32Source:
        """The same with these channels only, in this order."""
        return Float32Source(select_channels(self.source, channels))

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Read and convert the region."""
        return self.source.read(z, y, x).astype(np.float32)

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data."""
        return self.source.valid(z, y, x)


def usable(source: Source, dtype: str | None, name: str) -> Source:
    """Return the source in a dtype that stacks can have.

    uint8, uint16 and float32 stay; what float32 holds exactly becomes float32; anything else only when
    `dtype` asks for "float32".

    Raises
    ------
    FormatError
        For a dtype that would lose something.
    """
    found = source.dtype
    if found.name in KEPT and dtype in (None, found.name):
        return source
    if found.kind in "buif" and (dtype == "float32" or (dtype is None and found.name in EXACT)):
        return Float32Source(source)
    if dtype is not None and found.name in KEPT:
        raise FormatError(f"{name} holds {found}; dtype can be 'float32', or left out to keep {found}")
    raise FormatError(
        f"{name} holds {found} pixels; a stack is uint8, uint16 or float32. Convert it, or read it rounded "
        "to float32 with dtype='float32' (--to-float)"
    )

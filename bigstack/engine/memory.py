"""A stack that is in memory already."""

from __future__ import annotations

from typing import Any

import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.store import Executor
from bigstack.errors import InputError
from bigstack.geometry import Tile, tiles_of
from bigstack.io.source import Source

_CHUNK = 512


class MemorySource(Source):
    """Frames of a NumPy array; of uint8, uint16 or float32.

    Parameters
    ----------
    frames
        (y, x), (y, x, channel) or (z, y, x, channel); not copied, so don't write into it.

    Examples
    --------
    >>> MemorySource(np.zeros((4, 5), np.uint8)).shape
    (1, 4, 5, 1)
    """

    def __init__(self, frames: np.ndarray) -> None:
        if frames.ndim == 2:
            frames = frames[..., None]
        if frames.ndim == 3:
            frames = frames[None]
        if frames.ndim != 4 or 0 in frames.shape:
            raise InputError(f"an image has dims (y, x) or (y, x, channel), got shape {frames.shape}")
        if frames.dtype not in (np.uint8, np.uint16, np.float32):
            raise InputError(
                f"an image is one of uint8, uint16, float32, got {frames.dtype}; convert it with .astype(...)"
            )
        self.frames = frames
        self.shape = frames.shape
        self.dtype = frames.dtype
        self.chunks = (min(_CHUNK, frames.shape[1]), min(_CHUNK, frames.shape[2]))

    def __dask_tokenize__(self) -> object:
        return ("MemorySource", tokenize(self.frames))

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """A view of the region."""
        return self.frames[z, y, x]


class HeldSource(Source):
    """All pixels of another source, read once; for one process only."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = source.dtype
        self.chunks = (min(_CHUNK, source.shape[1]), min(_CHUNK, source.shape[2]))
        self.frames = np.empty(source.shape, source.dtype)

    def __dask_tokenize__(self) -> object:
        return ("HeldSource", tokenize(self.source))

    def fill(self, z: int, tile: Tile) -> None:
        """Read a region; every one has to be, before any is asked for."""
        self.frames[z][tile.slices] = self.source.read(z, *tile.slices)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """A view of the region."""
        return self.frames[z, y, x]

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data."""
        return self.source.valid(z, y, x)


def hold(source: Source, executor: Executor) -> HeldSource:
    """Read all pixels of a source into memory, in as many tasks at a time as the executor runs."""
    held = HeldSource(source)
    height, width = source.shape[1:3]
    side = max(height, width) if source.whole_frames else 2048
    tiles = list(tiles_of((height, width), side, side))
    calls = [(held.fill, z, _Opaque(tile)) for z in range(source.shape[0]) for tile in tiles]
    layer: dict[Any, Any] = {("hold", i): (_call, *call) for i, call in enumerate(calls)}
    executor.run(HighLevelGraph({"hold": layer}, {"hold": set()}), list(layer), lambda key, value: None)
    return held


class _Opaque:
    """Keeps dask from taking a tile apart."""

    def __init__(self, tile: Tile) -> None:
        self.tile = tile


def _call(fill: Any, z: int, where: _Opaque) -> None:
    fill(z, where.tile)

"""Smaller copies of a stack's frames: the levels that storage has of them, or means of some frames."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from typing import Protocol

import numpy as np
from dask.base import tokenize

from bigstack.engine.warped import WarpedSource
from bigstack.geometry import Tile
from bigstack.io.places import AnyPath
from bigstack.io.ring import MEGABYTE, FrameRing
from bigstack.io.scratch import Scratch
from bigstack.io.source import Source

FACTOR = 4
"""Size of a frame over that of its copy, where there is a choice: copies of half the size are a quarter of
the stack, and those of an eighth tell only of frames that are far out of focus."""

REGION = 2048
"""Pixels a side of the regions that are looked at, and decided on, one by one: part of what pruning means."""

PIECES = FrameRing(frames=1 << 20, size=256 * MEGABYTE)
"""Copies of regions that were made by reading frames."""


class Coarse(Protocol):
    """Smaller copies of all frames of a stack.

    Attributes
    ----------
    factor
        Size of a frame over that of its copy.
    shape
        Height and width of the copies.
    """

    factor: int
    shape: tuple[int, int]

    def frames(self, count: int) -> list[int]:
        """At least `count` frames to look at, in order, evenly spaced; all that can be had cheaply."""
        ...

    def read(self, z: int, y: slice, x: slice, frames: list[int]) -> np.ndarray:
        """Pixels (y, x, channel) of the copy of frame `z`, made from those of `frames` around it."""
        ...

    def cost(self, frames: int) -> float:
        """Pixels read to look at a region of one pixel by so many frames."""
        ...

    def __dask_tokenize__(self) -> object:
        """Equal for equal copies."""
        ...


class LevelCoarse:
    """A level of a multiscale image."""

    def __init__(self, level: Source, factor: int) -> None:
        self.level = level
        self.factor = factor
        self.shape = level.shape[1], level.shape[2]

    def __dask_tokenize__(self) -> object:
        return ("LevelCoarse", tokenize(self.level), self.factor)

    def frames(self, count: int) -> list[int]:
        """All of them."""
        return list(range(self.level.shape[0]))

    def read(self, z: int, y: slice, x: slice, frames: list[int]) -> np.ndarray:
        """Read the level."""
        return self.level.read(z, y, x)

    def cost(self, frames: int) -> float:
        """Pixels of the level, once to look and once to stand in."""
        return 2 * frames / self.factor**2


class MeanCoarse:
    """Means of squares of pixels of every so-many-th frame; frames in between are mixed of their neighbours.

    Parameters
    ----------
    source
        The frames.
    folder
        Where copies are kept; in memory, as long as they fit there, when None.
    """

    def __init__(self, source: Source, factor: int = FACTOR, folder: AnyPath | None = None) -> None:
        self.source = source
        self.factor = factor
        self.folder = folder
        self.shape = -(-source.shape[1] // factor), -(-source.shape[2] // factor)
        self._token = tokenize(source, factor)

    def __dask_tokenize__(self) -> object:
        return ("MeanCoarse", self._token)

    def frames(self, count: int) -> list[int]:
        """Every so-many-th, first and last included."""
        total = self.source.shape[0]
        step = max(1, (total - 1) // max(1, count - 1))
        found = list(range(0, total, step))
        return found if found[-1] == total - 1 else [*found, total - 1]

    def cost(self, frames: int) -> float:
        """All pixels of the frames."""
        return float(frames)

    def read(self, z: int, y: slice, x: slice, frames: list[int]) -> np.ndarray:
        """Mix the copies of the frames before and after."""
        after = bisect_left(frames, z)
        if frames[after] == z:
            return self._gather(z, y, x)
        low, high = frames[after - 1], frames[after]
        share = (z - low) / (high - low)
        first, second = (self._gather(each, y, x).astype(np.float64) for each in (low, high))
        mixed = first * (1 - share) + second * share
        return mixed.astype(np.float32) if self.source.dtype.kind == "f" else np.rint(mixed)

    def _gather(self, z: int, y: slice, x: slice) -> np.ndarray:
        side = max(self.shape) if self.source.whole_frames else REGION // self.factor
        out = np.empty((y.stop - y.start, x.stop - x.start, self.source.shape[3]), self.source.dtype)
        for top in range(y.start // side * side, y.stop, side):
            for left in range(x.start // side * side, x.stop, side):
                piece = self._piece(z, top, left, side)
                y0, y1 = max(y.start, top), min(y.stop, top + piece.shape[0])
                x0, x1 = max(x.start, left), min(x.stop, left + piece.shape[1])
                out[y0 - y.start : y1 - y.start, x0 - x.start : x1 - x.start] = piece[
                    y0 - top : y1 - top, x0 - left : x1 - left
                ]
        return out

    def _piece(self, z: int, top: int, left: int, side: int) -> np.ndarray:
        key = (self._token, z, top, left)
        return PIECES.get(key, partial(self._make, z, top, left, side))

    def _make(self, z: int, top: int, left: int, side: int) -> np.ndarray:
        key = f"coarse-{self._token}-{z}-{top}-{left}"
        kept = None if self.folder is None else Scratch(self.folder)
        if kept is not None and (found := kept.find(key)) is not None:
            return np.array(found.load("means"))
        height, width = self.source.shape[1:3]
        tile = Tile(top * self.factor, min(height, (top + side) * self.factor),
                    left * self.factor, min(width, (left + side) * self.factor))  # fmt: skip
        small = means(self.source.read(z, *tile.slices), self.factor)
        if kept is not None:
            keeping = kept.begin(key)
            keeping.save("means", small)
            keeping.finish()
        return small


def coarse_of(source: Source, folder: AnyPath | None = None) -> Coarse:
    """The cheapest copies of a stack's frames: a level of its storage near `FACTOR`, else means."""
    levels = _levels(source)
    if levels:
        factor = min(levels, key=lambda each: (abs(np.log2(each / FACTOR)), -each))
        return LevelCoarse(levels[factor], factor)
    return MeanCoarse(source, folder=folder)


def _levels(source: Source) -> dict[int, Source]:
    """Levels of a source that is stored, or warped by nothing."""
    if isinstance(source, WarpedSource):
        height, width = source.source.shape[1:3]
        if source.masked or source.canvas != Tile(0, height, 0, width):
            return {}
        if source.frames != tuple(range(source.source.shape[0])):
            return {}
        return _levels(source.source)
    found: dict[int, Source] = dict(getattr(source, "coarser", ()))
    return found


def means(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares of `factor` x `factor` pixels (y, x, channel), in their dtype."""
    height, width = pixels.shape[:2]
    rows, columns = -(-height // factor), -(-width // factor)
    padded = pixels
    if height % factor or width % factor:
        # A square that is cut off at the image's border is made whole by its last row and column.
        more = (0, rows * factor - height), (0, columns * factor - width), (0, 0)
        padded = np.pad(pixels, more, mode="edge")
    wide = np.float64 if pixels.dtype == np.float32 else np.uint32
    total = np.zeros((rows, columns, pixels.shape[2]), wide)
    for y in range(factor):
        for x in range(factor):
            total += padded[y::factor, x::factor]
    if wide is np.float64:
        return (total / factor**2).astype(np.float32)
    # Half to even: a mean of many frames shows a bias of a hundredth of a grey level.
    return np.rint(total / factor**2).astype(pixels.dtype)

"""The plane that scenes are drawn on: boxes of it, their coordinates, and randomness by position.

A scene has no border: its textures, depths and masks are functions of absolute pixel coordinates, negative
ones included, so that blur near the image's border mixes in what lies beyond it, as in a camera, and any
region can be drawn alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bigstack.errors import InputError

_SEED_STEP = 0x9E3779B97F4A7C15
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_WORD = (1 << 64) - 1


class Box(NamedTuple):
    """Pixels ``y0 <= y < y1`` and ``x0 <= x < x1``; unlike a `Tile` it may lie beyond the image's border.

    Examples
    --------
    >>> Box(0, 4, 0, 8).grow(1)
    Box(y0=-1, y1=5, x0=-1, x1=9)
    """

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    def grow(self, pixels: int) -> Box:
        """The box with `pixels` more on every side."""
        return Box(self.y0 - pixels, self.y1 + pixels, self.x0 - pixels, self.x1 + pixels)

    def inside(self, outer: Box) -> tuple[slice, slice]:
        """The box as an index of an array that holds `outer`."""
        return (
            slice(self.y0 - outer.y0, self.y1 - outer.y0),
            slice(self.x0 - outer.x0, self.x1 - outer.x0),
        )

    def overlap(self, other: Box) -> Box:
        """What both boxes hold; of negative size when they do not meet."""
        return Box(
            max(self.y0, other.y0), min(self.y1, other.y1), max(self.x0, other.x0), min(self.x1, other.x1)
        )

    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates y (h, 1) and x (1, w) of the pixels, int64."""
        return np.arange(self.y0, self.y1)[:, None], np.arange(self.x0, self.x1)[None, :]


BLOCK = 512
"""Largest side of the blocks that rendering works in; part of what a seed means, never a tuning knob."""


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """A canvas cut into the fewest blocks of at most `BLOCK` pixels a side, as even as can be.

    Examples
    --------
    >>> BlockGrid(Box(0, 480, 0, 640)).block
    (480, 320)
    """

    canvas: Box

    @property
    def block(self) -> tuple[int, int]:
        """Height and width of a block; the last of a row or column may be smaller."""
        height, width = self.canvas.shape
        return _balanced(height), _balanced(width)

    def blocks(self, box: Box) -> Iterator[Box]:
        """The blocks that meet the box."""
        canvas, (height, width) = self.canvas, self.block
        for row in range((box.y0 - canvas.y0) // height, (box.y1 - 1 - canvas.y0) // height + 1):
            for column in range((box.x0 - canvas.x0) // width, (box.x1 - 1 - canvas.x0) // width + 1):
                y, x = canvas.y0 + row * height, canvas.x0 + column * width
                yield Box(y, min(y + height, canvas.y1), x, min(x + width, canvas.x1))

    def gather(self, box: Box, make: Callable[[Box], np.ndarray]) -> np.ndarray:
        """The box's pixels (h, w, ...) out of whole blocks' that `make` gives."""
        if min(box.shape) < 1:
            raise InputError(f"an empty region was asked for: {box}")
        out = np.empty(0)
        for block in self.blocks(box):
            pixels = make(block)
            if not out.size:
                out = np.empty(box.shape + pixels.shape[2:], pixels.dtype)
            part = box.overlap(block)
            out[part.inside(box)] = pixels[part.inside(block)]
        return out


def _balanced(size: int) -> int:
    return math.ceil(size / math.ceil(size / BLOCK))


def mirrored(start: int, stop: int, size: int) -> np.ndarray:
    """Index of `size` samples repeated in mirrored copies (the border sample twice) from start to stop.

    Examples
    --------
    >>> mirrored(-2, 5, 3)
    array([1, 0, 0, 1, 2, 2, 1])
    """
    index = np.arange(start, stop) % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


def hashed(seed: int, *keys: np.ndarray | int) -> np.ndarray:
    """Random numbers in [0, 1) that depend on nothing but the seed and the integer keys.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195) over seed and keys
    in turn; keys broadcast.

    Examples
    --------
    >>> whole = hashed(7, np.arange(10))
    >>> bool((hashed(7, np.arange(4, 6)) == whole[4:6]).all())
    True
    """
    state = np.array([(seed * _SEED_STEP + _SEED_STEP) & _WORD], np.uint64)
    for key in keys:
        state = _mixed(state ^ np.asarray(key, np.int64).view(np.uint64))
    return ((_mixed(state) >> np.uint64(11)) * 2.0**-53).reshape(state.shape)


def hashed_cells(seed: int, box: Box, cell: int, key: int) -> np.ndarray:
    """A random number in [0, 1) for each cell of a grid of `cell` pixels, at each pixel of the box (h, w)."""
    rows = np.arange(box.y0 // cell, (box.y1 - 1) // cell + 1)
    columns = np.arange(box.x0 // cell, (box.x1 - 1) // cell + 1)
    values = hashed(seed, rows[:, None], columns[None, :], key)
    y, x = box.axes()
    return values[y // cell - rows[0], x // cell - columns[0]]


def _mixed(word: np.ndarray) -> np.ndarray:
    word = word + np.uint64(_SEED_STEP)
    word = (word ^ (word >> np.uint64(30))) * _MIX[0]
    word = (word ^ (word >> np.uint64(27))) * _MIX[1]
    return word ^ (word >> np.uint64(31))


def child_seed(seed: int, *keys: int) -> int:
    """A seed for a part of a scene, so that parts are independent of one another.

    Examples
    --------
    >>> child_seed(1, 0) == child_seed(1, 0), child_seed(1, 0) == child_seed(1, 1)
    (True, False)
    """
    return int(hashed(seed, *keys).ravel()[0] * 2**52)

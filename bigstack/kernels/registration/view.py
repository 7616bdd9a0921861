"""What is kept of a frame to align it by: a reduced image, its texture, and a way to more pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.registration.ecc import pyramid
from bigstack.kernels.registration.texture import BLOCK, reduce_blocks, texture_blocks

COARSE = 384
"""Longer side in pixels of the image that frames are first aligned on."""
_COARSEST = 48
_LARGEST = 1e15
_MOST_BLOCKS = 1 << 15
Pixels = Callable[[slice, slice], np.ndarray]


@dataclass
class View:
    """A frame as registration sees it."""

    shape: tuple[int, int]
    """Height and width of the frame."""
    factor: int
    """How much `small` is reduced."""
    small: np.ndarray
    """Grey (y // factor, x // factor): uint16 of uint8 and uint16 frames, else float32."""
    texture: np.ndarray
    """Texture of the full frame in blocks."""
    block: int
    """Side in pixels of those blocks."""
    pixels: Pixels | None = None
    """Reads grey pixels of the full frame by y and x; None when only `small` is to be used."""
    grey: np.ndarray | None = None
    """The full grey frame where it is kept."""
    focus: dict[int, np.ndarray] = field(default_factory=dict)
    """By level, share of the best texture in the whole stack (`focus_shares`); empty before it is known."""
    features: tuple[Any, Any] | None = None
    """Options of key points and the key points, kept for the next pair."""
    _reduced: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def coarse_factor(self) -> int:
        """How much the finest of `levels` is reduced against the frame."""
        side = max(self.small.shape)
        return self.factor * max(1, int(np.ceil(side / COARSE)))

    def levels(self) -> list[np.ndarray]:
        """Equalised pyramid of at most COARSE pixels a side."""
        return pyramid(area_reduced(self.small, self.coarse_factor // self.factor), _COARSEST)

    def small_levels(self) -> list[np.ndarray]:
        """Equalised pyramid of `small`."""
        return pyramid(self.small, _COARSEST)

    def read_grey(self, y: slice, x: slice) -> np.ndarray:
        """Pixels of the frame that is kept."""
        assert self.grey is not None
        return self.grey[y, x]

    def reduced(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """The frame reduced by a multiple of `factor`, and its texture in blocks of BLOCK of its pixels."""
        if level not in self._reduced:
            image = area_reduced(self.small, level // self.factor)
            self._reduced[level] = image, texture_blocks(image)
        return self._reduced[level]

    def texture_at(self, level: int) -> np.ndarray:
        """Texture to choose patches by on the frame reduced by `level`."""
        return self.reduced(level)[1] if self._keeps(level) else self.texture

    def block_at(self, level: int) -> float:
        """Side of the blocks of `texture_at`, in pixels of the frame reduced by `level`."""
        return BLOCK if self._keeps(level) else self.block / level

    def _keeps(self, level: int) -> bool:
        return level > 1 and level % self.factor == 0

    def windows(self, origins: np.ndarray, side: int, level: int) -> np.ndarray:
        """Square windows (n, side, side) float32 of the frame reduced by `level`.

        Parameters
        ----------
        origins
            Top left pixels (n, 2), x before y, in the reduced frame; whole windows must lie inside.
        side
            Of a window, in pixels of the reduced frame.
        level
            A divisor or a multiple of `factor`.
        """
        out = np.empty((len(origins), side, side), np.float32)
        source = self.reduced(level)[0] if level >= self.factor else None
        for i, (x, y) in enumerate(origins.tolist()):
            if source is not None:
                out[i] = source[y : y + side, x : x + side]
                continue
            assert self.pixels is not None
            full = self.pixels(slice(y * level, (y + side) * level), slice(x * level, (x + side) * level))
            out[i] = finite(full) if level == 1 else area_reduced(finite(full.astype(np.float32)), level)
        return out


def area_reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor x factor pixels; rows and columns beyond the last whole block are left out."""
    if factor == 1:
        return image
    height, width = image.shape[0] // factor, image.shape[1] // factor
    part = image[: height * factor, : width * factor]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def view_of(read: Pixels, shape: tuple[int, int], factor: int, *, rows: int = 512) -> View:
    """Look at a frame once, strip by strip, and keep little of it.

    Parameters
    ----------
    read
        Gives grey pixels of the frame by y and x.
    shape
        Height and width of the frame.
    factor
        How much to reduce it.
    rows
        Rows read at a time, about; never changes the result.
    """
    unit = int(np.lcm(factor, BLOCK))
    rows = max(unit, rows // unit * unit)
    smalls, textures = [], []
    for top in range(0, shape[0], rows):
        strip = finite(read(slice(top, min(top + rows, shape[0])), slice(0, shape[1])))
        if strip.shape[0] >= BLOCK:
            textures.append(texture_blocks(strip))
        if strip.shape[0] >= factor:
            smalls.append(_precise(strip, factor))
    texture = np.concatenate(textures) if textures else np.zeros((1, max(1, shape[1] // BLOCK)), np.float32)
    pool = 1
    while texture.size / pool**2 > _MOST_BLOCKS:
        pool *= 2
    return View(shape, factor, np.concatenate(smalls), reduce_blocks(texture, pool), BLOCK * pool)


def _precise(strip: np.ndarray, factor: int) -> np.ndarray:
    """Reduced strip; 8 bit gains 8 more, so that the mean's fraction is not lost."""
    if strip.dtype == np.uint8:
        wide = strip.astype(np.uint16)
        wide <<= 8
        return area_reduced(wide, factor)
    return area_reduced(strip, factor)


def finite(image: np.ndarray) -> np.ndarray:
    """Floats without what has no value, or a value whose square has none; integers as they are."""
    if image.dtype.kind != "f":
        return image
    return np.clip(np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0), -_LARGEST, _LARGEST)

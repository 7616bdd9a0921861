"""Halving an image for the coarser levels of a multiscale output."""

from __future__ import annotations

import numpy as np


def halve(image: np.ndarray) -> np.ndarray:
    """Average blocks of 2 x 2 pixels of an image (y, x); an odd last row or column counts for two.

    Integers are rounded half up. In floating point a NaN (no depth known there) is left out of the mean, so
    that holes do not grow from level to level; a block of NaN alone stays NaN. Each result depends on its own
    block only, whatever the size of the piece.

    Examples
    --------
    >>> halve(np.array([[1, 2, 3], [3, 5, 4]], np.uint8))
    array([[3, 4]], dtype=uint8)
    """
    height, width = image.shape
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    if image.dtype.kind == "f":
        return _float_mean(image[::2, ::2], image[::2, 1::2], image[1::2, ::2], image[1::2, 1::2])
    return _integer_mean(image)


def _integer_mean(image: np.ndarray) -> np.ndarray:
    kind, size = image.dtype.kind, min(8, 2 * image.dtype.itemsize)
    rows = np.add(image[::2], image[1::2], dtype=f"{kind}{size}")  # contiguous first, it is twice as fast
    total = rows[:, ::2] + rows[:, 1::2]
    total += 2
    total >>= 2
    return total.astype(image.dtype)


def _float_mean(*blocks: np.ndarray) -> np.ndarray:
    a, b, c, d = blocks
    with np.errstate(over="ignore"):
        mean = ((a + b) + (c + d)) * a.dtype.type(0.25)
    holes = np.isnan(mean)
    if holes.any():
        known = np.stack([block[holes] for block in blocks])
        there = ~np.isnan(known)
        count = there.sum(axis=0)
        total = np.where(there, known, 0).sum(axis=0, dtype=np.float64)
        mean[holes] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean

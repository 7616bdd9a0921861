"""Mean of square blocks of pixels, the same to the bit for any window that holds whole blocks."""

from __future__ import annotations

import numpy as np


def block_sums(image: np.ndarray, side: int) -> np.ndarray:
    """Sums of blocks of `side` x `side` pixels (y, x, ...), float64; the last of a row or column are smaller.

    Examples
    --------
    >>> block_sums(np.ones((3, 5)), 2).tolist()
    [[4.0, 4.0, 2.0], [2.0, 2.0, 1.0]]
    """
    return _summed(_summed(np.asarray(image, np.float64), side, 0), side, 1)


def _summed(image: np.ndarray, side: int, axis: int) -> np.ndarray:
    """Sums along an axis, in the order of the pixels, so that the size of the window changes no bit."""
    image = np.moveaxis(image, axis, 0)
    found = image[::side].copy()
    for i in range(1, side):
        part = image[i::side]
        found[: len(part)] += part
    return np.moveaxis(found, 0, axis)


def block_mean(image: np.ndarray, side: int) -> np.ndarray:
    """Mean of blocks (y, x, ...), float32, NaN left out; NaN where more than half of a block is.

    Examples
    --------
    >>> block_mean(np.array([[1, 3, np.nan, 5], [1, 3, np.nan, np.nan]]), 2).tolist()
    [[2.0, nan]]
    """
    known = np.isfinite(image)
    total = block_sums(np.where(known, image, 0), side)
    count = block_sums(known, side)
    whole = block_sums(np.ones(image.shape[:2]), side).reshape(count.shape[:2] + (1,) * (image.ndim - 2))
    kept = 2 * count >= whole
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=kept & (count > 0)).astype(
        np.float32
    )


def block_spread(image: np.ndarray, side: int) -> np.ndarray:
    """Largest less smallest number of blocks (y, x), float32, NaN left out; NaN where a block has none.

    Examples
    --------
    >>> block_spread(np.array([[1, 3, np.nan, 5]]), 2).tolist()
    [[2.0, 0.0]]
    """
    low, high = image.astype(np.float32), image.astype(np.float32)
    for axis in (0, 1):
        edges = np.arange(0, image.shape[axis], side)
        low, high = np.fmin.reduceat(low, edges, axis), np.fmax.reduceat(high, edges, axis)
    return high - low

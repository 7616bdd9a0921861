"""What a frame's blurred rim fills the pixels beside it with, bit for bit the same in every tile."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.warp_places import folded


def rim_reach(blur: float) -> int:
    """Pixels of the frame that a blur of its rim reads, along and across it."""
    return int(np.ceil(3 * blur))


def fill_blurred(
    pixels: np.ndarray,
    corner: tuple[int, int],
    shape: tuple[int, int],
    places: tuple[np.ndarray, np.ndarray],
    blur: float,
    out: np.ndarray,
) -> None:
    """Fill what lies outside with the frame's blurred rim, each pixel from the nearest point of it."""
    x, y = places
    beside = (x < 0) | (x > shape[1] - 1)
    above = (y < 0) | (y > shape[0] - 1)
    total = np.zeros(out.shape, np.float64)
    for axis, off, along in ((1, beside, y), (0, above, x)):
        last = shape[1 - axis] - 1
        for end, side in ((0, (x, y)[1 - axis] < 0), (1, off & ~((x, y)[1 - axis] < 0))):
            chosen = side & off
            if chosen.any():
                at = np.clip(along[chosen], 0, last)
                total[chosen] += _rim(pixels, corner, shape, axis, end, at, blur)
    outside = beside | above
    total[beside & above] /= 2
    values = total[outside]
    if np.issubdtype(out.dtype, np.integer):
        values = np.clip(np.rint(values), 0, np.iinfo(out.dtype).max)
    out[outside] = values


def _rim(
    pixels: np.ndarray,
    corner: tuple[int, int],
    shape: tuple[int, int],
    axis: int,
    end: int,
    at: np.ndarray,
    blur: float,
) -> np.ndarray:
    """Values (n, channel) of a side of the frame at places along it, blurred across and along it.

    Sums run in a fixed order, pixel by pixel of the kernel, so that every tile gets the same bits.
    """
    reach, length = rim_reach(blur), shape[1 - axis]
    turned = pixels if axis == 1 else pixels.transpose(1, 0, 2)
    corner = corner if axis == 1 else (corner[1], corner[0])
    weights = np.exp(-((np.arange(reach + 1) / blur) ** 2) / 2)
    low, high = int(np.floor(at.min())), min(int(np.floor(at.max())) + 1, length - 1)
    numbers = folded(np.arange(low - reach, high + reach + 1, dtype=float), length, "reflect").astype(int)
    lines = turned[numbers - corner[0]]
    across = np.zeros((len(numbers), pixels.shape[2]))
    depth = min(reach + 1, shape[axis])
    for k in range(depth):
        place = k if end == 0 else shape[axis] - 1 - k
        across += weights[k] * lines[:, place - corner[1]]
    across /= weights[:depth].sum()
    count = high - low + 1
    line = np.zeros((count, pixels.shape[2]))
    for k in range(-reach, reach + 1):
        line += weights[abs(k)] * across[reach + k : reach + k + count]
    line /= weights[0] + 2 * weights[1:].sum()
    whole = np.floor(at).astype(int)
    share = (at - whole)[:, None]
    after = np.minimum(whole + 1, length - 1)
    return line[whole - low] * (1 - share) + line[np.minimum(after - low, count - 1)] * share

"""Exact weighted median of depth over a small diamond, by confidence and by the guide's colours."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled, exp32

WINDOW = 7
"""Pixels a side."""
_NO_GUIDE = np.zeros((0, 0, 1), np.uint8)
_NO_WEIGHT = np.zeros((0, 0), np.float32)


def diamond_halo(window: int = WINDOW) -> int:
    """Pixels around a pixel that its median depends on."""
    return window // 2


def diamond_median(
    depth: np.ndarray,
    *,
    window: int = WINDOW,
    confidence: np.ndarray | None = None,
    guide: np.ndarray | None = None,
    colour: float = 12.0,
) -> np.ndarray:
    """Return the weighted median (y, x) float32: the least depth that half of the weight does not exceed.

    A neighbour at (dy, dx) weighs ``window // 2 + 2 - |dx| - |dy|``, at least 0 (of 7 x 7 pixels 81 in all),
    times its confidence, times ``exp(-|colour difference|**2 / (2 colour**2))``. At the image's edge the
    pixels that there are count. Weighted medians: Zhang, Xu and Jia 2014, doi:10.1109/CVPR.2014.364.

    Parameters
    ----------
    depth
        Depth (y, x) float32.
    window
        Pixels a side of the window, odd.
    confidence
        Weights (y, x) float32, at least 0; all 1 when None. Where all are 0 the depth stays.
    guide
        Image (y, x, channel) uint8 whose edges depth should keep; None for none.
    colour
        Standard deviation of colours that count as one surface, in levels of the guide.

    Examples
    --------
    >>> spike = np.zeros((5, 5), np.float32)
    >>> spike[2, 2] = 9
    >>> float(diamond_median(spike).max())
    0.0
    """
    depth = np.ascontiguousarray(depth, np.float32)
    out = np.empty_like(depth)
    _median(
        depth,
        _NO_WEIGHT if confidence is None else np.ascontiguousarray(confidence, np.float32),
        _NO_GUIDE if guide is None else np.ascontiguousarray(guide),
        np.float32(-0.5 / max(colour, 1e-3) ** 2),
        window // 2,
        out,
    )
    return out


@compiled
def _median(
    depth: np.ndarray,
    confidence: np.ndarray,
    guide: np.ndarray,
    fall: np.float32,
    radius: int,
    out: np.ndarray,
) -> None:
    height, width = depth.shape
    values = np.empty((2 * radius + 1) ** 2, np.float32)
    weights = np.empty((2 * radius + 1) ** 2, np.float32)
    for y in range(height):
        for x in range(width):
            count, total = 0, np.float32(0)
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    weight = np.float32(radius + 2 - abs(v - y) - abs(u - x))
                    if weight <= 0:
                        continue
                    if confidence.shape[0]:
                        weight *= confidence[v, u]
                    if guide.shape[0]:
                        apart = np.float32(0)
                        for c in range(guide.shape[2]):
                            off = np.float32(guide[v, u, c]) - np.float32(guide[y, x, c])
                            apart += off * off
                        weight *= exp32(apart * fall)
                    if weight > 0:
                        values[count], weights[count] = depth[v, u], weight
                        count += 1
                        total += weight
            out[y, x] = _middle(values, weights, count, total / 2) if count else depth[y, x]


@compiled
def _middle(values: np.ndarray, weights: np.ndarray, count: int, half: np.float32) -> np.float32:
    """Least value up to which half of the weight lies: sorted by pivots until one value is left."""
    low, high, below = 0, count - 1, np.float32(0)
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                weights[left], weights[right] = weights[right], weights[left]
                left += 1
                right -= 1
        lower = below
        for i in range(low, right + 1):
            lower += weights[i]
        if lower >= half and right >= low:
            high = right
            continue
        equal = lower
        for i in range(right + 1, left):
            equal += weights[i]
        if equal >= half or left > high:
            return pivot
        below = equal
        low = left
    return values[low]

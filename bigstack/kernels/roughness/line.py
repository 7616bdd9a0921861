"""Heights along a line, between the pixels."""

from __future__ import annotations

import numpy as np


def sample(heights: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Bilinear heights at places inside a map (y, x); NaN where a pixel that has a share is unknown.

    Examples
    --------
    >>> sample(np.array([[0.0, 4.0], [8.0, 12.0]]), np.array([0.5, 0.0]), np.array([0.5, 0.25])).tolist()
    [6.0, 1.0]
    """
    height, width = heights.shape
    top = np.clip(np.floor(y).astype(np.int64), 0, max(0, height - 2))
    left = np.clip(np.floor(x).astype(np.int64), 0, max(0, width - 2))
    down, across = y - top, x - left
    found = np.zeros(y.shape)
    for j, share_y in ((0, 1 - down), (1, down)):
        for i, share_x in ((0, 1 - across), (1, across)):
            share = share_y * share_x
            value = heights[np.minimum(top + j, height - 1), np.minimum(left + i, width - 1)]
            found += np.where(share > 0, share * np.where(share > 0, value, 0), 0)
    return found

"""Heights of triangles at the points of the grid that they lie over."""

from __future__ import annotations

import numpy as np

PIECE = 1 << 22
"""Points looked at at a time."""


def lay_over(grid: np.ndarray, corners: np.ndarray, heights: np.ndarray) -> None:
    """Write the heights of triangles into a grid (y, x), at the points inside of them and on their edges.

    Parameters
    ----------
    corners
        int (triangle, 3, 2), rows and columns; no triangle without an area.
    heights
        (triangle, 3).

    Examples
    --------
    >>> grid = np.zeros((3, 3))
    >>> lay_over(grid, np.array([[[0, 0], [2, 0], [0, 2]]]), np.array([[0.0, 2.0, 4.0]]))
    >>> grid.tolist()
    [[0.0, 2.0, 4.0], [1.0, 3.0, 0.0], [2.0, 0.0, 0.0]]
    """
    sizes = np.prod(np.ptp(corners, axis=1) + 1, axis=1)
    for part in np.split(np.arange(len(corners)), _cuts(sizes)):
        if part.size:
            _lay(grid, corners[part], heights[part])


def _cuts(sizes: np.ndarray) -> np.ndarray:
    """Where to cut so that the parts are of about `PIECE` points."""
    return np.flatnonzero(np.diff(np.cumsum(sizes) // PIECE)) + 1


def _lay(grid: np.ndarray, corners: np.ndarray, heights: np.ndarray) -> None:
    low = corners.min(axis=1)
    extent = corners.max(axis=1) - low + 1
    count = extent[:, 0] * extent[:, 1]
    which = np.repeat(np.arange(len(corners)), count)
    place = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    y, x = np.divmod(place, extent[which, 1])
    y, x = y + low[which, 0], x + low[which, 1]
    a, b, c = (corners[which, i] for i in range(3))
    # Whole numbers, so that points on an edge are never lost.
    first = _turn(b, c, y, x)
    second = _turn(c, a, y, x)
    third = _turn(a, b, y, x)
    inside = ((first >= 0) & (second >= 0) & (third >= 0)) | ((first <= 0) & (second <= 0) & (third <= 0))
    shares = np.stack([first, second, third], axis=1)[inside] / (first + second + third)[inside, None]
    grid[y[inside], x[inside]] = (shares * heights[which[inside]]).sum(axis=1)


def _turn(a: np.ndarray, b: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Twice the signed area of a, b and (y, x)."""
    return (b[:, 0] - a[:, 0]) * (x - a[:, 1]) - (b[:, 1] - a[:, 1]) * (y - a[:, 0])

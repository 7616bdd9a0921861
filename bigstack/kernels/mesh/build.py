"""From a grid of heights to the vertices and triangles of a mesh within a budget."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bigstack.kernels.mesh import rtin
from bigstack.kernels.mesh.raster import lay_over


class Cut(NamedTuple):
    """A mesh over a grid."""

    faces: np.ndarray
    """int32 (triangle, 3), numbers of vertices."""
    points: np.ndarray
    """int64 (vertex, 2), row and column of the grid."""
    error: float
    """Root mean square of what the mesh misses the grid's heights by, where there is a surface."""
    largest_error: float


def cut(
    heights: np.ndarray, budget: int, *, tolerance: float | None = None, max_step: float | None = None
) -> Cut | None:
    """Make a mesh of at most `budget` triangles over heights (y, x), float32, NaN where there is none.

    Parameters
    ----------
    tolerance
        Leave splits out that would change a height by less; then the largest error is kept small instead
        of the mean one.
    max_step
        Largest difference of neighbouring heights that still is a surface.

    Returns
    -------
    Cut or None
        None where the outlines of holes alone need more than three quarters of the budget.

    Examples
    --------
    >>> found = cut(np.zeros((9, 9), np.float32), 100)
    >>> len(found.faces), len(found.points), found.error
    (32, 25, 0.0)
    """
    root = rtin.root_side(heights.shape)  # type: ignore[arg-type]
    grid = rtin.padded(heights, root)
    errors = rtin.split_errors(grid, root, max_step, by_area=tolerance is None)
    least = _least(grid, errors, root, max_step, heights.shape)
    if least > (0.75 * budget if np.isinf(errors).any() else budget):
        return None
    limit = rtin.threshold(errors, (budget - least) // 2, tolerance or 0.0)
    found = _visible(rtin.triangles(grid, errors, root, limit, max_step), grid.shape, heights.shape)
    corners = _clamped(found, grid.shape, heights.shape)
    numbers, faces = np.unique(corners[..., 0] * heights.shape[1] + corners[..., 1], return_inverse=True)
    points = np.stack(np.divmod(numbers, heights.shape[1]), axis=1)
    missed = rtin.reconstruct(grid, errors, root, limit)[: heights.shape[0], : heights.shape[1]]
    _repair(missed, found, corners, grid)
    missed -= heights
    there = np.isfinite(missed) & (errors[: heights.shape[0], : heights.shape[1]] >= 0)
    return Cut(faces.reshape(-1, 3).astype(np.int32), points, *_size(missed[there]))


def _clamped(found: np.ndarray, grid: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Rows and columns (triangle, 3, 2): repeated ones lie on the border that they repeat."""
    return np.minimum(np.stack(np.divmod(found, grid[1]), axis=-1), np.array(shape) - 1)


def _repair(heights: np.ndarray, found: np.ndarray, corners: np.ndarray, grid: np.ndarray) -> None:
    """Heights of triangles that reach beyond the image's border, from where their corners really lie."""
    beyond = (np.stack(np.divmod(found, grid.shape[1]), axis=-1) != corners).any(axis=(1, 2))
    lay_over(heights, corners[beyond], grid.reshape(-1)[found[beyond]])


def _least(
    grid: np.ndarray, errors: np.ndarray, root: int, max_step: float | None, shape: tuple[int, ...]
) -> int:
    """Triangles of the coarsest mesh that keeps the holes."""
    largest = float(np.finfo(np.float32).max)
    return len(_visible(rtin.triangles(grid, errors, root, largest, max_step), grid.shape, shape))


def _visible(found: np.ndarray, grid: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Triangles with an area, once the repeated rows and columns lie on the border that they repeat."""
    corners = _clamped(found, grid, shape)
    (dy, dx) = (corners[:, 1:] - corners[:, :1]).transpose(2, 1, 0)
    return found[dx[0] * dy[1] != dx[1] * dy[0]]


def _size(missed: np.ndarray) -> tuple[float, float]:
    if not missed.size:
        return 0.0, 0.0
    return float(np.sqrt(np.mean(np.square(missed, dtype=np.float64)))), float(np.abs(missed).max())


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Normals (vertex, 3), float32, of the triangles around each vertex, weighted by their areas."""
    corners = vertices.astype(np.float64)[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    found = np.stack(
        [np.bincount(faces.reshape(-1), np.repeat(across[:, i], 3), len(vertices)) for i in range(3)], axis=1
    )
    length = np.linalg.norm(found, axis=1, keepdims=True)
    found = np.divide(found, length, out=np.tile([0.0, 0.0, 1.0], (len(found), 1)), where=length > 0)
    return found.astype(np.float32)

"""Right-triangulated irregular networks: few triangles where a height field is flat, many where it is not.

Evans, Kirkpatrick and Townsend 2001, doi:10.1007/s00453-001-0006-x. Squares of `root` cells are halved along
a diagonal, and right triangles halved again at the middle of their longest side, down to the grid. A point of
the grid is the middle of the longest side of two triangles at most, the diamond of the point. Each has the
error of leaving its split out, and never a smaller one than points inside its diamond, so that any threshold
cuts out a mesh without cracks.

Holes are points without a height (NaN). A diamond of which one part has a surface and another has none is
always split (its error is infinite), and one without any surface never (its error is -1), so holes keep their
outlines.
"""

from __future__ import annotations

import numpy as np

HOLE = np.float32(-1)
ALWAYS = np.float32(np.inf)
_HALF_AREA = np.float32(np.sqrt(0.5))


def root_side(shape: tuple[int, int]) -> int:
    """Side of the root squares, in cells, for a grid of so many points: a power of 2, a quarter of the grid.

    Examples
    --------
    >>> root_side((800, 512)), root_side((2, 9))
    (64, 1)
    """
    quarter = max(1, (min(shape) - 1) // 4)
    return int(min(1024, 1 << (quarter.bit_length() - 1)))


def padded(heights: np.ndarray, root: int) -> np.ndarray:
    """Repeat the last row and column until the grid is made of whole root squares.

    Examples
    --------
    >>> padded(np.zeros((4, 6), np.float32), 4).shape
    (5, 9)
    """
    missing = [(-(size - 1)) % root for size in heights.shape]
    return np.pad(heights, ((0, missing[0]), (0, missing[1])), mode="edge")


def blocked_cells(heights: np.ndarray, max_step: float | None) -> np.ndarray:
    """Cells of the grid without a surface: a corner is a hole, or corners differ by more than `max_step`."""
    corners = heights[:-1, :-1], heights[:-1, 1:], heights[1:, :-1], heights[1:, 1:]
    low, high = corners[0], corners[0]
    for corner in corners[1:]:
        low, high = np.minimum(low, corner), np.maximum(high, corner)
    spread = high - low
    return ~np.isfinite(spread) if max_step is None else ~(spread <= np.float32(max_step))


def split_errors(
    heights: np.ndarray, root: int, max_step: float | None = None, *, by_area: bool = False
) -> np.ndarray:
    """Error of leaving out the split at each point of a padded grid (y, x): float32, -1 in holes.

    `by_area` multiplies by the square root of the diamond's area in cells, for the mesh with the smallest
    mean square among those of so many triangles instead of that with the smallest largest error (with means
    of pixels, its RMS is 16 to 41 % lower on depth maps of real stacks: ``benchmarks/surface.py``).

    Examples
    --------
    >>> peak = np.zeros((5, 5), np.float32)
    >>> peak[1, 1] = 2
    >>> split_errors(peak, 4)[[1, 2, 2], [1, 2, 3]].tolist()
    [2.0, 2.0, 0.0]
    """
    errors = np.zeros(heights.shape, np.float32)
    cells = np.where(blocked_cells(heights, max_step), HOLE, np.float32(0))
    side = 2
    while side <= root:
        weight = np.float32(side if by_area else 1)
        _side_errors(heights, errors, _quarters(errors, cells, side), side, weight * _HALF_AREA**by_area)
        _centre_errors(heights, errors, side, weight)
        side *= 2
    return errors


def _quarters(errors: np.ndarray, cells: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """Errors of the four quarters of each square: at their centres, or of the cells where they are these."""
    if side == 2:
        return cells[0::2, 0::2], cells[0::2, 1::2], cells[1::2, 0::2], cells[1::2, 1::2]
    near, far = side // 4, side - side // 4
    return tuple(errors[y::side, x::side] for y in (near, far) for x in (near, far))


def _side_errors(
    heights: np.ndarray,
    errors: np.ndarray,
    quarters: tuple[np.ndarray, ...],
    side: int,
    weight: np.float32,
) -> None:
    """Middles of the squares' sides; the triangles at both sides of them end in the squares' centres."""
    half = side // 2
    a, b, c, d = quarters
    level = heights[::side, ::side]
    top, bottom, left, right = _joined(a, b), _joined(c, d), _joined(a, c), _joined(b, d)
    own = weight * np.abs(heights[::side, half::side] - _middle(level[:, :-1], level[:, 1:]))
    errors[::side, half::side] = _with_own(_both(top, bottom, 0), own)
    own = weight * np.abs(heights[half::side, ::side] - _middle(level[:-1], level[1:]))
    errors[half::side, ::side] = _with_own(_both(left, right, 1), own)


def _centre_errors(heights: np.ndarray, errors: np.ndarray, side: int, weight: np.float32) -> None:
    half = side // 2
    rows, columns = errors[::side, half::side], errors[half::side, ::side]
    inner = _joined(_joined(rows[:-1], rows[1:]), _joined(columns[:, :-1], columns[:, 1:]))
    own = weight * np.abs(heights[half::side, half::side] - _diagonal_middles(heights[::side, ::side]))
    errors[half::side, half::side] = _with_own(inner, own)


def _diagonal_middles(level: np.ndarray) -> np.ndarray:
    """Height of the diagonal at the squares' centres; it falls to the right in every other square."""
    falling = _middle(level[:-1, :-1], level[1:, 1:])
    rising = _middle(level[:-1, 1:], level[1:, :-1])
    odd = (np.arange(falling.shape[0])[:, None] + np.arange(falling.shape[1])) % 2 == 1
    return np.where(odd, rising, falling)


def _middle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first + second) * np.float32(0.5)


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Error of two parts together: a surface beside a hole has to be split."""
    return np.where((first < 0) != (second < 0), ALWAYS, np.maximum(first, second))


def _both(before: np.ndarray, after: np.ndarray, axis: int) -> np.ndarray:
    """Parts at both sides of the lines between squares, and at one side of the first and the last line."""
    shape = list(before.shape)
    shape[axis] += 1
    found = np.empty(shape, np.float32)
    last, inner = (slice(-1, None), slice(1, -1)) if axis == 0 else (np.s_[:, -1:], np.s_[:, 1:-1])
    first = slice(0, 1) if axis == 0 else np.s_[:, :1]
    found[first], found[last] = before[first], after[last]
    ahead = (before[1:], after[:-1]) if axis == 0 else (before[:, 1:], after[:, :-1])
    found[inner] = _joined(*ahead)
    return found


def _with_own(inner: np.ndarray, own: np.ndarray) -> np.ndarray:
    return np.where(inner < 0, inner, np.fmax(inner, own))


def threshold(errors: np.ndarray, splits: int, least: float = 0.0) -> float:
    """Smallest threshold, not below `least`, that at most so many points without a hole exceed."""
    finite = errors[np.isfinite(errors) & (errors > least)]
    if len(finite) <= splits:
        return float(least)
    return float(np.partition(finite, len(finite) - splits - 1)[len(finite) - splits - 1])


def triangles(
    heights: np.ndarray, errors: np.ndarray, root: int, limit: float, max_step: float | None = None
) -> np.ndarray:
    """Cut out the mesh of all splits whose error exceeds `limit`.

    Returns
    -------
    ndarray
        int64 (triangle, 3): numbers of points, row by row; counter-clockwise where y points up.

    Examples
    --------
    >>> flat = np.zeros((5, 5), np.float32)
    >>> triangles(flat, split_errors(flat, 4), 4, 0.0).tolist()
    [[24, 0, 20], [0, 24, 4]]
    """
    current, flat, found = _roots(heights.shape, root), errors.reshape(-1), []
    for _ in range(2 * (root.bit_length() - 1)):
        middle = (current[:, 0] + current[:, 1]) // 2
        error = flat[middle]
        found.append(current[(error >= 0) & ~(error > limit)])
        a, b, c = current[error > limit].T
        m = (a + b) // 2
        current = np.concatenate([np.stack([c, a, m], 1), np.stack([b, c, m], 1)])
    found.append(current[~blocked(heights.reshape(-1)[current], max_step)])
    return np.concatenate(found)


def blocked(corners: np.ndarray, max_step: float | None) -> np.ndarray:
    """Triangles (triangle, 3 heights) that a hole or a step goes through."""
    spread = corners.max(axis=1) - corners.min(axis=1)
    return ~np.isfinite(spread) if max_step is None else ~(spread <= np.float32(max_step))


def _roots(shape: tuple[int, ...], root: int) -> np.ndarray:
    """The two halves of each root square."""
    rows, columns = np.arange(0, shape[0] - 1, root), np.arange(0, shape[1] - 1, root)
    y, x = (part.reshape(-1) for part in np.meshgrid(rows, columns, indexing="ij"))
    corner = y * shape[1] + x
    right, below = corner + root, corner + root * shape[1]
    across = below + root
    rising = ((y + x) // root) % 2 == 1
    a, b = np.where(rising, right, across), np.where(rising, below, corner)
    c, d = np.where(rising, across, below), np.where(rising, corner, right)
    return np.concatenate([np.stack([a, b, c], 1), np.stack([b, a, d], 1)])


def reconstruct(heights: np.ndarray, errors: np.ndarray, root: int, limit: float) -> np.ndarray:
    """Height of the mesh at every point of the grid; what it is in holes means nothing."""
    found = heights.copy()
    side = root
    while side > 1:
        half = side // 2
        level = found[::side, ::side]
        _fill(found[half::side, half::side], errors[half::side, half::side], limit, _diagonal_middles(level))
        across = _middle(level[:, :-1], level[:, 1:]), _middle(level[:-1], level[1:])
        _fill(found[::side, half::side], errors[::side, half::side], limit, across[0])
        _fill(found[half::side, ::side], errors[half::side, ::side], limit, across[1])
        side = half
    return found


def _fill(found: np.ndarray, errors: np.ndarray, limit: float, between: np.ndarray) -> None:
    flat = ~(errors > limit)
    found[flat] = between[flat]

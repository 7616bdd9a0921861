"""Form of a height map: the polynomial that fits it best, from sums over blocks."""

from __future__ import annotations

import numpy as np

MOST_DEGREE = 6


def terms(degree: int) -> list[tuple[int, int]]:
    """Exponents (of y, of x) of a polynomial.

    Examples
    --------
    >>> terms(1)
    [(0, 0), (0, 1), (1, 0)]
    """
    return [(j, i) for j in range(degree + 1) for i in range(degree + 1 - j)]


def places(start: int, count: int, size: int) -> np.ndarray:
    """Rows or columns as numbers from -1 to 1 over the whole map, which keeps the fit well conditioned."""
    return (2 * np.arange(start, start + count) - (size - 1)) / max(1, size - 1)


def form_sums(
    heights: np.ndarray, y: np.ndarray, x: np.ndarray, degree: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a block (y, x) adds to the normal equations; unknown heights (NaN) have no say."""
    known = np.isfinite(heights)
    across = np.vander(x, 2 * degree + 1, increasing=True)
    down = np.vander(y, 2 * degree + 1, increasing=True)
    moments = down.T @ (known.astype(np.float64) @ across)
    values = down.T @ (np.where(known, heights, 0).astype(np.float64) @ across)
    chosen = terms(degree)
    matrix = np.array([[moments[j + m, i + n] for m, n in chosen] for j, i in chosen])
    return matrix, np.array([values[j, i] for j, i in chosen])


def solve_form(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients of the polynomial; the smallest ones where the known heights leave it open."""
    return np.linalg.lstsq(matrix, values, rcond=None)[0]


def form_heights(coefficients: np.ndarray, y: np.ndarray, x: np.ndarray, degree: int) -> np.ndarray:
    """Heights of the form (y, x), float64.

    Examples
    --------
    >>> form_heights(np.array([1.0, 2.0, 0.0]), np.zeros(1), np.array([-1.0, 1.0]), 1).tolist()
    [[-1.0, 3.0]]
    """
    across = np.vander(x, degree + 1, increasing=True)
    down = np.vander(y, degree + 1, increasing=True)
    table = np.zeros((degree + 1, degree + 1))
    for (j, i), value in zip(terms(degree), coefficients, strict=True):
        table[j, i] = value
    return down @ table @ across.T

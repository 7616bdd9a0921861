"""Parameters of ISO 25178-2 from sums over blocks of a map of heights."""

from __future__ import annotations

import numpy as np

LEVELS = 1 << 16
"""Steps of height that the material ratio is counted in."""

SECANT = 40.0
"""Per cent of the material ratio that the core's secant spans (ISO 13565-2)."""


def height_sums(heights: np.ndarray, mean: float) -> np.ndarray:
    """Sums of |z|, z**2, z**3 and z**4, float64, of the known heights about their mean."""
    z = heights[np.isfinite(heights)].astype(np.float64) - mean
    square = z * z
    return np.array([np.abs(z).sum(), square.sum(), (square * z).sum(), (square * square).sum()])


def slope_sums(heights: np.ndarray, step_y: float, step_x: float) -> np.ndarray:
    """Number of cells of four known heights, and sums of squared slope and of extra area over them.

    A cell's slopes are the means of its two sides.

    Examples
    --------
    >>> slope_sums(np.array([[0.0, 3.0], [0.0, 3.0]]), 1.0, 4.0).tolist()
    [1.0, 0.5625, 0.25]
    """
    z = heights.astype(np.float64)
    a, b, c, d = z[:-1, :-1], z[:-1, 1:], z[1:, :-1], z[1:, 1:]
    square = ((b - a + d - c) / (2 * step_x)) ** 2 + ((c - a + d - b) / (2 * step_y)) ** 2
    square = square[np.isfinite(square)]
    return np.array([square.size, square.sum(), (np.sqrt(1 + square) - 1).sum()])


def level_counts(heights: np.ndarray, low: float, high: float) -> np.ndarray:
    """Known heights in each of `LEVELS` steps from `low` to `high`, int64."""
    known = heights[np.isfinite(heights)].astype(np.float64)
    if not high > low:
        return np.bincount([0] * known.size, minlength=LEVELS)
    step = np.floor((known - low) * (LEVELS / (high - low))).astype(np.int64)
    return np.bincount(np.clip(step, 0, LEVELS - 1), minlength=LEVELS)


def core(counts: np.ndarray, low: float, high: float) -> dict[str, float]:
    """Core height Sk, reduced peak height Spk and dale height Svk, and their material ratios in per cent.

    The flattest secant of 40 % of the material ratio curve is the core; peaks and dales beyond it become
    triangles of equal area (ISO 25178-2:2021, 5.4; ISO 13565-2).
    """
    # The curve falls from the highest point at 0 % to the lowest at 100 %.
    ratio = np.concatenate([[0.0], np.cumsum(counts[::-1])]) * (100 / counts.sum())
    height = np.linspace(high, low, LEVELS + 1)
    at = np.linspace(0, 100, 10_001)
    curve = np.interp(at, ratio, height)
    span = round(SECANT / 100 * (len(at) - 1))
    drop = curve[:-span] - curve[span:]
    # Of equally flat ones the middle, as the standard asks for.
    flattest = np.flatnonzero(drop <= drop.min() * (1 + 1e-9))
    first = int(flattest[len(flattest) // 2])
    slope = drop[first] / SECANT
    top = curve[first] + slope * at[first]
    bottom = top - slope * 100
    smr1, smr2 = _crossing(at, curve, top), _crossing(at, curve, bottom)
    peaks = np.trapezoid(np.clip(curve - top, 0, None), at)
    dales = np.trapezoid(np.clip(bottom - curve, 0, None), at)
    return {
        "Sk": top - bottom,
        "Spk": 2 * peaks / smr1 if smr1 > 0 else 0.0,
        "Svk": 2 * dales / (100 - smr2) if smr2 < 100 else 0.0,
        "Smr1": smr1,
        "Smr2": smr2,
    }


def _crossing(at: np.ndarray, curve: np.ndarray, height: float) -> float:
    """Material ratio at a height."""
    return float(np.interp(-height, -curve, at))

"""Local variance of the grey levels."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.filters import box_sum
from bigstack.kernels.focus._measure import noise_level, window_radius

SOURCE = (
    "Groen, Young, Ligthart 1985, A comparison of different focus functions for use in autofocus algorithms, "
    "Cytometry 6(2), doi:10.1002/cyto.990060202"
)

_ROUNDING = 2.0**-46  # float64 sums of float32 squares: what lies below this share of them is rounding


def variance(grey: np.ndarray, *, window: int = 5, noise: float = 0.0) -> np.ndarray:
    """Variance of the pixels of a window.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    window
        Side of the square, at least 2 pixels.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> variance(np.array([[0, 2], [2, 0]], np.uint8), window=2)[1, 1]
    np.float32(1.0)
    """
    if window < 2:
        raise InputError(f"the window of a variance must be at least 2 pixels wide, got {window!r}")
    values = grey.astype(np.float64)
    count = window**2
    squares = box_sum(values * values, window) * count
    sums = box_sum(values, window)
    spread = squares - sums * sums
    spread[spread < squares * _ROUNDING] = 0
    spread /= count**2
    spread -= noise_level(1, noise, 2) * (1 - 1 / count)
    return np.maximum(spread, 0, out=spread).astype(np.float32)


def variance_halo(*, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return window_radius(window)

"""Steerable Gaussian derivatives."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.filters import correlate, gaussian_radius
from bigstack.kernels.focus._gaussian import gaussian_derivatives
from bigstack.kernels.focus._measure import pool, window_radius

SOURCE = (
    "Minhas, Mohammed, Wu, Sid-Ahmed 2009, 3D shape from focus and depth map computation using steerable "
    "filters, ICIAR, doi:10.1007/978-3-642-02611-9_57"
)


def steerable(
    grey: np.ndarray,
    *,
    sigma: float = 1.0,
    order: int = 1,
    angles: int = 8,
    power: float = 2.0,
    window: int = 5,
) -> np.ndarray:
    """Strongest of the Gaussian derivatives in several directions, averaged over a window.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    sigma
        Standard deviation of the Gaussian in pixels.
    order
        Derivative of order 1 or 2.
    angles
        Directions around the circle, an even number; opposite ones differ by their sign only.
    power
        Exponent of the magnitude.
    window
        Side of the square that is averaged over, pixels; 1 for none.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> steerable(np.full((9, 9), 9, np.uint8)).max()
    np.float32(0.0)
    """
    if order not in (1, 2):
        raise InputError(f"order must be 1 or 2, got {order!r}")
    if angles < 4 or angles % 2:
        raise InputError(f"angles must be an even number of at least 4, got {angles!r}")
    if not 0 < power < float("inf"):
        raise InputError(f"power must be a positive number, got {power!r}")
    basis = [correlate(grey, linear) for linear in gaussian_derivatives(sigma, order)]
    strongest = np.zeros(grey.shape, np.float64)
    for number in range(angles // 2):
        angle = 2 * pi * number / angles
        np.maximum(strongest, np.abs(_steer(basis, angle)), out=strongest)
    return pool(_raised(strongest, power).astype(np.float32), window, 0)


def steerable_halo(*, sigma: float = 1.0, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return gaussian_radius(sigma) + window_radius(window)


def _steer(basis: list[np.ndarray], angle: float) -> np.ndarray:
    """Derivative along the direction `angle`, counted from the x axis towards the y axis."""
    y, x = sin(angle), cos(angle)
    if len(basis) == 2:
        return basis[0] * y + basis[1] * x
    return basis[0] * (y * y) + basis[1] * (x * x) + basis[2] * (2 * x * y)


def _raised(values: np.ndarray, power: float) -> np.ndarray:
    return values if power == 1 else np.square(values) if power == 2 else np.power(values, power)

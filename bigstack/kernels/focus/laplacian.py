"""Energy of the Laplacian."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.focus._derivatives import laplacian_filter
from bigstack.kernels.focus._measure import (
    magnitude,
    noise_level,
    pool,
    smoothed,
    smoothed_radius,
    window_radius,
)

SOURCE = "Subbarao, Choi, Nikzad 1993, Focusing techniques, Opt. Eng. 32(11), doi:10.1117/12.147706"


def laplacian(
    grey: np.ndarray,
    *,
    kernel: int = 3,
    sigma: float = 0.0,
    window: int = 5,
    power: float = 2.0,
    noise: float = 0.0,
) -> np.ndarray:
    """Power of the Laplacian's magnitude, averaged over a window.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    kernel
        Aperture of OpenCV's Laplacian: 1 (five points), 3, 5 or 7 pixels.
    sigma
        Gaussian smoothing beforehand, pixels; 0 for none.
    window
        Side of the square that is averaged over, pixels; 1 for none.
    power
        Exponent of the magnitude, 2 for the energy.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> laplacian(np.eye(5, dtype=np.uint8), kernel=1, window=1)[2, 2]
    np.float32(16.0)
    """
    linear = smoothed(laplacian_filter(kernel), sigma)
    energy = magnitude(grey, linear, power)
    return pool(energy, window, noise_level(linear.noise_gain, noise, power))


def laplacian_halo(*, kernel: int = 3, sigma: float = 0.0, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return smoothed_radius(laplacian_filter(kernel).radius, sigma) + window_radius(window)

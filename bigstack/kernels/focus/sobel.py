"""Absolute gradient."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.focus._derivatives import sobel_filters
from bigstack.kernels.focus._measure import (
    magnitude,
    noise_level,
    pool,
    smoothed,
    smoothed_radius,
    window_radius,
)

SOURCE = "Pertuz, Puig, Garcia 2013, Pattern Recognit. 46(5) (gradient), doi:10.1016/j.patcog.2012.11.011"


def sobel(
    grey: np.ndarray, *, kernel: int = 3, sigma: float = 0.0, window: int = 1, noise: float = 0.0
) -> np.ndarray:
    """``|gx| + |gy|`` of the Sobel gradient, averaged over a window.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    kernel
        Aperture of OpenCV's Sobel: 3, 5 or 7 pixels.
    sigma
        Gaussian smoothing beforehand, pixels; 0 for none.
    window
        Side of the square that is averaged over, pixels; 1 for none.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> sobel(np.arange(25, dtype=np.uint8).reshape(5, 5))[2, 2]
    np.float32(48.0)
    """
    down, across = (smoothed(linear, sigma) for linear in sobel_filters(kernel))
    energy = magnitude(grey, down, 1)
    energy += magnitude(grey, across, 1)
    return pool(energy, window, 2 * noise_level(down.noise_gain, noise, 1))


def sobel_halo(*, kernel: int = 3, sigma: float = 0.0, window: int = 1) -> int:
    """Pixels around a pixel that its value depends on."""
    return smoothed_radius(sobel_filters(kernel)[0].radius, sigma) + window_radius(window)

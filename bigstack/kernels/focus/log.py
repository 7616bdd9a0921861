"""Laplacian of the Gaussian, as OpenCV's two filters in a row."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.filters import Filter, smoothing_taps
from bigstack.kernels.focus._derivatives import laplacian_filter
from bigstack.kernels.focus._measure import magnitude, noise_level, pool, window_radius

SOURCE = "Marr, Hildreth 1980, Theory of edge detection, Proc. R. Soc. B 207, doi:10.1098/rspb.1980.0020"


def log(
    grey: np.ndarray,
    *,
    blur: int = 5,
    kernel: int = 5,
    window: int = 1,
    power: float = 1.0,
    noise: float = 0.0,
) -> np.ndarray:
    """Magnitude of the Laplacian of the image smoothed by a Gaussian.

    Differs from ``cv2.Laplacian(cv2.GaussianBlur(image, ...))`` on 8-bit images in that nothing is rounded
    to whole grey levels in between.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    blur
        Taps of OpenCV's Gaussian: 1 (none), 3, 5, 7 or 9.
    kernel
        Aperture of OpenCV's Laplacian: 1 (five points), 3, 5 or 7 pixels.
    window
        Side of the square that is averaged over, pixels; 1 for none.
    power
        Exponent of the magnitude, 1 for the magnitude itself.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> log(np.full((4, 4), 9, np.uint8)).max()
    np.float32(0.0)
    """
    linear = log_filter(blur, kernel)
    energy = magnitude(grey, linear, power)
    return pool(energy, window, noise_level(linear.noise_gain, noise, power))


def log_halo(*, blur: int = 5, kernel: int = 5, window: int = 1) -> int:
    """Pixels around a pixel that its value depends on."""
    return log_filter(blur, kernel).radius + window_radius(window)


def log_filter(blur: int, kernel: int) -> Filter:
    """Gaussian and Laplacian as one filter."""
    return laplacian_filter(kernel).after(*smoothing_taps(blur))

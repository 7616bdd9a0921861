"""Energy of the gradient."""

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

SOURCE = "Krotkov 1988, Focusing, Int. J. Comput. Vis. 1(3), doi:10.1007/BF00127822"


def tenengrad(
    grey: np.ndarray, *, kernel: int = 3, sigma: float = 0.0, window: int = 5, noise: float = 0.0
) -> np.ndarray:
    """``gx² + gy²`` of the Sobel gradient, averaged over a window.

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
    >>> tenengrad(np.arange(25, dtype=np.uint8).reshape(5, 5), window=1)[2, 2]
    np.float32(1664.0)
    """
    down, across = (smoothed(linear, sigma) for linear in sobel_filters(kernel))
    energy = magnitude(grey, down, 2)
    energy += magnitude(grey, across, 2)
    return pool(energy, window, 2 * noise_level(down.noise_gain, noise, 2))


def tenengrad_halo(*, kernel: int = 3, sigma: float = 0.0, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return smoothed_radius(sobel_filters(kernel)[0].radius, sigma) + window_radius(window)

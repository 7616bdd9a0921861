"""Largest eigenvalue of the structure tensor."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.filters import box_mean, correlate, gaussian_radius
from bigstack.kernels.focus._gaussian import gaussian_derivatives
from bigstack.kernels.focus._measure import noise_level, window_radius

SOURCE = (
    "Bigun, Granlund 1987, Optimal orientation detection of linear symmetry, ICCV; Jahne 2005, Digital image "
    "processing, ch. 13, doi:10.1007/3-540-27563-0"
)


def structure_tensor(
    grey: np.ndarray, *, sigma: float = 0.7, window: int = 5, noise: float = 0.0
) -> np.ndarray:
    """Energy of the gradient along the direction of a window in which it is largest.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    sigma
        Standard deviation in pixels of the Gaussian whose derivatives are the gradient.
    window
        Side of the square that the tensor is averaged over, pixels.
    noise
        Standard deviation of white noise in grey levels; its tensor is a multiple of the identity, which
        is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> ramp = np.tile(np.arange(9, dtype=np.uint8) * 3, (9, 1))
    >>> round(float(structure_tensor(ramp, window=1)[4, 4]), 2)
    9.0
    """
    filters = gaussian_derivatives(sigma, 1)
    down, across = (correlate(grey, linear).astype(np.float64) for linear in filters)
    yy, xx, xy = (box_mean(product, window) for product in (down * down, across * across, down * across))
    half_difference = (yy - xx) / 2
    largest = (yy + xx) / 2 + np.sqrt(half_difference * half_difference + xy * xy)
    largest -= noise_level(filters[0].noise_gain, noise, 2)
    return np.maximum(largest, 0, out=largest).astype(np.float32)


def structure_tensor_halo(*, sigma: float = 0.7, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return gaussian_radius(sigma) + window_radius(window)

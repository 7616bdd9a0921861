"""Brenner's gradient."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.focus._derivatives import forward_differences
from bigstack.kernels.focus._measure import (
    magnitude,
    noise_level,
    pool,
    smoothed,
    smoothed_radius,
    window_radius,
)

SOURCE = (
    "Brenner, Dew, Horton, King, Neurath, Selles 1976, An automated microscope for cytologic research, "
    "J. Histochem. Cytochem. 24(1), doi:10.1177/24.1.1254907"
)


def brenner(
    grey: np.ndarray, *, step: int = 2, sigma: float = 0.0, window: int = 5, noise: float = 0.0
) -> np.ndarray:
    """``(I(step) - I(0))²`` along y plus the same along x, averaged over a window.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    step
        Distance of the pixels that are compared.
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
    >>> brenner(np.arange(25, dtype=np.uint8).reshape(5, 5), window=1)[2, 2]
    np.float32(104.0)
    """
    down, across = (smoothed(linear, sigma) for linear in forward_differences(step))
    energy = magnitude(grey, down, 2)
    energy += magnitude(grey, across, 2)
    return pool(energy, window, 2 * noise_level(down.noise_gain, noise, 2))


def brenner_halo(*, step: int = 2, sigma: float = 0.0, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return smoothed_radius(step, sigma) + window_radius(window)

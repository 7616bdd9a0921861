"""Sum-modified-Laplacian."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.focus._measure import pool, smoothed_radius, window_radius
from bigstack.kernels.focus.modified_laplacian import modified_laplacian_energy, modified_laplacian_level

SOURCE = "Nayar, Nakagawa 1994, Shape from focus, IEEE TPAMI 16(8), doi:10.1109/34.308479"


def sml(
    grey: np.ndarray,
    *,
    step: int = 1,
    sigma: float = 0.0,
    window: int = 5,
    threshold: float = 0.0,
    noise: float = 0.0,
) -> np.ndarray:
    """Sum over a window of those modified Laplacians that reach a threshold.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    step
        Distance of the pixels that are compared.
    sigma
        Gaussian smoothing beforehand, pixels; 0 for none.
    window
        Side of the square that is summed over, pixels.
    threshold
        Modified Laplacians below this many grey levels count as 0.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted; only without a
        threshold, as the expectation is not known in closed form with one.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> sml(np.eye(7, dtype=np.uint8), window=3)[3, 3]
    np.float32(20.0)
    """
    if threshold and noise:
        raise InputError(f"give threshold or noise, not both, got threshold={threshold!r}, noise={noise!r}")
    energy = modified_laplacian_energy(grey, step, sigma, 1)
    if threshold:
        energy[energy < threshold] = 0
    return pool(energy, window, modified_laplacian_level(step, sigma, 1, noise), mean=False)


def sml_halo(*, step: int = 1, sigma: float = 0.0, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return smoothed_radius(step, sigma) + window_radius(window)

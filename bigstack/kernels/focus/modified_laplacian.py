"""Modified Laplacian: second differences in y and x that cannot cancel each other."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.focus._derivatives import second_differences
from bigstack.kernels.focus._measure import (
    magnitude,
    noise_level,
    pool,
    smoothed,
    smoothed_radius,
    window_radius,
)

SOURCE = "Nayar, Nakagawa 1994, Shape from focus, IEEE TPAMI 16(8), doi:10.1109/34.308479"


def modified_laplacian(
    grey: np.ndarray,
    *,
    step: int = 1,
    sigma: float = 0.0,
    window: int = 1,
    power: float = 1.0,
    noise: float = 0.0,
) -> np.ndarray:
    """``|2I - I(-step) - I(step)|`` along y plus the same along x, averaged over a window.

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
    power
        Exponent of each of the two magnitudes.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> modified_laplacian(np.eye(5, dtype=np.uint8))[2, 2]
    np.float32(4.0)
    """
    energy = modified_laplacian_energy(grey, step, sigma, power)
    return pool(energy, window, modified_laplacian_level(step, sigma, power, noise))


def modified_laplacian_halo(*, step: int = 1, sigma: float = 0.0, window: int = 1) -> int:
    """Pixels around a pixel that its value depends on."""
    return smoothed_radius(step, sigma) + window_radius(window)


def modified_laplacian_energy(grey: np.ndarray, step: int, sigma: float, power: float) -> np.ndarray:
    """Compute the measure at every pixel, before the window."""
    down, across = (magnitude(grey, smoothed(linear, sigma), power) for linear in second_differences(step))
    down += across
    return down


def modified_laplacian_level(step: int, sigma: float, power: float, noise: float) -> float:
    """Return what white noise alone gives at a pixel, on average."""
    return 2 * noise_level(smoothed(second_differences(step)[0], sigma).noise_gain, noise, power)

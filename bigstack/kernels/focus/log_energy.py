"""Second-derivative energy, averaged as its logarithm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.filters import correlate, gaussian_blur, gaussian_radius
from bigstack.kernels.focus._gaussian import gaussian_derivatives
from bigstack.kernels.focus._measure import noise_level

SOURCE = (
    "The energy is that of Lindeberg 1998, Feature detection with automatic scale selection, Int. J. Comput. "
    "Vis. 30(2), doi:10.1023/A:1008045108935; averaging logarithms is bigstack's own"
)


def log_energy(
    grey: np.ndarray,
    *,
    sigma: float | Sequence[float] = (0.7, 1.0),
    inner: float = 1.5,
    outer: float = 3.0,
    noise: float = 1.0,
) -> np.ndarray:
    """``Gauss_outer(mean over sigmas of ln(1 + Gauss_inner(E) / E_noise))``, E energy of second derivatives.

    An average of energies follows the strongest texture of a window, wherever that lies; an average of their
    logarithms weighs all of the window alike, so a slanted surface comes out less biased. The coarser of two
    scales still sees texture where noise hides it from the finer one.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    sigma
        Standard deviation in pixels of the Gaussian whose derivatives are taken, at least 0.3; or several.
    inner
        Standard deviation in pixels of the Gaussian over energies.
    outer
        Standard deviation in pixels of the Gaussian over their logarithms.
    noise
        Standard deviation of white noise in grey levels, more than 0: weaker energies count as none.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> log_energy(np.full((9, 9), 9, np.uint8)).max()
    np.float32(0.0)
    """
    if not noise > 0:
        raise InputError(f"noise must be more than 0 grey levels, got {noise!r}")
    scales = _scales(sigma)
    total = _log_of_scale(grey, scales[0], inner, noise)
    for scale in scales[1:]:
        total += _log_of_scale(grey, scale, inner, noise)
    if len(scales) > 1:
        total *= np.float32(1 / len(scales))
    return gaussian_blur(total, outer)


def log_energy_halo(
    *, sigma: float | Sequence[float] = (0.7, 1.0), inner: float = 1.5, outer: float = 3.0
) -> int:
    """Pixels around a pixel that its value depends on."""
    return max(map(gaussian_radius, _scales(sigma))) + gaussian_radius(inner) + gaussian_radius(outer)


def _scales(sigma: float | Sequence[float]) -> tuple[float, ...]:
    scales = tuple(sigma) if isinstance(sigma, Sequence) else (sigma,)
    if not scales:
        raise InputError("sigma must be a number of pixels or several, got none")
    return scales


def _log_of_scale(grey: np.ndarray, sigma: float, inner: float, noise: float) -> np.ndarray:
    yy, xx, xy = filters = gaussian_derivatives(sigma, 2)
    energy = np.square(correlate(grey, yy))
    energy += np.square(correlate(grey, xx))
    energy += 2 * np.square(correlate(grey, xy))
    level = sum(noise_level(band.noise_gain, noise, 2) for band in (*filters, filters[2]))
    return np.log1p(gaussian_blur(energy.astype(np.float32), inner) / np.float32(level))

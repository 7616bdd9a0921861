"""Second-derivative energy, averaged as its logarithm."""

from __future__ import annotations

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
    grey: np.ndarray, *, sigma: float = 0.7, inner: float = 1.5, outer: float = 3.0, noise: float = 1.0
) -> np.ndarray:
    """``Gauss_outer(ln(1 + Gauss_inner(E) / E_noise))``, E the energy of all second derivatives.

    An average of energies follows the strongest texture of a window, wherever that lies; an average of their
    logarithms weighs all of the window alike, so a slanted surface comes out less biased.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    sigma
        Standard deviation in pixels of the Gaussian whose derivatives are taken, at least 0.3.
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
    yy, xx, xy = filters = gaussian_derivatives(sigma, 2)
    energy = np.square(correlate(grey, yy)) + np.square(correlate(grey, xx))
    energy += 2 * np.square(correlate(grey, xy))
    level = sum(noise_level(band.noise_gain, noise, 2) for band in (*filters, filters[2]))
    ratio = gaussian_blur(energy.astype(np.float32), inner) / np.float32(level)
    return gaussian_blur(np.log1p(ratio), outer)


def log_energy_halo(*, sigma: float = 0.7, inner: float = 1.5, outer: float = 3.0) -> int:
    """Pixels around a pixel that its value depends on."""
    return gaussian_radius(sigma) + gaussian_radius(inner) + gaussian_radius(outer)

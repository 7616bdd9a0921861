"""Energy of the detail of an undecimated wavelet transform."""

from __future__ import annotations

from functools import lru_cache
from math import sqrt

import numpy as np

from bigstack.errors import InputError, choose
from bigstack.kernels.filters import Filter
from bigstack.kernels.focus._measure import magnitude, noise_level, pool, window_radius

SOURCE = (
    "Yang, Nelson 2003, Wavelet-based autofocusing and unsupervised segmentation of microscopic images, "
    "IROS, doi:10.1109/IROS.2003.1249188"
)

_BITS = 14
_MOST_LEVELS = 5

# Low-pass taps; the high-pass of the orthogonal ones is their quadrature mirror.
_LOW = {
    "haar": (sqrt(0.5), sqrt(0.5)),
    "db2": tuple(t / (4 * sqrt(2)) for t in (1 + sqrt(3), 3 + sqrt(3), 3 - sqrt(3), 1 - sqrt(3))),
    "db3": (
        0.3326705529500825,
        0.8068915093110924,
        0.4598775021184914,
        -0.1350110200102546,
        -0.0854412738820267,
        0.0352262918857095,
    ),
    "cdf53": tuple(sqrt(2) * t for t in (-1 / 8, 1 / 4, 3 / 4, 1 / 4, -1 / 8)),
}
_CDF53_HIGH = tuple(sqrt(0.5) * t for t in (-1 / 2, 1, -1 / 2))


def wavelet(
    grey: np.ndarray,
    *,
    family: str = "cdf53",
    levels: int = 1,
    power: float = 2.0,
    window: int = 5,
    noise: float = 0.0,
) -> np.ndarray:
    """Power of the wavelet coefficients across, along and diagonal, of every pixel and level.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    family
        ``cdf53`` (symmetric: no shift), ``haar``, ``db2`` or ``db3``.
    levels
        Levels of the transform, 1 to 5; their powers are added.
    power
        Exponent of the coefficients' magnitude: 1 for Yang and Nelson's sum, 2 for their variance.
    window
        Side of the square that is averaged over, pixels; 1 for none.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> wavelet(np.full((8, 8), 9, np.uint8), levels=2).max()
    np.float32(0.0)
    """
    total: np.ndarray | None = None
    level = 0.0
    for band in _bands(family, _checked(levels)):
        part = magnitude(grey, band, power)
        total = part if total is None else np.add(total, part, out=total)
        level += noise_level(band.noise_gain, noise, power)
    assert total is not None
    return pool(total, window, level)


def wavelet_halo(*, family: str = "cdf53", levels: int = 1, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return max(band.radius for band in _bands(family, _checked(levels))) + window_radius(window)


@lru_cache(maxsize=32)
def _bands(family: str, levels: int) -> tuple[Filter, ...]:
    low = np.array(_LOW[choose(family, _LOW, "wavelet family")])
    alternating = low[::-1] * (-1.0) ** np.arange(len(low))
    high = np.array(_CDF53_HIGH) if family == "cdf53" else alternating
    smooth, bands = np.ones(1), []
    for level in range(levels):
        detail = np.convolve(smooth, _spread(high, level))
        smooth = np.convolve(smooth, _spread(low, level))
        down, flat = _integers(detail), _integers(smooth)
        bands += [Filter(((a, b),), 4**_BITS) for a, b in ((down, flat), (flat, down), (down, down))]
    return tuple(bands)


def _spread(taps: np.ndarray, level: int) -> np.ndarray:
    spread = np.zeros((len(taps) - 1) * 2**level + 1)
    spread[:: 2**level] = taps
    return spread


def _integers(taps: np.ndarray) -> tuple[int, ...]:
    """Round to the fixed-point grid, odd in number, and let details sum to exactly 0."""
    whole = np.rint(taps * 2**_BITS).astype(int)
    if abs(taps.sum()) < 1e-6:
        whole[len(whole) // 2] -= whole.sum()
    return (*whole.tolist(), 0) if len(whole) % 2 == 0 else tuple(whole.tolist())


def _checked(levels: int) -> int:
    if not 1 <= levels <= _MOST_LEVELS:
        raise InputError(f"levels must be 1 to {_MOST_LEVELS}, got {levels!r}")
    return levels

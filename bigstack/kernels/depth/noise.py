"""Noise of a block of frames in one number, and what pyramids and filters make of it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)  # blind to slopes and straight edges
_MASK_GAIN = 6.0  # root of the sum of its squared taps
_MANY = 512**2  # pixels that a sixteenth of says enough
_REDUCE = np.array([1, 4, 6, 4, 1]) / 16
PRE_SIGMA = 0.7
"""Gaussian before the Laplacian, pixels: it takes the noise that lies beyond any lens's resolution."""


def noise_sigma(lumas: np.ndarray, floor: float) -> float:
    """Return the noise's standard deviation: the median over the frames of a robust estimate.

    The residual is that of Immerkaer 1996 (doi:10.1006/cviu.1996.0060), its spread the median absolute
    deviation, so that texture does not count. Most frames show most places out of focus.

    Parameters
    ----------
    lumas
        Frames (z, y, x) float32.
    floor
        Least standard deviation, of rounding to whole grey levels, say.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 2, (3, 64, 64)).astype(np.float32)
    >>> round(noise_sigma(noise, 0.1), 1)
    2.0
    """
    found = []
    step = 2 if lumas[0].size < _MANY else 4
    for luma in lumas:
        residual = cv2.filter2D(luma, cv2.CV_32F, _MASK)[::step, ::step]
        found.append(float(np.median(np.abs(residual))) / (0.6745 * _MASK_GAIN))
    return max(float(np.median(found)), floor)


@lru_cache
def laplacian_gain(level: int) -> float:
    """Variance that white noise of variance 1 has after `level` reductions, the Gaussian and Laplacian."""
    along = np.array([1.0])
    for _ in range(level):
        along = _halve(np.convolve(along, np.correlate(_REDUCE, _REDUCE, "full")))
    taps = cv2.getGaussianKernel(5, PRE_SIGMA).ravel()
    along = np.convolve(along, np.correlate(taps, taps, "full"))
    across = np.outer(along, along)
    mask = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float)
    return _after(across, mask)


@lru_cache
def band_gain(level: int) -> float:
    """Variance of white noise of variance 1 in level `level` of a Laplacian pyramid, about.

    The band is taken as the low-pass of its level less the same smoothed once more, as a pyramid's
    interpolation does to the samples it keeps.
    """
    along = np.array([1.0])
    for _ in range(level):
        along = _halve(np.convolve(along, np.correlate(_REDUCE, _REDUCE, "full")))
    twice = np.convolve(_REDUCE, _REDUCE)
    mask = -np.outer(twice, twice)
    mask[4, 4] += 1
    return _after(np.outer(along, along), mask)


def _halve(correlation: np.ndarray) -> np.ndarray:
    """Autocorrelation of every second sample."""
    middle = len(correlation) // 2
    return correlation[middle % 2 :: 2]


def _after(correlation: np.ndarray, mask: np.ndarray) -> float:
    """Variance after a mask of noise with this autocorrelation."""
    middle = len(correlation) // 2
    taps = [(y, x, tap) for (y, x), tap in np.ndenumerate(mask) if tap]
    total = 0.0
    for y, x, tap in taps:
        for v, u, other in taps:
            if abs(y - v) <= middle and abs(x - u) <= middle:
                total += tap * other * correlation[middle + y - v, middle + x - u]
    return float(total)

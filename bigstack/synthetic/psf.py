"""Point-spread functions of a defocused lens and their transfer functions on a pixel grid.

Both have variance radius**2 / 4 in y and in x, that of a uniform disc, so a radius means the same amount of
blur with either, down to radii below a pixel, and depth truth stays meaningful between frames.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np

from bigstack.errors import choose

Psf = Literal["disc", "gaussian"]
PSFS = ("disc", "gaussian")

_FINE = 0.25  # spacing of the radius table below FINE_UP_TO
_FINE_UP_TO = 2.0
_GROWTH = 1.15  # ratio of neighbouring radii above


def support(psf: str, radius: float) -> int:
    """Pixels beyond which the blur of `radius` is nothing (disc) or below 3e-7 of the light (Gaussian)."""
    return math.ceil(radius) + 1 if psf == "disc" else math.ceil(2.6 * radius) + 8


def radius_table(largest: float) -> np.ndarray:
    """Blur radii (float64, ascending from 0 to at least `largest`) between which images are interpolated."""
    radii = list(np.arange(0, _FINE_UP_TO + _FINE / 2, _FINE))
    while radii[-1] < largest:
        radii.append(radii[-1] * _GROWTH)
    return np.array(radii)


@lru_cache(maxsize=256)
def disc_kernel(radius: float) -> np.ndarray:
    """Share of each pixel's light that a lens disc of `radius` pixels spreads to each neighbour.

    Returns (2 n + 1, 2 n + 1) float64, sum 1: the area that a disc covers of each pixel, the disc being
    as much smaller or larger than `radius` as makes the kernel's variance radius**2 / 4 exactly.

    Examples
    --------
    >>> kernel = disc_kernel(3.0)
    >>> offset = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    >>> round(float((kernel.sum(axis=0) * offset**2).sum()), 6)
    2.25
    >>> disc_kernel(0.0)
    array([[1.]])
    """
    if radius <= 0:
        return np.ones((1, 1))
    from scipy.optimize import brentq

    size = math.ceil(radius) + 1
    drawn = brentq(lambda r: _variance(_covered(r, size)) - radius**2 / 4, 0.5, radius + 1, xtol=1e-9)
    return _covered(drawn, size)


def _variance(kernel: np.ndarray) -> float:
    offset = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    return float((kernel.sum(axis=0) * offset**2).sum())


def _covered(radius: float, size: int) -> np.ndarray:
    """Area of each pixel under a disc, exact in one axis, 64 strips a pixel in the other."""
    strips = (np.arange((2 * size + 1) * 64) + 0.5) / 64 - size - 0.5
    half = np.sqrt(np.maximum(radius**2 - strips**2, 0))[:, None]
    low = np.arange(-size, size + 1)[None, :] - 0.5
    inside = np.clip(half, low, low + 1) - np.clip(-half, low, low + 1)
    area = inside.reshape(2 * size + 1, 64, 2 * size + 1).mean(axis=1)
    area = area + area.T
    return area / area.sum()


@lru_cache(maxsize=96)
def transfer(psf: str, radius: float, shape: tuple[int, int]) -> np.ndarray:
    """Transfer function (real, because the kernels are symmetric) for `scipy.fft.rfft2` of `shape`, float32.

    The Gaussian is the discrete one (Lindeberg 1990, doi:10.1109/34.49051): never negative, no ringing,
    exact variance on the grid however narrow.
    """
    choose(psf, PSFS, "psf")
    if psf == "disc":
        return _transfer_of(disc_kernel(radius), shape)
    variance = radius**2 / 4
    rows = np.exp(variance * (np.cos(2 * np.pi * np.fft.fftfreq(shape[0])) - 1))
    columns = np.exp(variance * (np.cos(2 * np.pi * np.fft.rfftfreq(shape[1])) - 1))
    return (rows[:, None] * columns).astype(np.float32)


def _transfer_of(kernel: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from scipy import fft

    padded = np.zeros(shape)
    half = kernel.shape[0] // 2
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    return fft.rfft2(np.roll(padded, (-half, -half), (0, 1))).real.astype(np.float32)

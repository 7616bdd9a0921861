"""Derivatives of a Gaussian as fixed-point filters."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.filters import Filter, gaussian_radius

_BITS = 14  # 16 bits of pixel and twice 14 of taps are summed exactly


@lru_cache(maxsize=64)
def gaussian_derivatives(sigma: float, order: int) -> tuple[Filter, ...]:
    """Derivatives of order 1 (along y, x) or 2 (yy, xx, xy) of a Gaussian of `sigma` pixels.

    Scaled to answer a ramp of slope 1 by 1, a parabola of curvature 1 by 1; a constant image gives exactly 0.
    """
    if not 0.3 <= sigma <= 100:
        raise InputError(f"sigma must be 0.3 to 100 pixels, got {sigma!r}")
    radius = gaussian_radius(sigma)
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (x / sigma) ** 2)
    gauss = weights / weights.sum()
    slope = x * gauss / (x**2 * gauss).sum()
    bend = (x**2 - (gauss * x**2).sum()) * gauss
    bend = 2 * bend / (bend * x**2).sum()
    flat, first, second = (_integers(taps) for taps in (gauss, slope, bend))
    if order == 1:
        return _product(first, flat), _product(flat, first)
    return _product(second, flat), _product(flat, second), _product(first, first)


def _product(down: tuple[int, ...], across: tuple[int, ...]) -> Filter:
    return Filter(((down, across),), 4**_BITS)


def _integers(taps: np.ndarray) -> tuple[int, ...]:
    whole = np.rint(taps * 2**_BITS).astype(int)
    if abs(taps.sum()) < 1e-9:
        whole[len(whole) // 2] -= whole.sum()
    return tuple(whole.tolist())

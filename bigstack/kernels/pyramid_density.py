"""Wide Gaussians of impulses: on an image reduced by powers of two, so that halos stay small.

The image is reduced by halves with a binomial filter of 9 taps, smoothed there by what is left of the
Gaussian, and enlarged again with the same filter. The Gaussian applied to the reduced image is divided, in
frequency, by what reducing and enlarging take away, so that only aliasing is left as an error.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import cv2
import numpy as np

MARGIN = 8
"""Pixels of the reduced image around the image itself: impulses reach 4 of them, enlarging reads 4."""

ENLARGE_HALO = 4
"""Pixels of the reduced image around a window that its enlargement depends on."""

_NARROWEST = 4.0  # bandwidth in pixels of the reduced image: wide enough for an aliasing error below 1e-6
_CUT = 7.0  # bandwidths at which the Gaussian ends: 2e-11 of its peak
_BITS = 36  # of the fraction of a pixel: with the 16 of two filters in a row sums fit float64 and are exact
_HALF = np.array([1, 4, 6, 4, 1], np.float64) / 16  # this and OpenCV's pyrDown or pyrUp make 9 binomial taps


def levels_of(bandwidth: float) -> int:
    """How often the image is halved for a bandwidth in pixels."""
    levels = 0
    while bandwidth / 2 ** (levels + 1) >= _NARROWEST:
        levels += 1
    return levels


def density_by_levels(marks: np.ndarray, bandwidth: float) -> np.ndarray:
    """Gaussian of impulses (y, x), zero outside, float64; the whole image at once."""
    levels = levels_of(bandwidth)
    height, width = marks.shape
    border, unit = MARGIN << levels, 1 << levels
    padded = np.pad(marks, ((border, border + -height % unit), (border, border + -width % unit)))
    coarse = smooth_reduced(reduce_marks(padded, levels), bandwidth)
    return enlarge(coarse, levels, slice(border, border + height), slice(border, border + width))


def reduce_halo(levels: int) -> int:
    """Pixels around a window that its reduced image depends on."""
    return 4 * ((1 << levels) - 1)


def reduce_marks(marks: np.ndarray, levels: int) -> np.ndarray:
    """Weighted mean of impulses around every ``2**levels``-th pixel, the first included; float64.

    Impulses are at most 1, uint8 or float64 multiples of 2**-24. Sums are exact, results rounded to 2**-36.
    """
    # The first halving of impulses of 0 and 1 needs 16 bits: exact in float32, at twice the speed.
    reduced = marks.astype(np.float32) if marks.dtype == np.uint8 else marks
    for _ in range(levels):
        reduced = _snap(cv2.pyrDown(cv2.sepFilter2D(reduced, -1, _HALF, _HALF)), _BITS)
    return reduced


def smooth_reduced(reduced: np.ndarray, bandwidth: float) -> np.ndarray:
    """Apply the rest of the Gaussian of `bandwidth` pixels (of the whole image) to the reduced image."""
    taps = _taps(bandwidth)
    return _correlate(_correlate(reduced, taps, 1), taps, 0)


def smooth_halo(bandwidth: float) -> int:
    """Pixels of the reduced image around a window that its smoothing depends on."""
    return len(_taps(bandwidth)) // 2


def enlarge(
    coarse: np.ndarray, levels: int, rows: slice | None = None, columns: slice | None = None
) -> np.ndarray:
    """Interpolate a reduced image to ``2**levels`` times its size; float64, rounded to 2**-38.

    Of the result only `rows` and `columns` when given, which takes less time for every level.
    """
    wanted = [
        (0, size << levels) if part is None else (part.start, part.stop)
        for part, size in zip((rows, columns), coarse.shape, strict=True)
    ]
    values = coarse
    origins = [0, 0]
    for level in reversed(range(levels)):
        values = cv2.sepFilter2D(cv2.pyrUp(_snap(values, _BITS + 2)), -1, _HALF, _HALF)
        halo = ENLARGE_HALO if level else 0
        cuts = []
        for axis, (start, stop) in enumerate(wanted):
            origin = 2 * origins[axis]
            origins[axis] = max(origin, (start >> level) - halo)
            cuts.append(slice(origins[axis] - origin, -(-stop >> level) + halo - origin))
        values = values[tuple(cuts)]
    return values


def _snap(values: np.ndarray, bits: int) -> np.ndarray:
    """Round to multiples of ``2**-bits``, so that what is summed next is exact."""
    scaled = values.astype(np.float64)
    scaled *= 2.0**bits
    np.rint(scaled, out=scaled)
    scaled *= 2.0**-bits
    return scaled


@lru_cache(maxsize=8)
def _taps(bandwidth: float) -> np.ndarray:
    """Gaussian for the reduced image, divided in frequency by what reducing and enlarging do."""
    levels = levels_of(bandwidth)
    unit = 2**levels
    reach = ceil(_CUT * bandwidth / unit)
    # On twice as many frequencies as there are taps, so that the ends do not wrap into each other.
    frequency = np.fft.fftfreq(4 * reach)
    wanted = np.exp(-2 * (np.pi * frequency * bandwidth / unit) ** 2)
    damped = np.ones_like(frequency)
    for level in range(levels):
        # A binomial of 9 taps is cos**8; `frequency` is per pixel of the reduced image.
        damped *= np.cos(np.pi * frequency * 2.0 ** (level - levels)) ** 8
    kernel = np.fft.ifft(wanted / damped**2).real
    taps = np.concatenate([kernel[-reach:], kernel[: reach + 1]])
    return taps / taps.sum()


def _correlate(values: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
    """Correlate along an axis, zero outside, adding in the same order everywhere."""
    reach = len(taps) // 2
    length = values.shape[axis]
    padded = np.pad(values, [(reach, reach) if axis == i else (0, 0) for i in (0, 1)])

    def shifted(offset: int) -> np.ndarray:
        part = slice(reach + offset, reach + offset + length)
        return padded[part] if axis == 0 else padded[:, part]

    total = shifted(0) * taps[reach]
    for offset in range(1, reach + 1):
        total += (shifted(-offset) + shifted(offset)) * taps[reach + offset]
    return total

"""Kernel density of focus: where in the image the sharpest pixels gather.

Impulses at selected pixels are smoothed by a Gaussian, zero outside the image. Impulses and taps are whole
numbers, so that sums are exact: matrix products may add in any order and tiles still agree to the bit.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.pyramid_density import density_by_levels

DIRECT = 32.0
"""Bandwidth in pixels up to which the Gaussian is applied as it is, cut at 4 of them."""

_TAP_BITS = 24
_IMPULSE_BITS = 24
_STEP = 32  # columns of a product: most of a narrower or a wider band matrix is wasted
_UNTHREADED = 1 << 18  # multiplications up to which OpenBLAS starts no threads, which would fight with ours
_BETWEEN_BITS = 28  # of a row's sum that is carried into the columns: 28 + 24 bits fit float64


def check_bandwidth(bandwidth: float) -> float:
    """Return a bandwidth that is a positive number of pixels, else raise `InputError`."""
    if not (isfinite(bandwidth) and bandwidth > 0):
        raise InputError(f"bandwidth must be a positive number of pixels, got {bandwidth!r}")
    return float(bandwidth)


def density_halo(bandwidth: float) -> int:
    """Pixels around a pixel that a direct density (bandwidth up to `DIRECT`) depends on.

    OpenCV's rule for float images: about 4 bandwidths.
    """
    return (round(8 * check_bandwidth(bandwidth) + 1) | 1) // 2


def impulses(focus: np.ndarray, threshold: float, strength: float = 0.0) -> np.ndarray:
    """Mark the pixels whose focus reaches a threshold.

    Parameters
    ----------
    focus
        Focus measure (y, x), float32.
    threshold
        Least focus that is selected; infinity selects nothing.
    strength
        0 for impulses of 1; else the largest focus of the whole image, and impulses are the focus as
        fractions of it, in steps of 2**-24.

    Returns
    -------
    uint8 0 and 1, or with `strength` float64 multiples of 2**-24 from 0 to 1.

    Examples
    --------
    >>> impulses(np.array([[1, 2, 3]], np.float32), 2.0).tolist()
    [[0, 1, 1]]
    """
    chosen = focus >= np.float64(threshold)  # a Python float would be rounded to float32 first
    if not strength:
        return chosen.astype(np.uint8)
    scaled = np.rint(focus.astype(np.float64) * (2.0**_IMPULSE_BITS / strength))
    return np.where(chosen, np.clip(scaled, 0, 2.0**_IMPULSE_BITS), 0.0) * 2.0**-_IMPULSE_BITS


def gaussian_density(marks: np.ndarray, bandwidth: float, unit: float = 1.0) -> np.ndarray:
    """Smooth impulses by a Gaussian, zero outside the image; its integral is that of the impulses.

    Parameters
    ----------
    marks
        Impulses (y, x) as `impulses` gives them.
    bandwidth
        Standard deviation in pixels. Above `DIRECT` the Gaussian is applied to a reduced image
        (`density_by_levels`), which costs no more for wider ones.
    unit
        What an impulse of 1 stands for.

    Returns
    -------
    float32 (y, x), density per pixel.

    Examples
    --------
    >>> round(float(gaussian_density(np.ones((99, 99), np.uint8), 5.0)[49, 49]), 6)
    1.0
    """
    if check_bandwidth(bandwidth) > DIRECT:
        total = density_by_levels(marks, bandwidth)
    else:
        total = _direct(marks, bandwidth)
    total *= unit
    return total.astype(np.float32)


def scale_density(
    density: np.ndarray, clip: float | None, highest: float, *, normalize: bool = True
) -> np.ndarray:
    """Clip a density at `clip`, None or 0 not to, and divide it by its maximum.

    `clip` and `highest`, the density's maximum before, are statistics of the whole image. 1e-8 is added to
    the maximum as focus_response does.
    """
    if clip:
        density, highest = np.minimum(density, np.float32(clip)), min(clip, highest)
    return density / np.float32(highest + 1e-8) if normalize and highest > 0 else density


def check_top_percent(top_percent: float) -> float:
    """Return a percentage that is more than 0 and at most 100, else raise `InputError`."""
    if not 0 < top_percent <= 100:
        raise InputError(f"top_percent must be more than 0 and at most 100, got {top_percent!r}")
    return float(top_percent)


def threshold_of(focus: np.ndarray, top_percent: float) -> float:
    """Focus that the best `top_percent` of the pixels with any focus reach; infinity where none has."""
    positive = focus[focus > 0].astype(np.float64)
    return float(np.percentile(positive, 100 - check_top_percent(top_percent))) if positive.size else inf


def whole_density(
    focus: np.ndarray,
    *,
    top_percent: float = 25.0,
    bandwidth: float = 10.0,
    include_strength: bool = False,
    clip_percentile: float | None = 99.5,
    normalize: bool = True,
) -> tuple[np.ndarray, float]:
    """Density of focus of one image in memory, and the threshold of its impulses.

    Parameters
    ----------
    focus
        Focus measure (y, x), float32; none below 0 or NaN.
    top_percent
        Share of the pixels with any focus that are selected.
    bandwidth
        Standard deviation of the Gaussian in pixels.
    include_strength
        Weigh each selected pixel by its focus.
    clip_percentile
        Percentile of the density at which it is clipped, None not to clip. focus_response 0.1.5 takes it of
        the focus measure, so that it never acts.
    normalize
        Divide by the maximum.

    Returns
    -------
    Density (y, x), float32, and the threshold, infinity where the image has no focus at all.

    Examples
    --------
    >>> focus = np.zeros((40, 40), np.float32)
    >>> focus[10:20, 10:20] = 1
    >>> density, threshold = whole_density(focus, bandwidth=2.0)
    >>> threshold, float(density[15, 15]) > 0.99, float(density[35, 35]) < 1e-6
    (1.0, True, True)
    """
    threshold = threshold_of(focus, top_percent)
    strength = float(focus.max()) if include_strength and np.isfinite(threshold) else 0.0
    density = gaussian_density(impulses(focus, threshold, strength), bandwidth, strength or 1.0)
    exact = density.astype(np.float64)
    clip = None if clip_percentile is None else float(np.percentile(exact, clip_percentile))
    return scale_density(density, clip, float(exact.max()), normalize=normalize), threshold


def _direct(marks: np.ndarray, bandwidth: float) -> np.ndarray:
    """Rows, then columns; products of whole numbers, exact in whatever order they are added."""
    taps = _taps(bandwidth)
    reach = len(taps) // 2
    if marks.dtype == np.uint8:
        # 0 or 1 times taps that sum to 2**24 at most: exact in float32, where products are 3 times faster.
        rows = _across(np.pad(marks, reach).astype(np.float32), taps).astype(np.float64)
    else:
        rows = _across(np.pad(marks, reach), taps)
        rows *= 2.0 ** (_BETWEEN_BITS - _TAP_BITS)
        np.rint(rows, out=rows)
        rows *= 2.0 ** (_TAP_BITS - _BETWEEN_BITS)
    columns = _down(rows, taps)
    columns *= 1 / taps.sum() ** 2
    return columns


def _across(padded: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Correlate along x, padded by half the taps, as products with a banded matrix."""
    reach = len(taps) // 2
    height, width = padded.shape[0], padded.shape[1] - 2 * reach
    out = np.empty((height, width), padded.dtype)
    band = _band(taps.tobytes(), padded.dtype.str)
    for left in range(0, width, _STEP):
        size = min(_STEP, width - left)
        matrix = band[: size + 2 * reach, :size]
        for part in _parts(height, matrix.size):
            source, target = (np.reshape(array[part.rows], part.shape) for array in (padded, out))
            np.matmul(
                source[..., left : left + size + 2 * reach], matrix, out=target[..., left : left + size]
            )
    return out


def _down(padded: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Correlate along y, padded by half the taps, as products with a banded matrix."""
    reach = len(taps) // 2
    height, width = padded.shape[0] - 2 * reach, padded.shape[1]
    out = np.empty((height, width), padded.dtype)
    band = _band(taps.tobytes(), padded.dtype.str).T
    for top in range(0, height, _STEP):
        size = min(_STEP, height - top)
        matrix = band[:size, : size + 2 * reach]
        for part in _parts(width, matrix.size):
            source, target = (
                np.moveaxis(np.reshape(array[:, part.rows], (len(array), *part.shape[:2])), 0, 1)
                for array in (padded[top : top + size + 2 * reach], out[top : top + size])
            )
            np.matmul(matrix, source, out=target)
    return out


class _Part(NamedTuple):
    """Lines that are multiplied in one call, and their shape: matrices, lines of each, the rest."""

    rows: slice
    shape: tuple[int, int, int]


def _parts(length: int, factor: int) -> list[_Part]:
    """Cut lines into as many alike matrices as there are, and the rest."""
    each = min(length, max(8, _UNTHREADED // factor))
    whole = length // each * each
    parts = [_Part(slice(0, whole), (whole // each, each, -1))]
    return parts if whole == length else [*parts, _Part(slice(whole, length), (1, length - whole, -1))]


@lru_cache(maxsize=8)
def _band(taps: bytes, kind: str) -> np.ndarray:
    values = np.frombuffer(taps, np.float64)
    band = np.zeros((_STEP + len(values) - 1, _STEP), kind)
    for column in range(_STEP):
        band[column : column + len(values), column] = values
    return band


@lru_cache(maxsize=8)
def _taps(bandwidth: float) -> np.ndarray:
    """Whole numbers, as large as let them sum to no more than ``2**_TAP_BITS``."""
    reach = density_halo(bandwidth)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / bandwidth) ** 2)
    return np.rint(weights * ((2.0**_TAP_BITS - len(weights)) / weights.sum()))

"""Kernel density of focus: where in the image the sharpest pixels gather.

Impulses at selected pixels are smoothed by a Gaussian, zero outside the image. Its sums are made in the same
order for every pixel, so that tiles agree to the bit.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, isfinite

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.pyramid_density import density_by_levels
from bigstack.kernels.smoothing_loops import smooth_across, smooth_columns

DIRECT = 32.0
"""Bandwidth in pixels up to which the Gaussian is applied as it is, cut at 4 of them."""

_IMPULSE_BITS = 24


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
    chosen = focus >= _at_least(threshold)
    if not strength:
        return chosen.astype(np.uint8)
    scaled = np.rint(focus.astype(np.float64) * (2.0**_IMPULSE_BITS / strength))
    return np.where(chosen, np.clip(scaled, 0, 2.0**_IMPULSE_BITS), 0.0) * 2.0**-_IMPULSE_BITS


def _at_least(threshold: float) -> np.float32:
    """Return the least float32 that is not below a float64: pixels compare with it four times as fast."""
    near = np.float32(threshold)
    return near if float(near) >= threshold else np.nextafter(near, np.float32(np.inf))


def gaussian_density(
    marks: np.ndarray,
    bandwidth: float,
    unit: float = 1.0,
    *,
    rows: slice | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
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
    rows
        Rows of the result that are wanted, all when not given.
    out
        float32 (rows, x) to write to.

    Returns
    -------
    float32 (y, x), density per pixel.

    Examples
    --------
    >>> round(float(gaussian_density(np.ones((99, 99), np.uint8), 5.0)[49, 49]), 6)
    1.0
    """
    rows = slice(0, marks.shape[0]) if rows is None else rows
    result = np.empty((rows.stop - rows.start, marks.shape[1]), np.float32) if out is None else out
    if check_bandwidth(bandwidth) > DIRECT:
        result[...] = density_by_levels(marks, bandwidth)[rows] * unit
    else:
        taps = _taps(bandwidth)
        sums = np.empty(marks.shape, np.float32)
        smooth_across(marks, taps[len(taps) // 2 :], sums)
        smooth_columns(sums, taps, rows.start, result)
        if unit != 1:
            result *= np.float32(unit)
    return result


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


@lru_cache(maxsize=8)
def _taps(bandwidth: float) -> np.ndarray:
    reach = density_halo(bandwidth)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / bandwidth) ** 2)
    return (weights / weights.sum()).astype(np.float32)

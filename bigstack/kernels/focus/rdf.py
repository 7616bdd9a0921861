"""Ring difference filter at one or many scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigstack.errors import InputError, choose
from bigstack.kernels.focus._measure import noise_level, pool, window_radius
from bigstack.kernels.focus._resample import area_reduce as area_reduce
from bigstack.kernels.focus._resample import check_factor
from bigstack.kernels.focus._resample import linear_enlarge as linear_enlarge
from bigstack.kernels.focus._rings import BORDERS as BORDERS
from bigstack.kernels.focus._rings import check_radii, disk_size, ring_differences

SOURCE = (
    "Surh, Jeon, Park, Im, Ha, Kweon 2017, Noise robust depth from focus using a ring difference filter, "
    "CVPR, doi:10.1109/CVPR.2017.262"
)

NORMALIZATIONS = ("none", "p99", "mad")

_TINY = 1e-8  # below it a percentile or a deviation is that of an image without any focus

Radii = Sequence[tuple[int, int]]
Statistics = Sequence[tuple[float, ...]]


def rdf(
    grey: np.ndarray,
    *,
    radii: Radii = ((1, 3),),
    weights: Sequence[float] | None = None,
    power: float = 2.0,
    border: str = "replicate",
    downsample: int = 1,
    normalize: str = "none",
    statistics: Statistics | None = None,
    window: int = 1,
    noise: float = 0.0,
) -> np.ndarray:
    """Difference between the mean of a ring and that of the disk inside it, to a power, summed over scales.

    Unlike focus_response 0.1.5, which divides mirrored sums by the pixels inside the image, sums and counts
    follow the same border rule: a constant image gives 0 up to its border.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    radii
        Pairs (radius of the disk, outer radius of the ring) in whole pixels, one a scale.
    weights
        Factor of each scale in the sum, 1 when not given.
    power
        Exponent of the difference's magnitude.
    border
        ``replicate``, ``reflect`` (edge pixel not repeated), or ``constant``: nothing outside counts. Where
        the image slopes, the latter two see an edge at its border, of about three times the energy inside.
    downsample
        Measure on the image reduced by this whole factor, radii too, and enlarge the result linearly.
    normalize
        ``none``; ``p99``: each scale is divided by its 99th percentile; ``mad``: each is a robust z-score,
        at least 0.
    statistics
        What `normalize` needs of the whole image, per scale, as `rdf_statistics` gives it.
    window
        Side of the square that is averaged over, pixels; 1 for none.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> rdf(np.full((9, 9), 77, np.uint8)).max()
    np.float32(0.0)
    """
    if choose(normalize, NORMALIZATIONS, "normalization") != "none" and statistics is None:
        raise InputError(
            f"normalize={normalize!r} needs statistics of the whole image; make them with rdf_statistics, "
            "or use normalize='none'"
        )
    factors = _weights(weights, len(radii))
    maps = rdf_scales(
        grey, radii, power=power, border=border, downsample=downsample, window=window, noise=noise
    )
    for i, scale in enumerate(maps):
        normalized(scale, normalize, () if statistics is None else statistics[i], out=scale)
        if factors[i] != 1:
            scale *= np.float32(factors[i])
    total = maps[0]
    for scale in maps[1:]:
        total += scale
    return linear_enlarge(total, downsample, grey.shape[:2])


def rdf_scales(
    grey: np.ndarray,
    radii: Radii,
    *,
    power: float = 2.0,
    border: str = "replicate",
    downsample: int = 1,
    window: int = 1,
    noise: float = 0.0,
) -> list[np.ndarray]:
    """Compute the un-normalised map of each scale, `downsample` times smaller than the image."""
    reduced = area_reduce(grey, check_factor(downsample))
    pairs = scaled_radii(radii, downsample)
    levels = [noise_level(_noise_gain(*pair) / downsample**2, noise, power) for pair in pairs]
    maps = ring_powers(reduced, pairs, power=power, border=border)
    return [pool(scale, window, level) for scale, level in zip(maps, levels, strict=True)]


def ring_powers(
    grey: np.ndarray,
    radii: Radii,
    *,
    power: float,
    border: str,
    rows: slice | None = None,
    out: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Ring differences to a power, of some rows only when given; `out` as in `ring_differences`."""
    maps = ring_differences(grey, radii, border, rows=rows, out=out)
    for scale in maps:
        if power == 2:
            np.square(scale, out=scale)
        else:
            np.abs(scale, out=scale)
            if power != 1:
                np.power(scale, np.float32(power), out=scale)
    return maps


def rdf_statistics(scales: Sequence[np.ndarray], normalize: str) -> list[tuple[float, ...]]:
    """Return what `rdf` needs to normalise, from maps of the whole image (or of several frames) per scale.

    One tuple a scale: () for ``none``, the 99th percentile for ``p99``, median and median absolute deviation
    for ``mad``.
    """
    choose(normalize, NORMALIZATIONS, "normalization")
    found: list[tuple[float, ...]] = []
    for scale in scales:
        if normalize == "p99":
            found.append((float(np.percentile(scale, 99)),))
        elif normalize == "mad":
            median = np.median(scale)
            found.append((float(median), float(np.median(np.abs(scale - median)))))
        else:
            found.append(())
    return found


def normalized(
    scale: np.ndarray, normalize: str, statistics: tuple[float, ...], *, out: np.ndarray | None = None
) -> np.ndarray:
    """Normalise one map by the statistics of its whole image; into `out` if given, which may be the map."""
    if normalize == "none":
        return scale
    if normalize == "p99":
        return np.divide(scale, np.float32(statistics[0] + _TINY), out=out)
    median, deviation = statistics
    if deviation < _TINY:
        score = np.empty_like(scale) if out is None else out
        score.fill(0)
        return score
    score = np.subtract(scale, np.float32(median), out=out)
    score /= np.float32(1.4826 * deviation)
    return np.maximum(score, 0, out=score)


def rdf_halo(*, radii: Radii = ((1, 3),), downsample: int = 1, window: int = 1) -> int:
    """Pixels around a pixel that its value depends on."""
    reach = max(outer for _, outer in scaled_radii(radii, downsample)) + window_radius(window)
    return reach if downsample == 1 else downsample * (reach + 2)


def rdf_grid(*, downsample: int = 1) -> int:
    """Return what a window's origin has to be a multiple of."""
    return check_factor(downsample)


def scaled_radii(radii: Radii, downsample: int) -> list[tuple[int, int]]:
    """Radii in pixels of the reduced image; `InputError` where they are none."""
    if len(radii) == 0:
        raise InputError("radii must have at least one pair (inner, outer)")
    for inner, outer in radii:
        check_radii(inner, outer)
    if check_factor(downsample) == 1:
        return [(inner, outer) for inner, outer in radii]
    pairs = [(max(1, inner // downsample), max(2, outer // downsample)) for inner, outer in radii]
    for small, given in zip(pairs, radii, strict=True):
        if small[0] >= small[1]:
            raise InputError(
                f"radii {tuple(given)} become {small} at downsample={downsample}; make it smaller"
            )
    return pairs


def _noise_gain(inner: int, outer: int) -> float:
    disk = disk_size(inner)
    return 1 / disk + 1 / (disk_size(outer) - disk)


def _weights(weights: Sequence[float] | None, count: int) -> Sequence[float]:
    if weights is None:
        return (1.0,) * count
    if len(weights) != count or not all(0 <= weight < float("inf") for weight in weights):
        raise InputError(f"weights must be {count} numbers of at least 0, one a pair of radii, got {weights}")
    return weights

"""Noise of a camera from its images: variance as a straight line over the mean, Poisson and Gaussian.

Two passes, each exact in any grouping of tiles and frames: the range of the pixels, then a table of counts
(local mean x local residual) that is added up. The line is fitted to the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import nnls

from bigstack.errors import InputError

NOISE_HALO = 1
"""Pixels around a pixel that its residual depends on."""

STEP = 2
"""Residuals are taken at every second pixel of the whole image in y and x: all of them tell little more."""

LEVELS = 128
"""Bins of the local mean."""

_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)  # blind to slopes and straight edges
_GAIN = 36.0
_FINE = 64  # residuals up to here have a bin for each whole number
_EDGES = np.concatenate([np.arange(_FINE) + 0.5, (_FINE - 0.5) * 2 ** (np.arange(1, 257) / 16)])
_FULL = 65535.0  # floats are scaled to this range, so that the bins suit them too
_CUT = 1.5  # standard deviations within which a bin's variance is taken; texture lies outside
_INSIDE = 0.5516  # variance of a normal distribution cut at +-1.5 standard deviations
_FEWEST = 100  # residuals that make a bin's variance worth using


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one channel: ``variance = gain * level + read``.

    Attributes
    ----------
    gain
        Grey levels per photo-electron (Poisson part).
    read
        Variance at level 0 in squared grey levels (Gaussian part, rounding included); with a black level,
        the line's value at 0, at least 0.
    level
        Mean grey level of the pixels it was estimated from.
    """

    gain: float
    read: float
    level: float

    def sigma(self, level: float | None = None) -> float:
        """Return the standard deviation at a grey level, or at the mean level when not given."""
        at = self.level if level is None else level
        return sqrt(max(self.gain * at + self.read, 0.0))


def noise_counts(
    image: np.ndarray,
    low: float,
    high: float,
    *,
    origin: tuple[int, int] = (0, 0),
    core: tuple[slice, slice] | None = None,
) -> np.ndarray:
    """Count local means and residuals of one channel of a frame, or of a tile of it.

    Parameters
    ----------
    image
        Pixels (y, x), uint8, uint16 or float32.
    low, high
        Least and largest pixel of the whole stack; pixels that touch them may be clipped and don't count.
    origin
        Row and column of the image's first pixel in the whole frame.
    core
        The part of `image` whose residuals are counted, the rest being neighbours; all when not given.

    Returns
    -------
    int64 (LEVELS, residuals), to be added over tiles and frames.

    Examples
    --------
    >>> int(noise_counts(np.tile(np.arange(9, dtype=np.uint8), (9, 1)), 0, 8).sum())
    9
    """
    counts = np.zeros((LEVELS, len(_EDGES) + 1), np.int64)
    parts = (slice(0, image.shape[0]), slice(0, image.shape[1])) if core is None else core
    rows, columns = (
        _places(part, start, size) for part, start, size in zip(parts, origin, image.shape, strict=True)
    )
    if not high > low or len(rows) == 0 or len(columns) == 0:
        return counts
    patches = _neighbours(image, rows, columns)
    means, residuals = _means_and_residuals(patches)
    if image.dtype.kind == "f":
        residuals *= _FULL / (high - low)
    inside = (patches.min(axis=0) > low) & (patches.max(axis=0) < high)
    level = ((means[inside] - low) * (LEVELS / (high - low))).astype(np.int64)
    spread = np.searchsorted(_EDGES, np.abs(residuals[inside]))
    flat = np.bincount(np.minimum(level, LEVELS - 1) * counts.shape[1] + spread, minlength=counts.size)
    return flat.reshape(counts.shape)


def fit_noise(counts: np.ndarray, low: float, high: float, *, scaled: bool = False) -> Noise:
    """Fit the line of variance over mean to a table of counts.

    Parameters
    ----------
    counts
        Sum of what `noise_counts` gave.
    low, high
        The range given to it.
    scaled
        True for a stack of floats, whose residuals were scaled.

    Raises
    ------
    InputError
        When there are too few pixels between `low` and `high`.
    """
    unit = (high - low) / _FULL if scaled else 1.0
    levels = low + (np.arange(LEVELS) + 0.5) * ((high - low) / LEVELS)
    total = counts.sum(axis=1)
    used = np.flatnonzero(total >= _FEWEST)
    if len(used) == 0:
        raise InputError(
            f"noise can't be estimated from {int(total.sum())} unclipped pixels of a constant or very small "
            "image; give noise as a number"
        )
    variances = np.array([_variance(counts[i]) for i in used]) * unit**2 / _GAIN
    gain, read = _line(levels[used], variances, total[used])
    return Noise(gain, read, float(np.average(levels[used], weights=total[used])))


def _places(part: slice, origin: int, size: int) -> range:
    """Positions residuals are taken at: on the grid of the whole frame, with neighbours on both sides."""
    first = max(part.start, NOISE_HALO)
    return range(first + -(origin + first) % STEP, min(part.stop, size - NOISE_HALO), STEP)


def _neighbours(image: np.ndarray, rows: range, columns: range) -> np.ndarray:
    """Pixels of the 3 x 3 around each place: (9, rows, columns) float64."""
    return np.stack(
        [
            image[rows[0] + dy : rows[-1] + dy + 1 : STEP, columns[0] + dx : columns[-1] + dx + 1 : STEP]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
    ).astype(np.float64)


def _means_and_residuals(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    means, residuals = np.zeros(patches.shape[1:]), np.zeros(patches.shape[1:])
    for pixel, weight in zip(patches, _MASK.ravel(), strict=True):
        means += pixel
        residuals += pixel * weight
    return means / 9, residuals


def _variance(counts: np.ndarray) -> float:
    """Variance of residuals from their counts, of those near the middle, where there is no texture."""
    cumulated = np.concatenate([[0], np.cumsum(counts)])
    edges = np.concatenate([[0], _EDGES, [_EDGES[-1] * 2 ** (1 / 16)]])
    sigma = np.interp(0.5 * cumulated[-1], cumulated, edges) / 0.6745
    squares = (edges[1:] ** 3 - edges[:-1] ** 3) / (3 * np.diff(edges))
    for _ in range(30):
        share = np.clip((_CUT * sigma - edges[:-1]) / np.diff(edges), 0, 1)
        weight = counts * share
        if weight.sum() == 0:
            return 0.0
        cut = edges[:-1] + share * np.diff(edges)
        within = np.where(
            share < 1, (cut**3 - edges[:-1] ** 3) / (3 * np.maximum(cut - edges[:-1], 1e-9)), squares
        )
        sigma = sqrt(float((weight * within).sum() / weight.sum()) / _INSIDE)
    return sigma**2


def _line(levels: np.ndarray, variances: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Non-negative line through the variances; what lies above it is texture and weighs less."""
    design = np.stack([levels, np.ones_like(levels)], axis=1)
    predicted = np.maximum(variances, 1e-12)
    trust = np.ones_like(levels)
    tolerance = 0.1 + 5 / np.sqrt(counts)  # about two standard errors of a bin's variance, and a tenth
    line = np.zeros(2)
    for _ in range(20):
        root = np.sqrt(counts * trust) / predicted
        line = nnls(design * root[:, None], variances * root)[0]
        predicted = np.maximum(design @ line, 1e-12)
        excess = variances / predicted - 1
        trust = np.minimum(1, tolerance / np.maximum(excess, 1e-12))
    return float(line[0]), float(line[1])

"""Histograms that are exact whatever the tiles: integers counted in fixed bins, then grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 65536
"""Bins between the lowest and the highest value; 8 and 16 bit integers each fall on one exactly."""

GROUPS = 2048
"""Groups that a histogram is kept as: 500 frames of 3 channels are 50 MB."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of values: `values` float64, ascending, and `counts` int64, one dimension, none of them 0.

    A mixture of several histograms has neither order nor whole counts, but a mean.

    Examples
    --------
    >>> Histogram(np.array([1.0, 3.0]), np.array([1, 3])).mean
    2.5
    """

    values: np.ndarray
    counts: np.ndarray

    @property
    def mean(self) -> float:
        """Mean value; NaN where nothing was counted."""
        total = float(self.counts.sum())
        return float((self.values * self.counts).sum() / total) if total else float("nan")

    @property
    def middles(self) -> np.ndarray:
        """Share of the pixels below each value, half of those at it included (the mid-distribution)."""
        return (np.cumsum(self.counts) - self.counts / 2) / self.counts.sum()


def mixture(histograms: Sequence[Histogram], weights: Sequence[float]) -> Histogram:
    """Mix histograms of equal numbers of pixels: the mean is the weighted mean of theirs.

    Examples
    --------
    >>> parts = [Histogram(np.array([v]), np.array([10])) for v in (100.0, 200.0)]
    >>> mixture(parts, (0.75, 0.25)).mean
    125.0
    """
    return Histogram(
        np.concatenate([part.values for part in histograms]),
        np.concatenate([weight * part.counts for weight, part in zip(weights, histograms, strict=True)]),
    )


def bins_of(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Number of the bin (int32, 0 to 65535) of every value; `low` and `high` are the first and last one's.

    Examples
    --------
    >>> bins_of(np.array([0, 1, 255], np.uint8), 0, 255).tolist()
    [0, 257, 65535]
    """
    if values.dtype.kind == "u" and (low, high) == (0, np.iinfo(values.dtype).max):
        return values.astype(np.int32) * ((BINS - 1) // int(high))
    scaled = np.asarray(values, np.float64) - low
    scaled *= (BINS - 1) / (high - low) if high > low else 0.0
    return np.clip(np.rint(scaled, out=scaled), 0, BINS - 1).astype(np.int32)


def value_of(bins: np.ndarray, low: float, high: float) -> np.ndarray:
    """Value (float64) that a bin stands for, fractions of bins included."""
    return low + bins * ((high - low) / (BINS - 1))


def group(counts: np.ndarray, low: float, high: float, groups: int = GROUPS) -> Histogram:
    """Gather the counts of all bins into at most `groups` equal ones between the first and last used.

    Each group is kept with the mean of its values, so the mean of the whole stays exact.
    """
    used = np.flatnonzero(counts)
    if used.size == 0:
        return Histogram(np.empty(0), np.empty(0, np.int64))
    width = -(-int(used[-1] + 1 - used[0]) // groups)
    number = (used - used[0]) // width
    totals = np.bincount(number, weights=counts[used]).astype(np.int64)
    sums = np.bincount(number, weights=counts[used] * used.astype(np.float64))
    filled = totals > 0
    return Histogram(value_of(sums[filled] / totals[filled], low, high), totals[filled])

"""Exact order statistics of float32 arrays in memory, without sorting them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigstack.kernels.tally import interpolate, median_ranks, quantile_ranks

_SAMPLE = 1 << 14  # values that brackets are guessed from
_MARGIN = 0.01  # share of the sample on either side of a guess: more than its error in all but odd arrays
_SMALL = 1 << 17  # values up to which sorting is as fast


def percentiles(values: np.ndarray, asked: Sequence[float], *, above: float | None = None) -> list[float]:
    """Percentiles of float32 values: ``numpy.percentile`` of them in float64, to the bit; NaN of none.

    A sample tells between which values each lies; what is below is counted and only what is between sorted.

    Parameters
    ----------
    values
        float32 of any shape; no NaN.
    asked
        Percentages from 0 to 100.
    above
        Take only values greater than this.

    Examples
    --------
    >>> percentiles(np.float32([4, 0, 1, 2]), [50, 100], above=0)
    [2.0, 4.0]
    """
    count = values.size if above is None else int(np.count_nonzero(values > above))
    if count == 0:
        return [float("nan")] * len(asked)
    ranks, weights = quantile_ranks(count, [percent / 100 for percent in asked])
    found = _at_ranks(values.ravel(), ranks, count, above)
    return [
        interpolate(low, high, weight)
        for low, high, weight in zip(found[::2], found[1::2], weights, strict=True)
    ]


def median(values: np.ndarray) -> float:
    """Median of float32 values, the mean of the two in the middle in float64.

    Examples
    --------
    >>> median(np.float32([4, 0, 1, 2]))
    1.5
    """
    return sum(_at_ranks(values.ravel(), median_ranks(values.size), values.size, None)) / 2


def _at_ranks(flat: np.ndarray, ranks: Sequence[int], count: int, above: float | None) -> list[float]:
    """Values at ranks, pair by pair, of those greater than `above`, which are `count`."""
    if flat.size <= _SMALL:
        chosen = np.sort(flat if above is None else flat[flat > above])
        return [float(chosen[rank]) for rank in ranks]
    sample = np.sort(flat[:: max(1, flat.size // _SAMPLE)])
    sample = sample if above is None else sample[sample > above]
    found: list[float] = []
    for first, second in zip(ranks[::2], ranks[1::2], strict=True):
        found += _in_bracket(flat, sample, count, (first, second), above)
    return found


def _in_bracket(
    flat: np.ndarray, sample: np.ndarray, count: int, pair: tuple[int, int], above: float | None
) -> list[float]:
    low = _guess(sample, pair[0] / count - _MARGIN, -np.inf if above is None else above)
    high = _guess(sample, pair[1] / count + _MARGIN, np.inf)
    # The lower bound is left out, so that `above` itself can be one.
    below = count - int(np.count_nonzero(flat > low)) if low > -np.inf else 0
    chosen = flat[(flat > low) & (flat <= high)]
    if not below <= pair[0] <= pair[1] < below + chosen.size:
        below, chosen = 0, flat if above is None else flat[flat > above]
    places = [rank - below for rank in pair]
    return np.partition(chosen, places)[places].astype(float).tolist()


def _guess(sample: np.ndarray, share: float, outside: float) -> np.float32:
    place = int(share * len(sample))
    return np.float32(sample[place] if 0 <= place < len(sample) else outside)

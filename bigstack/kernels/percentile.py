"""Exact order statistics of float32 arrays in memory, without sorting them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import Any

import numpy as np

from bigstack.kernels.tally import interpolate, median_ranks, quantile_ranks

_SAMPLE = 1 << 16  # values that brackets are guessed from
_SURE = 4.0  # standard errors of a guess that a bracket leaves on either side
_PIECE = 1 << 17  # values looked at at a time: they stay in the cache
_SMALL = 1 << 17  # values up to which sorting is as fast


Map = Callable[[Callable[[np.ndarray], Any], Iterable[np.ndarray]], Iterable[Any]]
"""What calls a function for each item, such as `map` or that of a pool of threads."""


def percentiles(
    values: np.ndarray, asked: Sequence[float], *, above: float | None = None, run: Map = map
) -> list[float]:
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
    run
        Works on pieces of the values, maybe several at a time.

    Examples
    --------
    >>> percentiles(np.float32([4, 0, 1, 2]), [50, 100], above=0)
    [2.0, 4.0]
    """
    parts = _pieces(values)
    if above is None:
        count = values.size
    else:
        count = sum(run(lambda part: int(np.count_nonzero(part > np.float32(above))), parts))
    if count == 0:
        return [float("nan")] * len(asked)
    ranks, weights = quantile_ranks(count, [percent / 100 for percent in asked])
    found = _at_ranks(values.ravel(), parts, ranks, count, above, run)
    return [
        interpolate(low, high, weight)
        for low, high, weight in zip(found[::2], found[1::2], weights, strict=True)
    ]


def median(values: np.ndarray, *, run: Map = map) -> float:
    """Median of float32 values, the mean of the two in the middle in float64.

    Examples
    --------
    >>> median(np.float32([4, 0, 1, 2]))
    1.5
    """
    ranks = median_ranks(values.size)
    return sum(_at_ranks(values.ravel(), _pieces(values), ranks, values.size, None, run)) / 2


def _pieces(values: np.ndarray) -> list[np.ndarray]:
    flat = values.ravel()
    return [flat[start : start + _PIECE] for start in range(0, flat.size, _PIECE)]


def _at_ranks(
    flat: np.ndarray,
    parts: list[np.ndarray],
    ranks: Sequence[int],
    count: int,
    above: float | None,
    run: Map,
) -> list[float]:
    """Values at ranks, pair by pair, of those greater than `above`, which are `count`."""
    if flat.size <= _SMALL:
        chosen = np.sort(flat if above is None else flat[flat > np.float32(above)])
        return [float(chosen[rank]) for rank in ranks]
    sample = np.sort(flat[:: max(1, flat.size // _SAMPLE)])
    sample = sample if above is None else sample[sample > np.float32(above)]
    found: list[float] = []
    for first, second in zip(ranks[::2], ranks[1::2], strict=True):
        if first == count - 1:
            found += [float(max(run(np.max, parts)))] * 2
        else:
            found += _in_bracket(parts, sample, count, (first, second), above, run)
    return found


def _in_bracket(
    parts: list[np.ndarray],
    sample: np.ndarray,
    count: int,
    pair: tuple[int, int],
    above: float | None,
    run: Map,
) -> list[float]:
    share = pair[0] / count
    margin = _SURE * sqrt(share * (1 - share) / max(1, len(sample))) + 2 / max(1, len(sample))
    low = _guess(sample, share - margin, -np.inf if above is None else above)
    high = _guess(sample, share + margin, np.inf)

    def pick(part: np.ndarray) -> tuple[int, np.ndarray]:
        over = part > low  # the bound is left out, so that `above` itself can be one
        return int(np.count_nonzero(over)), part[over & (part <= high)]

    picked = list(run(pick, parts))
    below = count - sum(number for number, _ in picked)
    chosen = np.concatenate([values for _, values in picked])
    if low == -np.inf:
        below, chosen = 0, np.concatenate([part[part <= high] for part in parts])
    if not below <= pair[0] <= pair[1] < below + chosen.size:
        flat = np.concatenate(parts)
        below, chosen = 0, flat if above is None else flat[flat > np.float32(above)]
    places = [rank - below for rank in pair]
    # NumPy sorts float32 faster than it finds two places of them.
    return np.sort(chosen)[places].astype(float).tolist()


def _guess(sample: np.ndarray, share: float, outside: float) -> np.float32:
    place = int(share * len(sample)) if share >= 0 else -1
    return np.float32(sample[place] if 0 <= place < len(sample) else outside)

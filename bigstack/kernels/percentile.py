"""Exact order statistics of float32 arrays in memory, in one pass and without sorting them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import Any

import numpy as np

from bigstack.kernels.tally import interpolate, median_ranks, quantile_ranks

_SAMPLE = 1 << 14  # values that brackets are guessed from
_SURE = 4.0  # standard errors of a guess that a bracket leaves on either side
_PIECE = 1 << 18  # values looked at at a time; of fewer, threads wait for each other more than caches save
_SMALL = 1 << 17  # values up to which sorting is as fast


Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""What calls a function for each item, such as `map` or that of a pool of threads."""

_Bracket = tuple[float, np.float32, np.float32]
"""A share of the values, and two values that its place in order most likely lies between."""

_Look = tuple[int, list[tuple[int, np.ndarray]]]
"""Values of a piece that count, and for each bracket how many lie above its lower end and which inside."""


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
    return percentiles_of_each([values], asked, above=above, run=run)[0]


def percentiles_of_each(
    arrays: Sequence[np.ndarray], asked: Sequence[float], *, above: float | None = None, run: Map = map
) -> list[list[float]]:
    """`percentiles` of several arrays, all looked at in one go.

    Examples
    --------
    >>> percentiles_of_each([np.float32([1, 2]), np.float32([5])], [100])
    [[2.0], [5.0]]
    """
    shares = [percent / 100 for percent in asked]
    results = []
    for flat, looks, brackets in _look(arrays, shares, above, run):
        count = sum(number for number, _ in looks)
        if count == 0:
            results.append([float("nan")] * len(shares))
            continue
        ranks, weights = quantile_ranks(count, shares)
        found = _at_ranks(flat, looks, brackets, ranks, above)
        results.append([interpolate(*pair, weight) for pair, weight in zip(found, weights, strict=True)])
    return results


def median(values: np.ndarray, *, run: Map = map) -> float:
    """Median of float32 values, the mean of the two in the middle in float64.

    Examples
    --------
    >>> median(np.float32([4, 0, 1, 2]))
    1.5
    """
    ((flat, looks, brackets),) = _look([values], [0.5], None, run)
    ((low, high),) = _at_ranks(flat, looks, brackets, median_ranks(flat.size), None)
    return (low + high) / 2


def _look(
    arrays: Sequence[np.ndarray], shares: Sequence[float], above: float | None, run: Map
) -> list[tuple[np.ndarray, list[_Look], list[_Bracket]]]:
    """Look at each array, piece by piece; shares of small ones have no brackets."""
    flats = [values.ravel() for values in arrays]
    brackets = list(run(lambda flat: _brackets(flat, shares, above) if flat.size > _SMALL else [], flats))
    pieces = [
        (i, flat[start : start + _PIECE])
        for i, flat in enumerate(flats)
        for start in range(0, flat.size, _PIECE)
    ]

    def look(piece: tuple[int, np.ndarray]) -> _Look:
        i, part = piece
        count = part.size if above is None else int(np.count_nonzero(part > np.float32(above)))
        return count, [_inside(part, count, *bracket) for bracket in brackets[i]]

    found: list[list[_Look]] = [[] for _ in flats]
    for (i, _), seen in zip(pieces, run(look, pieces), strict=True):
        found[i].append(seen)
    return list(zip(flats, found, brackets, strict=True))


def _brackets(flat: np.ndarray, shares: Sequence[float], above: float | None) -> list[_Bracket]:
    # An odd step, as images are of even widths: else only some of the columns would be looked at.
    sample = np.sort(flat[:: flat.size // _SAMPLE | 1])
    sample = sample if above is None else sample[sample > np.float32(above)]
    found = []
    for share in shares:
        margin = _SURE * sqrt(share * (1 - share) / max(1, len(sample))) + 2 / max(1, len(sample))
        low = _guess(sample, share - margin, -np.inf if above is None else above)
        found.append((share, low, _guess(sample, share + margin, np.inf)))
    return found


def _guess(sample: np.ndarray, share: float, outside: float) -> np.float32:
    place = int(share * len(sample)) if share >= 0 else -1
    return np.float32(sample[place] if 0 <= place < len(sample) else outside)


def _inside(
    part: np.ndarray, count: int, share: float, low: np.float32, high: np.float32
) -> tuple[int, np.ndarray]:
    """How many of a piece lie above a bracket's lower end, which itself is left out, and which inside."""
    if low == -np.inf:
        return count, part[part <= high]
    # First those beyond the nearer end, as there are fewer of them.
    if share > 0.5:
        over = part[part > low]
        return over.size, over[over <= high]
    under = part[part <= high]
    inside = under[under > low]
    return part.size - under.size + inside.size, inside


def _at_ranks(
    flat: np.ndarray,
    looks: list[_Look],
    brackets: list[_Bracket],
    ranks: Sequence[int],
    above: float | None,
) -> list[tuple[float, float]]:
    """Values at ranks, pair by pair, of those greater than `above`."""
    count = sum(number for number, _ in looks)
    ordered: np.ndarray | None = None
    found = []
    for i, pair in enumerate(zip(ranks[::2], ranks[1::2], strict=True)):
        if brackets:
            below = count - sum(seen[i][0] for _, seen in looks)
            chosen = np.concatenate([seen[i][1] for _, seen in looks])
            if below <= pair[0] <= pair[1] < below + chosen.size:
                # NumPy sorts float32 faster than it finds two places of them.
                chosen.sort()
                found.append((float(chosen[pair[0] - below]), float(chosen[pair[1] - below])))
                continue
        if ordered is None:
            ordered = np.sort(flat if above is None else flat[flat > np.float32(above)])
        found.append((float(ordered[pair[0]]), float(ordered[pair[1]])))
    return found

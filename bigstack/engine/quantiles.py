"""Order statistics: counted values of integers, two rounds of counted halves of float32."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import dask.array as da
import numpy as np

from bigstack.engine.reduction import Picked, reduce_blocks
from bigstack.kernels import tally
from bigstack.kernels.tally import pieces

QUANTILES = 16
"""Float quantiles found in one second pass; a block's state of it is at most twice as many 0.5 MB."""


def quantiles(picked: Picked, asked: list[float] | None, centre: da.Array | None = None) -> da.Array:
    """Quantiles (asked,), or the median (1,) for None, of the pixels or of their distances to `centre`."""
    size = 1 if asked is None else len(asked)
    if not picked.floats:
        return reduce_blocks(picked, count_values, add_counts, _value_quantiles, shape=(size,), asked=asked)
    known = [] if centre is None else [centre]
    plan = reduce_blocks(picked, _high_leaf, _add_high, _plan, dtype=object, known=known, asked=asked)
    found: list[da.Array] = []
    for start in range(0, size, QUANTILES):
        # Group after group, so that the counts of one only are in memory at a time.
        part = slice(start, min(start + QUANTILES, size))
        found.append(
            reduce_blocks(
                picked.again(plan, *found[-1:]),
                _low_leaf,
                add_counts,
                _float_quantiles,
                shape=(part.stop - part.start,),
                known=[plan, *known],
                options={"part": part},
                part=part,
            )
        )
    return found[0] if len(found) == 1 else da.concatenate(found)


class _Plan(NamedTuple):
    """Which pixels each quantile lies between; no weights for the median, no places where it is NaN."""

    places: list[tuple[int, int]]
    """High half and rank in its bucket; lower and upper neighbour of the first quantile, then of the next."""
    weights: list[float] | None

    def neighbours(self, part: slice) -> list[tuple[int, int]]:
        """Places of a part of the quantiles."""
        return self.places[2 * part.start : 2 * part.stop]

    def buckets(self, part: slice) -> list[int]:
        """High halves that a part of the quantiles needs, each once."""
        return sorted({bucket for bucket, _ in self.neighbours(part)})


def _plan(state: tuple[np.ndarray, int], *centre: float, asked: list[float] | None) -> _Plan:
    counts, nans = state
    pixels = int(counts.sum())
    if nans or not pixels:
        return _Plan([], None)
    if asked is None:
        return _Plan(tally.find_buckets(counts, tally.median_ranks(pixels)), None)
    ranks, weights = tally.quantile_ranks(pixels, asked)
    return _Plan(tally.find_buckets(counts, ranks), weights)


def _float_quantiles(counts: np.ndarray, plan: _Plan, *centre: float, part: slice) -> list[float]:
    if not plan.places:
        return [math.nan] * (part.stop - part.start)
    rows = dict(zip(plan.buckets(part), counts, strict=True))
    values = [tally.find_float(rows[bucket], bucket, rank) for bucket, rank in plan.neighbours(part)]
    return _between(values, None if plan.weights is None else plan.weights[part])


def _value_quantiles(counts: np.ndarray, asked: list[float] | None) -> list[float]:
    pixels = int(counts.sum())
    if not pixels:
        return [math.nan] * (1 if asked is None else len(asked))
    if asked is None:
        return _between(tally.find_values(counts, tally.median_ranks(pixels)), None)
    ranks, weights = tally.quantile_ranks(pixels, asked)
    return _between(tally.find_values(counts, ranks), weights)


def _between(values: Sequence[float], weights: list[float] | None) -> list[float]:
    pairs = zip(values[::2], values[1::2], strict=True)
    if weights is None:
        return [(low + high) / 2 + 0.0 for low, high in pairs]
    return [tally.interpolate(low, high, w) + 0.0 for (low, high), w in zip(pairs, weights, strict=True)]


def integer_mad(counts: np.ndarray) -> float:
    """MAD of counted integers."""
    pixels = int(counts.sum())
    if not pixels:
        return math.nan
    # Everything doubled, as the median may lie half-way.
    twice = sum(tally.find_values(counts, tally.median_ranks(pixels)))
    distances = np.zeros(2 * len(counts), np.int64)
    np.add.at(distances, np.abs(2 * np.arange(len(counts)) - twice), counts)
    return sum(tally.find_values(distances, tally.median_ranks(pixels))) / 4


def _high_leaf(
    block: np.ndarray, where: np.ndarray | None, *centre: float, above: float | None
) -> tuple[np.ndarray, int]:
    return tally.count_high(pieces(block, where=where, above=above, centre=centre[0] if centre else None))


def _low_leaf(
    block: np.ndarray, where: np.ndarray | None, plan: _Plan, *centre: float, above: float | None, part: slice
) -> np.ndarray:
    found = pieces(block, where=where, above=above, centre=centre[0] if centre else None)
    return tally.count_low(found, plan.buckets(part))


def count_values(block: np.ndarray, where: np.ndarray | None, above: float | None) -> np.ndarray:
    """Leaf that counts the selected pixels of integers by value."""
    return tally.count_values(pieces(block, where=where, above=above), block.dtype)


def add_counts(states: list[np.ndarray]) -> np.ndarray:
    """Sum of counts, in a new array."""
    found = states[0].copy()
    for state in states[1:]:
        found += state
    return found


def _add_high(states: list[tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
    return add_counts([counts for counts, _ in states]), sum(nans for _, nans in states)

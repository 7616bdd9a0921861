"""What a block of pixels adds to an exact statistic: counts and whole numbers, which merge in any order.

Order statistics of float32 are found by their bit pattern: the high 16 bits of a float order it among the
others (negative ones backwards), and so do the low 16 bits among floats that share the high ones. Sums are
whole multiples of 2**-300, a unit that divides every float32 and every square of one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

PIECE = 1 << 17
"""Pixels worked on at a time: they stay in the caches, and sums of them are exact in float64."""

UNIT = 1 << 300
"""Units of a sum in 1."""

BINS = 1 << 16
_HALVES = 1 << 20  # high halves counted at a time: enough for the bins themselves not to matter
# Bit patterns' high halves from the lowest float to the highest.
_ORDER = np.concatenate([np.arange(BINS - 1, BINS // 2 - 1, -1), np.arange(BINS // 2)])
_HIGH, _LOW = (1, 0) if sys.byteorder == "little" else (0, 1)


def pieces(
    block: np.ndarray,
    *,
    where: np.ndarray | None = None,
    above: float | None = None,
    centre: float | None = None,
) -> Iterator[np.ndarray]:
    """Selected pixels of a block, piece by piece, as contiguous 1-d arrays that the next piece overwrites.

    `where` (as the block, bool) and `above` (greater than) select; with `centre` a pixel becomes its float32
    distance to it.

    Examples
    --------
    >>> [piece.tolist() for piece in pieces(np.float32([[1, -2], [3, 0]]), above=0)]
    [[1.0, 3.0]]
    """
    operands = [block] if where is None else [block, where]
    modes: Any = [["readonly", "contig"] for _ in operands]
    walk: Iterable[Any] = np.nditer(
        operands, ["external_loop", "buffered", "zerosize_ok"], modes, buffersize=PIECE
    )
    for found in walk:
        piece = found if where is None else found[0][found[1]]
        if above is not None:
            chosen = piece > above
            # Most often all are, and copying costs more than looking.
            piece = piece if chosen.all() else piece[chosen]
        if centre is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                piece = np.abs(piece - np.float32(centre))
        if piece.size:
            yield piece


def count_values(parts: Iterable[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """How often each value of uint8 or uint16 occurs: int64 (256,) or (65536,)."""
    bins = 1 << 8 * dtype.itemsize
    counts = np.zeros(bins, np.int64)
    for part in parts:
        counts += np.bincount(part, minlength=bins)
    return counts


def count_high(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, int]:
    """How often each high half of a float32 occurs, int64 (65536,), and how many are NaN."""
    counts = np.zeros(BINS, np.int64)
    halves = np.empty(_HALVES, np.uint16)
    filled = nans = 0
    for part in parts:
        if part.size and np.isnan(part.max()):
            nans += int(np.count_nonzero(np.isnan(part)))
        for start in range(0, part.size, _HALVES):
            found = part[start : start + _HALVES].view(np.uint16)[_HIGH::2]
            if filled + found.size > _HALVES:
                counts += _histogram(halves[:filled])
                filled = 0
            halves[filled : filled + found.size] = found
            filled += found.size
    return counts + _histogram(halves[:filled]), nans


def _histogram(halves: np.ndarray) -> np.ndarray:
    """How often each value occurs, of fewer than 2**24: OpenCV's counts are float32, and 3 times as fast."""
    if not halves.size:
        return np.zeros(BINS, np.int64)
    return cv2.calcHist([halves[None]], [0], None, [BINS], [0, BINS]).ravel().astype(np.int64)


def count_low(parts: Iterable[np.ndarray], buckets: Sequence[int]) -> np.ndarray:
    """How often each low half occurs among float32 with the high half `buckets[i]`: int64 (i, 65536)."""
    counts = np.zeros((len(buckets), BINS), np.int64)
    for part in parts:
        halves = part.view(np.uint16)
        high, low = halves[_HIGH::2], halves[_LOW::2]
        for row, bucket in zip(counts, buckets, strict=True):
            found = low[high == bucket]
            if found.size:
                # Not bincount: a bucket often holds far fewer pixels than there are bins to make and add.
                np.add.at(row, found, 1)
    return counts


def find_values(counts: np.ndarray, ranks: Sequence[int]) -> list[int]:
    """Values of uint8 or uint16 at 0-based `ranks` of the sorted pixels.

    Examples
    --------
    >>> find_values(np.array([2, 0, 3]), [0, 1, 2])
    [0, 0, 2]
    """
    return np.searchsorted(np.cumsum(counts), ranks, side="right").tolist()


def find_buckets(counts: np.ndarray, ranks: Sequence[int]) -> list[tuple[int, int]]:
    """High half of the float32 at each of `ranks`, and its rank among those that share it."""
    sums = np.cumsum(counts[_ORDER])
    places = np.searchsorted(sums, ranks, side="right")
    before = sums[places] - counts[_ORDER][places]
    return list(zip(_ORDER[places].tolist(), (np.asarray(ranks) - before).tolist(), strict=True))


def find_float(counts: np.ndarray, bucket: int, rank: int) -> float:
    """The float32 of that rank in a bucket whose low halves were counted (65536,); -0.0 is given as 0.0."""
    negative = bucket >= BINS // 2
    place = find_values(counts[::-1] if negative else counts, [rank])[0]
    low = BINS - 1 - place if negative else place
    return float(np.uint32(bucket << 16 | low).view(np.float32)) + 0.0


def quantile_ranks(pixels: int, fractions: Sequence[float]) -> tuple[list[int], list[float]]:
    """Ranks of the lower and the upper neighbour of each quantile, and its way from the one to the other.

    Examples
    --------
    >>> quantile_ranks(5, [0.5, 0.875])
    ([2, 3, 3, 4], [0.0, 0.5])
    """
    ranks, weights = [], []
    for fraction in fractions:
        place = (pixels - 1) * fraction
        low = math.floor(place)
        ranks += [low, min(low + 1, pixels - 1)]
        weights.append(place - low)
    return ranks, weights


def median_ranks(pixels: int) -> list[int]:
    """Ranks of the two pixels in the middle, the same one twice where there is one."""
    return [(pixels - 1) // 2, pixels // 2]


def interpolate(low: float, high: float, weight: float) -> float:
    """Between two neighbours in order, `weight` of the way: numpy's linear law, and right at infinities too.

    Examples
    --------
    >>> interpolate(1.0, 2.0, 0.25), interpolate(1.0, np.inf, 0.5)
    (1.25, inf)
    """
    if low == high or weight == 0:
        return low
    if math.isinf(low) or math.isinf(high):
        return low + high  # the infinite one, or NaN between two
    step = high - low
    return high - step * (1 - weight) if weight >= 0.5 else low + step * weight


class Moments(NamedTuple):
    """Sums over pixels; `total` and `squares` of the finite ones, in units of 1/UNIT."""

    pixels: int = 0
    nan: int = 0
    plus_inf: int = 0
    minus_inf: int = 0
    total: int = 0
    squares: int = 0

    def add(self, other: Moments) -> Moments:
        """Moments of both together."""
        return Moments(*(a + b for a, b in zip(self, other, strict=True)))

    def special(self) -> float | None:
        """What NaN and infinities make of the sum, None when there are none."""
        if self.nan or (self.plus_inf and self.minus_inf):
            return math.nan
        if self.plus_inf or self.minus_inf:
            return math.inf if self.plus_inf else -math.inf
        return None


def float_moments(parts: Iterable[np.ndarray], *, squares: bool) -> Moments:
    """Exact moments of float32 pixels."""
    moments = Moments()
    for part in parts:
        values = part.astype(np.float64)
        special = Moments()
        if not math.isfinite(values.min()) or not math.isfinite(values.max()):
            nan, plus, minus = np.isnan(values), np.isposinf(values), np.isneginf(values)
            special = Moments(0, int(nan.sum()), int(plus.sum()), int(minus.sum()))
            values = values[np.isfinite(values)]
        # A float32 has 24 bits, so its square is exact in float64.
        total_of_squares = exact_sum(values * values) if squares else 0
        here = special._replace(pixels=part.size, total=exact_sum(values), squares=total_of_squares)
        moments = moments.add(here)
    return moments


def integer_moments(counts: np.ndarray) -> Moments:
    """Exact moments of pixels that were counted by value."""
    values = np.arange(len(counts))
    square = values * values
    # In two halves: one int64 would overflow at 2**31 bright pixels.
    squares = (int(counts @ (square >> 16)) << 16) + int(counts @ (square & 0xFFFF))
    return Moments(int(counts.sum()), total=int(counts @ values) * UNIT, squares=squares * UNIT)


def exact_sum(values: np.ndarray) -> int:
    """Sum of finite float64 that are multiples of 1/UNIT, in units of 1/UNIT; `values` is overwritten.

    Adding and taking away a large constant cuts each value at the same bit. The high parts then sum without
    rounding in float64, in any order; the low parts are what is left for the next round (Demmel and
    Nguyen, Parallel reproducible summation, 2015, doi:10.1109/TC.2014.2345391).

    Examples
    --------
    >>> exact_sum(np.array([1e16, 1.0, -1e16])) == UNIT
    True
    """
    total = 0
    bits = max(values.size - 1, 0).bit_length()
    while values.size and (largest := max(values.max(), -values.min())) > 0:
        exponent = math.frexp(largest)[1]
        cut = math.ldexp(1.5, exponent + bits - 1)
        high = (values + cut) - cut
        numerator, denominator = float(high.sum()).as_integer_ratio()
        total += numerator * (UNIT // denominator)
        values -= high
    return total

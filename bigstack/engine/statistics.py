"""Exact statistics of lazy arrays of any size, the same to the bit however they are chunked.

All take a dask array of uint8, uint16 or float32 and give lazy results, so that later tasks can depend on
them: float64, which holds every value of these exactly (counts are int64). All share these rules:

- `where` (bool, broadcastable to the array) and `above` (pixels greater than it, ``F[F > above]``) select
  pixels. For float32, `above` is rounded to float32 first, as numpy compares.
- A NaN among the selected pixels makes the result NaN. `count_nan` tells how many there are; NaN is not
  above anything, so `above` leaves it out.
- An empty selection gives NaN (`total`: 0).
- 0.0 and -0.0 are equal, and a result is never -0.0.

A block adds whole numbers to a tree of merges, so order and grouping cannot change a bit, and no task holds
more than a block and a few counts. Order statistics of float32 read the array twice, and its blocks are
computed twice rather than kept in between (see `recompute_after`): persist or store what is costly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np

from bigstack.engine.quantiles import add_counts, count_values, integer_mad, quantiles
from bigstack.engine.reduction import Picked, reduce_blocks
from bigstack.errors import InputError
from bigstack.kernels import tally
from bigstack.kernels.tally import Moments, pieces


def count(array: da.Array, *, above: float | None = None, where: da.Array | None = None) -> da.Array:
    """Number of selected pixels, NaN ones included.

    Examples
    --------
    >>> int(count(da.arange(6, chunks=2).astype("uint8"), above=2))
    3
    """
    return reduce_blocks(Picked(array, where, above), _count_leaf, sum, int, dtype=np.int64)


def count_nan(array: da.Array, *, where: da.Array | None = None) -> da.Array:
    """Number of NaN pixels: what to ask when another statistic is NaN.

    Examples
    --------
    >>> int(count_nan(da.from_array(np.float32([1, np.nan]))))
    1
    """
    return reduce_blocks(Picked(array, where, None), _nan_leaf, sum, int, dtype=np.int64)


def minimum(array: da.Array, *, above: float | None = None, where: da.Array | None = None) -> da.Array:
    """Smallest selected pixel.

    Examples
    --------
    >>> float(minimum(da.arange(6, chunks=2).astype("uint8"), above=2))
    3.0
    """
    return reduce_blocks(Picked(array, where, above), _extremes_leaf, _merge_extremes, _lowest)


def maximum(array: da.Array, *, above: float | None = None, where: da.Array | None = None) -> da.Array:
    """Largest selected pixel.

    Examples
    --------
    >>> float(maximum(da.arange(6, chunks=2).astype("uint8")))
    5.0
    """
    return reduce_blocks(Picked(array, where, above), _extremes_leaf, _merge_extremes, _highest)


def total(array: da.Array, *, above: float | None = None, where: da.Array | None = None) -> da.Array:
    """Sum of the selected pixels, rounded once, as `math.fsum` gives it.

    Examples
    --------
    >>> float(total(da.from_array(np.float32([1e20, 1, -1e20]), chunks=1)))
    1.0
    """
    return _moments(Picked(array, where, above), _total, squares=False)


def mean(array: da.Array, *, above: float | None = None, where: da.Array | None = None) -> da.Array:
    """Mean of the selected pixels: the float64 nearest to the true one.

    Examples
    --------
    >>> float(mean(da.arange(6, chunks=2).astype("uint8")))
    2.5
    """
    return _moments(Picked(array, where, above), _mean, squares=False)


def variance(
    array: da.Array, *, ddof: int = 0, above: float | None = None, where: da.Array | None = None
) -> da.Array:
    """Variance of the selected pixels: the float64 nearest to the true one; NaN for `ddof` pixels or fewer.

    Examples
    --------
    >>> float(variance(da.arange(6, chunks=2).astype("uint8"), ddof=1))
    3.5
    """
    return _moments(Picked(array, where, above), _variance, squares=True, ddof=ddof)


def histogram(
    array: da.Array,
    *,
    bins: int | Sequence[float] | None = None,
    range: tuple[float, float] | None = None,
    above: float | None = None,
    where: da.Array | None = None,
) -> tuple[da.Array, np.ndarray]:
    """Counts of the selected pixels in bins, and the edges of the bins, by the rules of `numpy.histogram`.

    Parameters
    ----------
    array
        Lazy array of uint8, uint16 or float32.
    bins
        Number of bins, or their edges. One bin a value for integers when not given.
    range
        Lowest and highest edge; those of the dtype for integers when not given. Pixels outside count nowhere,
        and neither do NaN.
    above, where
        Select pixels.

    Returns
    -------
    counts
        Lazy int64 (bins,).
    edges
        float64 (bins + 1,).

    Raises
    ------
    InputError
        For float32 without `bins`, or with a number of bins and no `range`.

    Examples
    --------
    >>> counts, edges = histogram(da.arange(6, chunks=4).astype("uint8"), bins=3, range=(0, 6))
    >>> counts.compute().tolist(), edges.tolist()
    ([2, 2, 2], [0.0, 2.0, 4.0, 6.0])
    """
    picked = Picked(array, where, above)
    law, edges = _binning(array.dtype, bins, range)
    shape = (len(edges) - 1,)
    if picked.floats:
        counts = reduce_blocks(
            picked, _bins_leaf, add_counts, np.asarray, dtype=np.int64, shape=shape, options={"law": law}
        )
    else:
        counts = reduce_blocks(
            picked, count_values, add_counts, _bin_values, dtype=np.int64, shape=shape, law=law
        )
    return counts, edges


def percentile(
    array: da.Array,
    q: float | Sequence[float],
    *,
    above: float | None = None,
    where: da.Array | None = None,
) -> da.Array:
    """Percentiles of the selected pixels: ``numpy.percentile`` of them all in float64, to the bit.

    Between two pixels it interpolates linearly, numpy's default. Where infinite pixels make numpy's
    arithmetic NaN, the result is the limit: the infinity, or NaN only between two opposite ones.

    Parameters
    ----------
    array
        Lazy array of uint8, uint16 or float32.
    q
        Percentage from 0 to 100, or several; any number of them costs one pass over integers and two over
        float32, one more for each further 16.
    above, where
        Select pixels.

    Returns
    -------
    dask.array.Array
        0-d for one `q`, else (q,).

    Examples
    --------
    >>> x = da.from_array(np.float32([4, 0, 1, 2]), chunks=3)
    >>> float(percentile(x, 50)), percentile(x, [0, 25, 100], above=0).compute().tolist()
    (1.5, [1.0, 1.5, 4.0])
    """
    asked = np.asarray(q, np.float64)
    if asked.ndim > 1 or not asked.size or not ((asked >= 0) & (asked <= 100)).all():
        raise InputError(f"a percentile is a number from 0 to 100, or a sequence of them; got {q!r}")
    fractions = np.atleast_1d(asked / 100).tolist()
    found = quantiles(Picked(array, where, above), fractions)
    return found if asked.ndim else found[0]


def median(array: da.Array, *, above: float | None = None, where: da.Array | None = None) -> da.Array:
    """Median of the selected pixels: the middle one, or the mean of the two in the middle.

    Examples
    --------
    >>> float(median(da.arange(6, chunks=4).astype("uint8")))
    2.5
    """
    return quantiles(Picked(array, where, above), None)[0]


def mad(array: da.Array, *, above: float | None = None, where: da.Array | None = None) -> da.Array:
    """Median absolute deviation from the median, unscaled: ``np.median(np.abs(x - np.median(x)))``.

    As numpy does it, deviations of float32 pixels are float32: the median rounded to float32, then one
    rounded subtraction a pixel (read four times in all). Those of integers are exact. Two deviations in
    the middle are averaged in float64.

    Examples
    --------
    >>> float(mad(da.from_array(np.float32([1, 1, 2, 2, 4, 6, 9]), chunks=3)))
    1.0
    """
    picked = Picked(array, where, above)
    if not picked.floats:
        return reduce_blocks(picked, count_values, add_counts, integer_mad)
    centre = quantiles(picked, None)[0]
    return quantiles(picked.again(centre), None, centre)[0]


def _moments(picked: Picked, finish: Callable[..., float], *, squares: bool, **finishing: Any) -> da.Array:
    options = {"squares": squares}
    return reduce_blocks(picked, _moments_leaf, _merge_moments, finish, options=options, **finishing)


def _count_leaf(block: np.ndarray, where: np.ndarray | None, above: float | None) -> int:
    return sum(piece.size for piece in pieces(block, where=where, above=above))


def _nan_leaf(block: np.ndarray, where: np.ndarray | None, above: None) -> int:
    return sum(int(np.count_nonzero(piece != piece)) for piece in pieces(block, where=where))


def _extremes_leaf(
    block: np.ndarray, where: np.ndarray | None, above: float | None
) -> list[tuple[float, float]]:
    found = pieces(block, where=where, above=above)
    return _merge_extremes([[(float(piece.min()), float(piece.max())) for piece in found]])


def _merge_extremes(states: list[list[tuple[float, float]]]) -> list[tuple[float, float]]:
    """No pair, or one of lowest and highest; numpy hands NaN on, min and max do not."""
    pairs = [pair for state in states for pair in state]
    return [(float(np.min(pairs)), float(np.max(pairs)))] if pairs else []


def _lowest(pairs: list[tuple[float, float]]) -> float:
    return pairs[0][0] + 0.0 if pairs else math.nan


def _highest(pairs: list[tuple[float, float]]) -> float:
    return pairs[0][1] + 0.0 if pairs else math.nan


def _moments_leaf(block: np.ndarray, where: np.ndarray | None, above: float | None, squares: bool) -> Moments:
    found = pieces(block, where=where, above=above)
    if block.dtype.kind == "f":
        return tally.float_moments(found, squares=squares)
    return tally.integer_moments(tally.count_values(found, block.dtype))


def _merge_moments(states: list[Moments]) -> Moments:
    return functools.reduce(Moments.add, states)


def _total(moments: Moments) -> float:
    return moments.total / tally.UNIT if (special := moments.special()) is None else special


def _mean(moments: Moments) -> float:
    if not moments.pixels:
        return math.nan
    special = moments.special()
    # Python rounds the quotient of two whole numbers correctly, whatever their size.
    return moments.total / (moments.pixels * tally.UNIT) if special is None else special


def _variance(moments: Moments, ddof: int) -> float:
    if moments.special() is not None or moments.pixels <= max(ddof, 0):
        return math.nan
    spread = moments.pixels * moments.squares * tally.UNIT - moments.total**2
    return spread / (moments.pixels * (moments.pixels - ddof) * tally.UNIT**2)


Law = tuple[Any, tuple[float, float] | None]
"""What `numpy.histogram` calls bins and range."""


def _binning(dtype: np.dtype, bins: Any, range: tuple[float, float] | None) -> tuple[Law, np.ndarray]:
    whole = None if dtype.kind == "f" else (0.0, float(np.iinfo(dtype).max) + 1)
    if bins is None:
        if whole is None or range is not None:
            raise InputError(
                "a histogram of float32, or with `range`, needs `bins`: their number or their edges"
            )
        bins = int(whole[1])
    if not np.ndim(bins):
        range = range or whole
        if range is None:
            raise InputError("bins of float32 need `range`, such as the computed minimum and maximum")
    elif range is not None:
        raise InputError("`bins` are edges already; leave out `range`, or give the number of bins")
    else:
        bins = np.asarray(bins, np.float64)
    try:
        return (bins, range), np.histogram_bin_edges(np.empty(0), bins, range)
    except ValueError as error:
        raise InputError(f"no histogram with bins={bins!r} and range={range!r}: {error}") from error


def _bins_leaf(block: np.ndarray, where: np.ndarray | None, above: float | None, law: Law) -> np.ndarray:
    found = pieces(block, where=where, above=above)
    counts = [np.histogram(piece.astype(np.float64), *law)[0] for piece in found]
    return add_counts(counts) if counts else np.histogram(np.empty(0), *law)[0]


def _bin_values(counts: np.ndarray, law: Law) -> np.ndarray:
    return np.histogram(np.arange(len(counts), dtype=np.float64), *law, weights=counts)[0]

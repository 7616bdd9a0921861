"""Which curve brings a histogram to a wanted mean, or to another histogram."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.correction.curves import evaluate
from bigstack.kernels.correction.histogram import Histogram

GAMMA_RANGE = (0.1, 5.0)
KNOTS = 256
_STEPS = 60  # halvings: the answer is exact to the last bits of float64


def solve_linear(histogram: Histogram, target: float, top: float | None) -> float:
    """Return the factor that makes the mean `target` once values above `top` are clipped to it.

    Without clipping (`top` None, or nothing reaches it) this is ``target / mean``; with it the plain ratio
    would leave the frame too dark.

    Examples
    --------
    >>> histogram = Histogram(np.array([100.0, 200.0]), np.array([1, 1]))
    >>> solve_linear(histogram, 180.0, 255.0), round(solve_linear(histogram, 200.0, 255.0), 6)
    (1.2, 1.45)
    """
    mean = histogram.mean
    if not mean > 0:
        raise InputError("it is black: no factor can bring it to the reference")
    factor = target / mean
    if top is None or float(histogram.values.max()) * factor <= top:
        return factor
    positive = histogram.values > 0
    most = top * float(histogram.counts[positive].sum() / histogram.counts.sum())
    if target >= most:
        raise InputError(f"no factor brings its mean {mean:.4g} to {target:.4g} without clipping everything")

    def clipped(trial: float) -> float:
        return Histogram(np.minimum(histogram.values * trial, top), histogram.counts).mean

    high = factor
    while clipped(high) < target:
        high *= 2
    return _bisect(clipped, target, factor, high)


def solve_gamma(histogram: Histogram, target: float, top: float) -> float:
    """Return g in [0.1, 5] for which ``mean(top (v / top) ** (1 / g))`` is `target`.

    Examples
    --------
    >>> histogram = Histogram(np.array([64.0]), np.array([9]))
    >>> round(solve_gamma(histogram, 128.0, 256.0), 6)
    2.0
    """

    def bent(exponent: float) -> float:
        values = evaluate(histogram.values, "gamma", (exponent,), top)
        return Histogram(values, histogram.counts).mean

    low, high = bent(GAMMA_RANGE[0]), bent(GAMMA_RANGE[1])
    if not low <= target <= high:
        raise InputError(
            f"no gamma between {GAMMA_RANGE[0]:g} and {GAMMA_RANGE[1]:g} brings its mean "
            f"{histogram.mean:.4g} to {target:.4g} (they reach {low:.4g} to {high:.4g})"
        )
    return _bisect(bent, target, *GAMMA_RANGE)


def solve_match(histogram: Histogram, reference: Histogram, knots: int = KNOTS) -> tuple[float, ...]:
    """Match two histograms: values of the first and, in the second half, those of equal rank in the other.

    Ranks are mid-ranks and values in between are interpolated, so a histogram matched to itself gives
    exactly itself. At most `knots` pairs are kept, spread over both ranks and values.

    Examples
    --------
    >>> dark = Histogram(np.array([1.0, 2.0]), np.array([3, 3]))
    >>> solve_match(dark, Histogram(np.array([10.0, 30.0]), np.array([5, 5])))
    (1.0, 2.0, 10.0, 30.0)
    """
    keep = _spread(histogram, knots)
    ranks = histogram.middles[keep]
    matched = np.interp(ranks, reference.middles, reference.values)
    return (*histogram.values[keep].tolist(), *matched.tolist())


def typical(histograms: list[Histogram], points: int = 1024) -> Histogram:
    """Return the median of several histograms, rank by rank: a reference that no single frame can spoil."""
    ranks = (np.arange(points) + 0.5) / points
    quantiles = np.median([np.interp(ranks, h.middles, h.values) for h in histograms], axis=0)
    values, counts = np.unique(quantiles, return_counts=True)
    return Histogram(values, counts)


def _spread(histogram: Histogram, knots: int) -> np.ndarray:
    size = histogram.values.size
    if size <= knots:
        return np.arange(size)
    half = knots // 2
    by_value = np.linspace(0, size - 1, half).round().astype(int)
    by_rank = np.searchsorted(histogram.middles, np.linspace(0, 1, knots - half)).clip(0, size - 1)
    return np.union1d(by_value, by_rank)


def _bisect(function: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a rising function is `target`."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < target else (low, middle)
    return (low + high) / 2

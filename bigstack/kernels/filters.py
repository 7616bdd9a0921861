"""Linear filters whose every output bit depends on the pixels alone, never on where the window lies.

A float sum is position independent in two cases only, and these are the two used here: all partial sums
are exact (integer pixels times integer taps, small enough for the type they are summed in), or the order of
the additions is the same for every pixel (element-wise sums of shifted slices).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.smoothing_loops import smooth_across, smooth_columns

TAP_BITS = 16
"""Taps that are not integers by nature are rounded to multiples of ``2**-TAP_BITS``, or fewer bits."""

_BLOCK_PIXELS = 1 << 16  # the slices' temporaries stay in the cache: 3 times faster than whole images
_EXACT = {cv2.CV_32F: 1 << 24, cv2.CV_64F: 1 << 53}


@dataclass(frozen=True, slots=True)
class Filter:
    """A sum of separable filters with integer taps, divided by `divisor`.

    Attributes
    ----------
    terms
        Pairs (taps along y, taps along x), each of odd length and centred.
    divisor
        What the sum is divided by, best a power of two: then the division is exact too.

    Examples
    --------
    >>> laplacian = Filter((((1, -2, 1), (0, 1, 0)), ((0, 1, 0), (1, -2, 1))))
    >>> laplacian.radius, laplacian.noise_gain
    (1, 20.0)
    """

    terms: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    divisor: int = 1

    def __post_init__(self) -> None:
        if any(len(taps) % 2 == 0 for term in self.terms for taps in term):
            raise InputError(f"a filter's taps must be odd in number, got {self.terms}")

    @property
    def radius(self) -> int:
        """Pixels around a pixel that its result depends on."""
        return max(len(taps) // 2 for term in self.terms for taps in term)

    @property
    def magnitude(self) -> int:
        """Upper bound of the undivided result for pixels of magnitude 1."""
        return sum(_absolute(rows) * _absolute(columns) for rows, columns in self.terms)

    @property
    def kernel(self) -> np.ndarray:
        """The filter as one dense float64 array (2 * radius + 1 a side)."""
        size = 2 * self.radius + 1
        return sum(
            (np.outer(_centred(rows, size), _centred(columns, size)) for rows, columns in self.terms),
            np.zeros((size, size)),
        ) / float(self.divisor)

    @property
    def noise_gain(self) -> float:
        """Variance of the result where the input is white noise of variance 1."""
        return float((self.kernel**2).sum())

    def after(self, taps: Sequence[int], divisor: int) -> Filter:
        """Return this filter on an image that `taps` / `divisor` smoothed in y and x before."""
        terms = tuple((_convolve(rows, taps), _convolve(columns, taps)) for rows, columns in self.terms)
        return Filter(terms, self.divisor * divisor**2)


def correlate(image: np.ndarray, linear: Filter) -> np.ndarray:
    """Apply `linear` to an image (y, x) of uint8, uint16, float32 or float64, reflected at its border.

    Returns
    -------
    float32 where that holds the result exactly (uint8 and short filters), float64 otherwise. The border is
    cv2's reflect-101: the edge pixel is not repeated.

    Examples
    --------
    >>> correlate(np.eye(3, dtype=np.uint8), Filter((((1, 2, 1), (1, 2, 1)),), 16))[1, 1]
    np.float32(0.375)
    """
    if image.dtype.kind == "u":
        result = _correlate_integers(image, linear)
    else:
        result = _correlate_floats(image, linear)
    if linear.divisor != 1:
        result *= result.dtype.type(1 / linear.divisor)
    return result


def smoothing_taps(size: int) -> tuple[tuple[int, ...], int]:
    """Return OpenCV's Gaussian of `size` taps (1, 3, 5, 7, 9), which are integers, and their sum."""
    if size not in _SMOOTHING:
        raise InputError(
            f"the Gaussian's size must be one of {', '.join(map(str, _SMOOTHING))}, got {size!r}"
        )
    return _SMOOTHING[size]


def gaussian_taps(sigma: float, truncate: float = 4.0, bits: int = TAP_BITS) -> tuple[tuple[int, ...], int]:
    """Return a Gaussian's taps as integers that sum to exactly ``2**bits``, and that sum."""
    one = 1 << bits
    radius = gaussian_radius(sigma, truncate)
    if radius == 0:
        return (1,), 1
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps = np.rint(weights / weights.sum() * one).astype(np.int64)
    taps[radius] += one - taps.sum()
    return tuple(taps.tolist()), one


def gaussian_radius(sigma: float, truncate: float = 4.0) -> int:
    """Pixels that a Gaussian of `sigma` pixels reaches when it is cut at `truncate` sigmas."""
    if not 0 <= sigma < 1e6:
        raise InputError(f"a Gaussian's sigma must be zero or a positive number of pixels, got {sigma!r}")
    return ceil(truncate * sigma)


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth an image (y, x) by a Gaussian of `sigma` pixels, cut at 4 sigma; 0 leaves it as it is.

    Returns float32. Floats are summed as float32, in the same order for every pixel; integers exactly.
    """
    taps, one = gaussian_taps(sigma)
    if image.dtype != np.float32:
        return correlate(image, Filter(((taps, taps),), one**2)).astype(np.float32, copy=False)
    reach = len(taps) // 2
    weights = np.array(taps, np.float32) / np.float32(one)
    padded = reflect_pad(image, reach)
    rows = np.empty((padded.shape[0], image.shape[1]), np.float32)
    smooth_across(padded, weights[reach:], rows)
    result = np.empty(image.shape, np.float32)
    smooth_columns(rows, weights, reach, result)
    return result


def reflect_pad(image: np.ndarray, before: int, after: int | None = None) -> np.ndarray:
    """Pad an image (y, x) by `before` pixels above and left, `after` (else as many) below and right."""
    after = before if after is None else after
    return cv2.copyMakeBorder(image, before, after, before, after, cv2.BORDER_REFLECT_101)


def box_sum(values: np.ndarray, size: int) -> np.ndarray:
    """Sum float values (y, x) over `size` x `size` pixels; the dtype stays.

    An even window reaches one pixel further up and left than down and right, as cv2's does. Sums are made
    by doubling (2, 4, 8, ... values), log2(size) additions a pixel and axis, in the same order everywhere.

    Examples
    --------
    >>> float(box_sum(np.ones((8, 8), np.float32), 3)[0, 0])
    9.0
    """
    if size < 1:
        raise InputError(f"a window must be at least 1 pixel wide, got {size!r}")
    if size == 1:
        return values.copy()
    before, after = size // 2, (size - 1) // 2
    padded = reflect_pad(values, before, after)
    return _running(_running(padded, size, 0), size, 1)


def box_mean(values: np.ndarray, size: int) -> np.ndarray:
    """Mean of float values (y, x) over `size` x `size` pixels, as `box_sum`."""
    result = box_sum(values, size)
    result *= result.dtype.type(1 / size**2)
    return result


def _running(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Sum `size` consecutive values along an axis, which gets ``size - 1`` shorter."""
    length = values.shape[axis] - size + 1

    def part(array: np.ndarray, start: int, stop: int) -> np.ndarray:
        return array[start:stop] if axis == 0 else array[:, start:stop]

    total: np.ndarray | None = None
    done, width, power = 0, 1, values
    while True:
        if size & width:
            piece = part(power, done, done + length)
            total = piece if total is None else total + piece
            done += width
        if 2 * width > size:
            break
        reach = power.shape[axis] - width
        power = part(power, 0, reach) + part(power, width, reach + width)
        width *= 2
    assert total is not None
    return total


def _correlate_integers(image: np.ndarray, linear: Filter) -> np.ndarray:
    bound = int(np.iinfo(image.dtype).max) * linear.magnitude
    depth = next((depth for depth, limit in _EXACT.items() if bound <= limit), None)
    if depth is None:
        raise InputError(f"filter taps are too large to be summed exactly ({bound} > 2**53)")
    result: np.ndarray | None = None
    for rows, columns in linear.terms:
        part = cv2.sepFilter2D(image, depth, np.array(columns, float), np.array(rows, float))
        result = part if result is None else np.add(result, part, out=result)
    assert result is not None
    return result


def _correlate_floats(image: np.ndarray, linear: Filter) -> np.ndarray:
    radius = linear.radius
    padded = reflect_pad(image, radius)
    result = np.zeros(image.shape, np.float64)
    step = max(1, _BLOCK_PIXELS // padded.shape[1])
    for top in range(0, image.shape[0], step):
        out = result[top : top + step]
        block: np.ndarray = padded[top : top + out.shape[0] + 2 * radius].astype(np.float64)
        for rows, columns in linear.terms:
            down = _weigh(block, rows, 0, radius, out.shape[0])
            out += _weigh(down, columns, 1, radius, out.shape[1])
    return result


def _weigh(values: np.ndarray, taps: Sequence[int], axis: int, radius: int, length: int) -> np.ndarray:
    """Correlate along an axis padded by `radius`, equal taps first added up, then multiplied once."""
    start = radius - len(taps) // 2
    result: np.ndarray | None = None
    for magnitude in sorted({abs(tap) for tap in taps} - {0}):
        group: np.ndarray | None = None
        for offset, tap in enumerate(taps):
            if abs(tap) != magnitude:
                continue
            first = start + offset
            piece = values[first : first + length] if axis == 0 else values[:, first : first + length]
            if group is None:
                group = piece.copy() if tap > 0 else -piece
            elif tap > 0:
                group += piece
            else:
                group -= piece
        assert group is not None
        group *= magnitude
        result = group if result is None else np.add(result, group, out=result)
    if result is None:
        raise InputError("a filter needs at least one tap that is not zero")
    return result


def _absolute(taps: Sequence[int]) -> int:
    return sum(abs(tap) for tap in taps)


def _centred(taps: Sequence[int], size: int) -> np.ndarray:
    return np.pad(np.asarray(taps, float), (size - len(taps)) // 2)


def _convolve(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    return tuple(np.convolve(first, second).astype(int).tolist())


_SMOOTHING: dict[int, tuple[tuple[int, ...], int]] = {
    1: ((1,), 1),
    3: ((1, 2, 1), 4),
    5: ((1, 4, 6, 4, 1), 16),
    7: ((2, 7, 14, 18, 14, 7, 2), 64),
    9: ((4, 13, 30, 51, 60, 51, 30, 13, 4), 256),
}

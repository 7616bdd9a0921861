"""Complex Daubechies wavelets of length 6: orthonormal, symmetric, with modulus and phase.

Lina and Mayrand 1995, "Complex Daubechies wavelets", doi:10.1006/acha.1995.1015. Symmetric filters let the
image go on as its mirror image beyond the border, so that as many coefficients as pixels give it back.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

_SCALE = sqrt(2) / 64
LOW = np.array([-3 + 1j * sqrt(15), 5 + 1j * sqrt(15), 30 - 2j * sqrt(15)]) * _SCALE
"""First half of the low-pass filter, which is symmetric."""

HIGH = np.conj(LOW) * np.array([1, -1, 1])
"""First half of the high-pass filter, which is antisymmetric."""

Bands = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Details of one level, (y, x, ...) complex64 each: across x, across y, across both."""


def wavelet_reach(levels: int) -> int:
    """Pixels around a pixel that coefficients of so many levels, and their neighbours, carry into it.

    Examples
    --------
    >>> wavelet_reach(5)
    256
    """
    return 8 << levels


def analyse(image: np.ndarray) -> tuple[np.ndarray, Bands]:
    """Split an image (y, x, ...), real or complex, of even sides, into its low-pass and its details.

    Examples
    --------
    >>> low, bands = analyse(np.ones((8, 8), np.float32))
    >>> abs(low[0, 0]).round(3), abs(bands[2]).max() < 1e-6
    (np.float32(2.0), np.True_)
    """
    low, high = _halve(image)
    low_low, low_high = _halve(low.swapaxes(0, 1))
    high_low, high_high = _halve(high.swapaxes(0, 1))
    # A transposed copy: the next level goes along rows again.
    turned = [part.swapaxes(0, 1) for part in (low_low, low_high, high_low, high_high)]
    return turned[0], (turned[1], turned[2], turned[3])


def synthesise(low: np.ndarray, bands: Bands) -> np.ndarray:
    """Undo `analyse`: complex, its real part the image where the coefficients are those of one."""
    upper = _double(low.swapaxes(0, 1), bands[0].swapaxes(0, 1)).swapaxes(0, 1)
    lower = _double(bands[1].swapaxes(0, 1), bands[2].swapaxes(0, 1)).swapaxes(0, 1)
    return _double(upper, lower)


def padded_even(image: np.ndarray, factor: int) -> np.ndarray:
    """Image with mirrored rows and columns at its end, so that `factor` divides its sides."""
    sides = [(0, -side % factor) for side in image.shape[:2]]
    if not any(after for _, after in sides):
        return image
    return np.pad(image, sides + [(0, 0)] * (image.ndim - 2), mode="symmetric")


def touched(bad: np.ndarray) -> np.ndarray:
    """Where coefficients of the next level depend on a pixel that is `bad` (y, x) bool, of even sides."""
    for _ in range(2):
        rows = np.pad(bad, ((2, 2), (0, 0)), mode="symmetric" if len(bad) > 1 else "edge")
        size = len(bad) // 2
        found = np.zeros((size, bad.shape[1]), bool)
        for tap in range(6):
            found |= rows[tap : tap + 2 * size : 2]
        bad = found.T
    return bad


def _halve(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low- and high-pass along the first axis, every second row of each."""
    size = len(image) // 2
    rows = np.concatenate([image[1::-1], image, image[: -3 if size > 1 else None : -1]])
    even, odd = np.ascontiguousarray(rows[0::2]), np.ascontiguousarray(rows[1::2])
    # Row n of the result sees rows 2n - 2 to 2n + 3, here even[n] to odd[n + 2]; pairs are symmetric.
    pairs = [(even[:size], odd[2 : size + 2]), (odd[:size], even[2 : size + 2])]
    pairs.append((even[1 : size + 1], odd[1 : size + 1]))
    sums, differences = [a + b for a, b in pairs], [a - b for a, b in pairs]
    return _weigh(sums, np.conj(LOW)), _weigh(differences, np.conj(HIGH))


def _double(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Rows of the image from both halves along the first axis."""
    size = len(low)
    low = np.concatenate([low[:1], low, low[-1:]])
    high = np.concatenate([-high[:1], high, -high[-1:]])
    out = np.empty((2 * size, *low.shape[1:]), np.complex64)
    # Even row 2n is tap 2 of coefficient n, tap 0 of the next, tap 4 (that is 1) of the one before.
    places = (slice(2, size + 2), slice(0, size), slice(1, size + 1))
    out[0::2] = _weigh([low[p] for p in places], LOW[[0, 1, 2]])
    out[0::2] += _weigh([high[p] for p in places], HIGH[[0, 1, 2]] * (1, -1, 1))
    places = (slice(0, size), slice(2, size + 2), slice(1, size + 1))
    out[1::2] = _weigh([low[p] for p in places], LOW[[0, 1, 2]])
    out[1::2] += _weigh([high[p] for p in places], HIGH[[0, 1, 2]] * (-1, 1, -1))
    return out


def _weigh(parts: list[np.ndarray], taps: np.ndarray) -> np.ndarray:
    """Sum of three arrays times complex taps, complex64."""
    if parts[0].dtype.kind == "c":
        total = parts[0] * np.complex64(taps[0])
        total += parts[1] * np.complex64(taps[1])
        total += parts[2] * np.complex64(taps[2])
        return total
    out = np.empty(parts[0].shape, np.complex64)
    for target, numbers in ((out.real, taps.real), (out.imag, taps.imag)):
        np.multiply(parts[0], np.float32(numbers[0]), out=target)
        target += parts[1] * np.float32(numbers[1])
        target += parts[2] * np.float32(numbers[2])
    return out

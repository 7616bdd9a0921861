"""Non-local means for 8 bit, 16 bit and float, grey and colour, with the same bits however tiled.

Buades, Coll and Morel 2011, doi:10.5201/ipol.2011.bcm_nlm: a pixel becomes the mean of those in the search
window, each weighted by ``exp(-max(d - 2, 0) / h^2)``, d the mean over patch and channels of the squared
difference in units of the noise (2 where patches differ by noise alone).

OpenCV's version takes 16 bit only with another norm and floats not at all, and does not subtract the noise's
own 2: on 16 rendered images (benchmarks/corrections.py) its result at its best strength, patches of 7 and a
search of 21, was between 0.4 dB better and 2.1 dB worse than this one as it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.correction.balance import restore

BEST = 0.7
"""h at strength 1: more helps where noise is weak, less where it is strong."""

_STEPS = 8.0  # distances are between values rounded to 1/8 of the noise: their sums are exact integers
_FAR = 4096.0  # steps that differences are cut at: 512 times the noise, where weights are 0 long since
_ROWS, _COLUMNS = 96, 384  # a block's buffers stay in the cache


def denoise_halo(search: int, template: int) -> int:
    """Pixels around a pixel that its result depends on.

    Examples
    --------
    >>> denoise_halo(13, 5)
    8
    """
    return search // 2 + template // 2


def denoise(
    pixels: np.ndarray,
    noise: tuple[float, ...],
    *,
    strength: float = 1.0,
    search: int = 13,
    template: int = 5,
) -> np.ndarray:
    """Average each pixel (y, x, channel) with those whose surroundings look alike; dtype is kept.

    Reflected at the border. Channels without noise (0) come back as they are, and so do pixels that are not
    finite, which are left out of the means of others.

    Parameters
    ----------
    noise
        Standard deviation of each channel's noise, in the unit of the pixels.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(100, 9, (64, 64, 1)).astype(np.float32)
    >>> bool(denoise(noisy, (9.0,)).std() < 2)
    True
    """
    noisy = [channel for channel, sigma in enumerate(noise) if sigma > 0]
    if not noisy or strength == 0 or search == 1:
        return pixels.copy()
    out = pixels.copy()
    reach = denoise_halo(search, template)
    edges = (reach, reach, reach, reach)
    planes = [
        cv2.copyMakeBorder(np.ascontiguousarray(pixels[..., c]), *edges, cv2.BORDER_REFLECT_101)
        for c in noisy
    ]
    sigmas = [noise[c] for c in noisy]
    for rows, columns in _blocks(pixels.shape[0], pixels.shape[1]):
        window = (
            slice(rows.start, rows.stop + 2 * reach),
            slice(columns.start, columns.stop + 2 * reach),
        )
        block = [plane[window].astype(np.float32) for plane in planes]
        means = _denoise_block(block, sigmas, strength * BEST, search // 2, template // 2)
        for channel, mean in zip(noisy, means, strict=True):
            out[rows, columns, channel] = restore(mean, pixels.dtype)
    if pixels.dtype.kind == "f":
        np.copyto(out, pixels, where=~np.isfinite(pixels).all(axis=2, keepdims=True))
    return out


def _blocks(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for y in range(0, height, _ROWS):
        for x in range(0, width, _COLUMNS):
            yield slice(y, min(y + _ROWS, height)), slice(x, min(x + _COLUMNS, width))


def _denoise_block(
    planes: list[np.ndarray], sigmas: list[float], h: float, search: int, template: int
) -> list[np.ndarray]:
    """Means of the planes inside their border of ``search + template`` pixels."""
    border = search + template
    height, width = planes[0].shape[0] - 2 * border, planes[0].shape[1] - 2 * border
    finite = np.logical_and.reduce([np.isfinite(plane) for plane in planes])
    known = None if finite.all() else finite.astype(np.float32)
    if known is not None:
        planes = [np.where(finite, plane, np.float32(0)) for plane in planes]
    rounded = [
        np.rint(plane * np.float32(_STEPS / sigma)) for plane, sigma in zip(planes, sigmas, strict=True)
    ]
    far = any(float(np.ptp(plane)) > _FAR for plane in rounded)
    inner = (slice(border, border + height), slice(border, border + width))
    # The pixel itself and its likes count alike: weight 1.
    sums = [plane[inner].copy() for plane in planes]
    weights = np.ones((height, width), np.float32)
    term = np.empty((height, width), np.float32)
    for dy, dx in _half_window(search):
        both = _likeness(rounded, dy, dx, (height, width), border, template, h, far)
        # The likeness of p and p + d is that of p + d and p: one image of it serves both directions.
        for sign in (1, -1):
            like = _seen_from(both, dy, dx, sign, height, width)
            y, x = border + sign * dy, border + sign * dx
            if known is not None:
                like = like * known[y : y + height, x : x + width]
            weights += like
            for total, plane in zip(sums, planes, strict=True):
                np.multiply(like, plane[y : y + height, x : x + width], out=term)
                total += term
    for total in sums:
        total /= weights
    return sums


def _half_window(search: int) -> Iterator[tuple[int, int]]:
    """Displacements, one of each opposite pair."""
    for dy in range(search + 1):
        for dx in range(-search, search + 1):
            if (dy, dx) > (0, 0):
                yield dy, dx


def _likeness(
    rounded: list[np.ndarray],
    dy: int,
    dx: int,
    shape: tuple[int, int],
    border: int,
    template: int,
    h: float,
    far: bool,
) -> np.ndarray:
    """Weight of each pixel p and p + (dy, dx), for p from (-dy, min(0, -dx)) to the block's far edge."""
    height, width = shape
    top, left = border - dy - template, border - max(dx, 0) - template
    rows, columns = height + dy + 2 * template, width + abs(dx) + 2 * template
    distance: Any = None
    for n, plane in enumerate(rounded):
        difference = cv2.subtract(
            plane[top : top + rows, left : left + columns],
            plane[top + dy : top + dy + rows, left + dx : left + dx + columns],
        )
        if far:
            np.clip(difference, -_FAR, _FAR, out=difference)
        cv2.multiply(difference, difference, dst=difference)
        distance = cv2.add(distance, difference, dst=distance) if n else difference
    side = 2 * template + 1
    # The box filter's running sums are float64 of integers, so they are exact wherever the block begins.
    summed = cv2.boxFilter(distance, -1, (side, side), normalize=False)
    like = summed[template : template + height + dy, template : template + width + abs(dx)]
    count = side * side * len(rounded) * _STEPS**2
    like = like * np.float32(-1 / (count * h * h))
    like += np.float32(2 / (h * h))
    np.minimum(like, 0, out=like)
    return np.exp(like, out=like)


def _seen_from(both: np.ndarray, dy: int, dx: int, sign: int, height: int, width: int) -> np.ndarray:
    """The part of `_likeness` between the block's pixels and those `sign` times (dy, dx) away."""
    y = dy if sign > 0 else 0
    x = max(dx, 0) if sign > 0 else max(-dx, 0)
    return both[y : y + height, x : x + width]

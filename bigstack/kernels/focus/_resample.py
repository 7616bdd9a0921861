"""Reduce an image by whole factors and enlarge it again, on the grid of the whole image's pixels."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError


def check_factor(factor: int) -> int:
    """Return a factor that is a whole number of at least 1, else raise `InputError`."""
    if not isinstance(factor, int | np.integer) or factor < 1:
        raise InputError(f"downsample must be a whole number, 1 for none, got {factor!r}")
    return int(factor)


def area_reduce(image: np.ndarray, factor: int) -> np.ndarray:
    """Mean of each `factor` x `factor` block; smaller blocks at the lower and right border keep their mean.

    The dtype stays: integers are rounded, halves upwards, as OpenCV's area interpolation does.
    """
    if factor == 1:
        return image
    height, width = image.shape
    total = np.zeros((-(-height // factor), -(-width // factor)), np.float64)
    for y in range(factor):
        for x in range(factor):
            part = image[y::factor, x::factor]
            total[: part.shape[0], : part.shape[1]] += part
    total /= np.outer(_block_sizes(height, factor), _block_sizes(width, factor))
    if image.dtype.kind == "u":
        np.floor(total + 0.5, out=total)
    return total.astype(image.dtype)


def linear_enlarge(image: np.ndarray, factor: int, shape: tuple[int, int]) -> np.ndarray:
    """Interpolate linearly between block centres, `factor` times larger, cut to `shape`; float32."""
    if factor == 1:
        return image
    for axis in (0, 1):
        image = _enlarge_axis(image, factor, axis, shape[axis])
    return image


def _enlarge_axis(image: np.ndarray, factor: int, axis: int, length: int) -> np.ndarray:
    image = np.moveaxis(image, axis, 0)
    out = np.empty((length, image.shape[1]), np.float32)
    before = np.concatenate([image[:1], image[:-1]])
    after = np.concatenate([image[1:], image[-1:]])
    for phase in range(factor):
        rows = out[phase::factor]
        offset = (phase + 0.5) / factor - 0.5
        other = before if offset < 0 else after
        near = image[: len(rows)] * np.float32(1 - abs(offset))
        rows[...] = near + other[: len(rows)] * np.float32(abs(offset))
    return np.moveaxis(out, 0, axis)


def _block_sizes(length: int, factor: int) -> np.ndarray:
    sizes = np.full(-(-length // factor), float(factor))
    sizes[-1] = length - (len(sizes) - 1) * factor
    return sizes

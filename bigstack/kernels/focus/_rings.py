"""Sums over disks, all radii at once, exact or in a fixed order: what ring difference filters are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isqrt

import cv2
import numpy as np

from bigstack.errors import InputError, choose

BORDERS = {
    "reflect": cv2.BORDER_REFLECT_101,
    "replicate": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
}
"""Border rules by name; ``constant`` means that pixels outside the image do not count."""

_BLOCK_BYTES = 1 << 19  # a block and its sums stay in the cache; smaller ones make threads wait


@lru_cache(maxsize=64)
def disk_size(radius: int) -> int:
    """Pixels of the disk ``x² + y² <= radius²``."""
    return sum(2 * half_width(radius, dy) + 1 for dy in range(-radius, radius + 1))


def half_width(radius: int, dy: int) -> int:
    """How far the disk's row at `dy` reaches left and right."""
    return isqrt(radius * radius - dy * dy)


def check_radii(inner: int, outer: int) -> None:
    """Raise `InputError` unless they are whole numbers with ``0 <= inner < outer``."""
    whole = all(isinstance(radius, int | np.integer) for radius in (inner, outer))
    if not whole or not 0 <= inner < outer:
        raise InputError(
            f"radii are two whole numbers of pixels, inner < outer, inner at least 0; got ({inner}, {outer})"
        )


def ring_differences(
    image: np.ndarray,
    radii: Sequence[tuple[int, int]],
    border: str,
    *,
    rows: slice | None = None,
    out: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Mean over the ring ``inner² < x² + y² <= outer²`` minus mean over the disk inside, for each pair.

    Sums and counts follow the same border rule, so a constant image gives exactly 0 everywhere. Only of some
    `rows` when given; `out` are float32 arrays of the result's shape to write to.
    """
    choose(border, BORDERS, "border")
    for pair in radii:
        check_radii(*pair)
    first, last = (0, image.shape[0]) if rows is None else (rows.start, rows.stop)
    reach = max(outer for _, outer in radii)
    kind = _sum_type(image.dtype, disk_size(reach))
    results = [np.empty((last - first, image.shape[1]), np.float32) for _ in radii] if out is None else [*out]
    wanted = sorted({radius for pair in radii for radius in pair})
    step = max(1, _BLOCK_BYTES // kind.itemsize // (image.shape[1] + 2 * reach))
    for top in range(first, last, step):
        part = slice(top, min(top + step, last))
        sums = _disk_sums(_padded(image, part, reach, BORDERS[border]).astype(kind), wanted, reach)
        for result, (inner, outer) in zip(results, radii, strict=True):
            values = result[part.start - first : part.stop - first]
            _difference(sums[inner], sums[outer], inner, outer, image.dtype, out=values)
            if border == "constant":
                _correct_edges(values, sums[inner], sums[outer], inner, outer, top, image.shape)
    return results


def _padded(image: np.ndarray, rows: slice, reach: int, border: int) -> np.ndarray:
    """Some rows of an image with `reach` pixels around them, made up where the image ends."""
    low, high = max(0, rows.start - reach), min(image.shape[0], rows.stop + reach)
    above, below = reach - (rows.start - low), reach - (high - rows.stop)
    return cv2.copyMakeBorder(image[low:high], above, below, reach, reach, border, value=0)


def ring_sums(image: np.ndarray, inner: int, outer: int) -> np.ndarray:
    """Sum over the ring ``inner² < x² + y² <= outer²``, the image reflected at its border."""
    kind = _sum_type(image.dtype, disk_size(outer))
    padded = cv2.copyMakeBorder(image, outer, outer, outer, outer, BORDERS["reflect"]).astype(kind)
    sums = _disk_sums(padded, (inner, outer), outer)
    return sums[outer] - sums[inner]


def _sum_type(dtype: np.dtype, pixels: int) -> np.dtype:
    """Return the fastest type that holds a sum over so many pixels exactly."""
    if dtype.kind != "u":
        return np.dtype(np.float64)
    most = int(np.iinfo(dtype).max) * pixels
    return np.dtype(np.uint16 if most < 1 << 16 else np.uint32 if most < 1 << 32 else np.float64)


def _disk_sums(block: np.ndarray, radii: Sequence[int], reach: int) -> dict[int, np.ndarray]:
    """Sum over disks; `block` has `reach` pixels more on every side than the sums.

    A disk is a stack of rows; rows of half-width `w` come from those of ``w - 1`` by two additions. The flat
    block is shifted, which is faster than its rows: what wraps around lands in columns that are left out.
    """
    height, pitch = block.shape[0] - 2 * reach, block.shape[1]
    flat = np.ascontiguousarray(block).ravel()
    row = flat.copy()
    inside = row[reach : flat.size - reach]
    sums: dict[int, np.ndarray] = {}
    for reached in range(max(radii) + 1):
        if reached:
            inside += flat[reach - reached : flat.size - reach - reached]
            inside += flat[reach + reached : flat.size - reach + reached]
        for radius in radii:
            for dy in _rows_of_width(radius, reached):
                part = row[(reach + dy) * pitch :][: height * pitch]
                if radius in sums:
                    sums[radius] += part
                else:
                    sums[radius] = part.copy()
    return {radius: total.reshape(height, pitch)[:, reach : pitch - reach] for radius, total in sums.items()}


@lru_cache(maxsize=1024)
def _rows_of_width(radius: int, width: int) -> tuple[int, ...]:
    return tuple(dy for dy in range(-radius, radius + 1) if half_width(radius, dy) == width)


def _difference(
    disk: np.ndarray, both: np.ndarray, inner: int, outer: int, dtype: np.dtype, *, out: np.ndarray
) -> None:
    """Mean of the ring (`both` without `disk`) minus that of the disk, over one common denominator."""
    small, large = disk_size(inner), disk_size(outer)
    exact = dtype.kind == "u" and int(np.iinfo(dtype).max) * small * large < 1 << 24
    if exact and disk.dtype == np.uint16:
        # Whole numbers below 2**24, so that OpenCV's one pass over them is exact too.
        cv2.addWeighted(both, small, disk, -large, 0, dst=out, dtype=cv2.CV_32F)
        out *= np.float32(1 / (small * (large - small)))
        return
    kind = np.float32 if exact else np.float64
    scaled: np.ndarray = both.astype(kind)
    scaled *= kind(small)
    less: np.ndarray = disk.astype(kind)
    less *= kind(large)
    scaled -= less
    np.multiply(scaled, kind(1 / (small * (large - small))), out=out, casting="same_kind")


def _correct_edges(
    result: np.ndarray,
    disk: np.ndarray,
    both: np.ndarray,
    inner: int,
    outer: int,
    top: int,
    shape: tuple[int, ...],
) -> None:
    """Divide by the pixels that are inside the image, near its border; `result` are rows of it from `top`."""
    height, width = shape
    small, large = (_count_table(radius, outer, shape) for radius in (inner, outer))
    rows = _places(np.arange(top, top + len(result)), outer, height)
    columns = _places(np.arange(width), outer, width)
    left, right = min(outer, width), max(min(outer, width), width - outer)
    upper = max(0, min(outer - top, len(result)))
    lower = max(upper, min(height - outer - top, len(result)))
    everywhere = slice(0, width)
    for y, x in (
        (slice(0, upper), everywhere),
        (slice(lower, len(result)), everywhere),
        (slice(upper, lower), slice(0, left)),
        (slice(upper, lower), slice(right, width)),
    ):
        if y.start >= y.stop or x.start >= x.stop:
            continue
        at = np.ix_(rows[y], columns[x])
        ring = large[at] - small[at]
        scaled = both[y, x] * small[at] - disk[y, x] * large[at]
        result[y, x] = np.where(ring > 0, scaled / np.maximum(small[at] * ring, 1), 0)


def _places(positions: np.ndarray, reach: int, length: int) -> np.ndarray:
    """Where positions lie in a table of `_count_table`: all that are far from both borders are alike."""
    if length <= 2 * reach + 1:
        return positions
    return np.minimum(positions, reach) + np.maximum(positions - (length - 1 - reach), 0)


def _count_table(radius: int, reach: int, shape: tuple[int, ...]) -> np.ndarray:
    """Count a disk's pixels inside the image, float64, for every distance from its borders."""
    height, width = (min(length, 2 * reach + 1) for length in shape)
    rows, columns = np.arange(height), np.arange(width)
    total = np.zeros((height, width))
    for dy in range(-radius, radius + 1):
        half = half_width(radius, dy)
        across = np.minimum(columns + half, width - 1) - np.maximum(columns - half, 0) + 1
        total += ((rows + dy >= 0) & (rows + dy < height))[:, None] * across[None, :].astype(float)
    return total

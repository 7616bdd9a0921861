"""Burt-Adelson REDUCE and EXPAND whose bits do not depend on where the window lies.

Integers (uint16) go through OpenCV, whose integer kernels are exact. Floats go through NumPy, one
element-wise operation after the other in a fixed order: OpenCV's float kernels give other last bits in
the tail of a row, which tiles would show.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from bigstack.errors import InputError

BINOMIAL = 0.375
"""Burt and Adelson's `a` of the kernel [1 4 6 4 1]/16, the one OpenCV has."""


def level_shapes(shape: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """Heights and widths of levels 0 to `levels` of an image of `shape`.

    Examples
    --------
    >>> level_shapes((5, 8), 2)
    [(5, 8), (3, 4), (2, 2)]
    """
    shapes = [shape]
    for _ in range(levels):
        shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
    return shapes


def reduce(image: np.ndarray, *, a: float = BINOMIAL, out: np.ndarray | None = None) -> np.ndarray:
    """Smooth by the generating kernel and keep every second pixel: (y, x[, c]) to half of each, rounded up.

    The image's border is mirrored about its outermost pixels. uint16 is rounded half up and takes the
    binomial kernel only, other `a` raise `InputError`.
    Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851.
    """
    if _whole(image, a):
        return cv2.pyrDown(image, dst=out)
    return _reduce_rows(_reduce_rows(image, a).swapaxes(0, 1), a).swapaxes(0, 1)


def expand(
    image: np.ndarray, shape: tuple[int, int], *, a: float = BINOMIAL, out: np.ndarray | None = None
) -> np.ndarray:
    """Undo the sampling of `reduce`: (y, x[, c]) to `shape`, smooth in between.

    Odd sides are made one pixel longer, expanded and cut: OpenCV's rule, and that of the focusstack project.
    float32 with the binomial kernel gives, once rounded half up, what uint16 gives, as long as it
    holds whole numbers below 2**17: a sum of 64 of them is exact.
    """
    if _whole(image, a):
        return cv2.pyrUp(image, dst=out, dstsize=shape[::-1])
    rows = _expand_rows(image, shape[0], a)
    return _expand_rows(rows.swapaxes(0, 1), shape[1], a).swapaxes(0, 1)


def expand_whole(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """`expand` of whole numbers held in float32, rounded half up: equal to that of uint16, signs allowed."""
    up = cv2.pyrUp(image, dstsize=shape[::-1])
    np.add(up, np.float32(0.5), out=up)
    return np.floor(up, out=up)


def _whole(image: np.ndarray, a: float) -> bool:
    if image.dtype != np.uint16:
        return False
    if a != BINOMIAL:
        raise InputError(f"uint16 takes the binomial kernel, a = {BINOMIAL}, got {a}; convert to float64")
    return True


def _taps(a: float, dtype: np.dtype) -> tuple[Any, Any, Any]:
    kind = dtype.type
    return kind(a), kind(0.25), kind(0.25 - a / 2)


def _reduce_rows(image: np.ndarray, a: float) -> np.ndarray:
    middle, near, far = _taps(a, image.dtype)
    size = (image.shape[0] + 1) // 2
    pad = ((2, 3), *((0, 0),) * (image.ndim - 1))
    rows = np.pad(image, pad, mode="reflect" if image.shape[0] > 1 else "edge")
    total = rows[2 : 2 + 2 * size : 2] * middle
    total += (rows[1 : 1 + 2 * size : 2] + rows[3 : 3 + 2 * size : 2]) * near
    total += (rows[0 : 2 * size : 2] + rows[4 : 4 + 2 * size : 2]) * far
    return total


def _expand_rows(image: np.ndarray, size: int, a: float) -> np.ndarray:
    middle, near, far = (2 * tap for tap in _taps(a, image.dtype))
    before = image[1:2] if len(image) > 1 else image[:1]
    # Twice as many rows, mirrored about the last, which holds no sample; an odd `size` drops it after.
    rows = np.concatenate([before, image, image[-1:]])
    out = np.empty((size, *image.shape[1:]), image.dtype)
    even = rows[1:-1] * middle
    even += (rows[:-2] + rows[2:]) * far
    out[0::2] = even[: (size + 1) // 2]
    out[1::2] = ((rows[1:-1] + rows[2:]) * near)[: size // 2]
    return out

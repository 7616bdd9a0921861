"""EXIF orientation: how stored pixels have to be turned, as windows and as arrays."""

from __future__ import annotations

import numpy as np

# Orientation -> (transpose first, then flip y, then flip x).
_TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def turned_shape(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Height and width as seen, of pixels stored as `height` x `width`."""
    return (width, height) if _TURNS[orientation][0] else (height, width)


def stored_window(y: slice, x: slice, orientation: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Where the region (y, x) of the turned image, of `shape`, lies in the stored one."""
    transpose, flip_y, flip_x = _TURNS[orientation]
    if flip_y:
        y = slice(shape[0] - y.stop, shape[0] - y.start)
    if flip_x:
        x = slice(shape[1] - x.stop, shape[1] - x.start)
    return (x, y) if transpose else (y, x)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels (y, x, channel) as a view.

    Examples
    --------
    >>> turned(np.array([[[1], [2]]]), 6)[..., 0].tolist()
    [[1], [2]]
    """
    transpose, flip_y, flip_x = _TURNS[orientation]
    if transpose:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def turned_copy(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels (y, x, channel) into contiguous ones; the array itself when upright."""
    if orientation == 1:
        return pixels
    if pixels.shape[2] > 4:
        return np.ascontiguousarray(turned(pixels, orientation))
    import cv2

    # Four times as fast as NumPy's copy of a transposed view.
    transpose, flip_y, flip_x = _TURNS[orientation]
    result = cv2.transpose(pixels) if transpose else pixels
    if flip_y or flip_x:
        result = cv2.flip(result, -1 if flip_y and flip_x else 0 if flip_y else 1)
    return np.asarray(result).reshape(*turned_shape(pixels.shape[0], pixels.shape[1], orientation), -1)

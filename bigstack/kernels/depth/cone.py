"""Where nearer objects' defocus reaches: a cone about every surface, narrow at it, wider frame by frame."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.jit import compiled

BLUR = 1.2
"""Growth of the blur's radius from frame to frame, pixels, where it is not told."""


def clean_until(depth: np.ndarray, blur: float = BLUR) -> np.ndarray:
    """Return the last frame (y, x) in which the pixel is free of nearer objects' defocus.

    The least of ``depth + distance / blur`` over all pixels, by two sweeps of a chamfer distance.
    """
    near = np.array(depth, np.float32, order="C")
    step, diagonal = np.float32(1 / blur), np.float32(2**0.5 / blur)
    _sweep(near, step, diagonal, False)
    _sweep(near, step, diagonal, True)
    return near


def clean_within(depth: np.ndarray, blur: float, reach: int) -> np.ndarray:
    """Return `clean_until` of surfaces within `reach` pixels only, the same bits in any window so padded."""
    near = depth.astype(np.float32)
    step = np.float32(1 / blur)
    diagonal = np.float32(np.sqrt(2)) * step
    for _ in range(reach):
        wide = cv2.copyMakeBorder(near, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        _spread(wide, step, diagonal, near)
    return near


@compiled
def _spread(wide: np.ndarray, step: np.float32, diagonal: np.float32, out: np.ndarray) -> None:
    height, width = out.shape
    for y in range(height):
        above, row, below = wide[y], wide[y + 1], wide[y + 2]
        for x in range(width):
            beside = min(min(above[x + 1], below[x + 1]), min(row[x], row[x + 2])) + step
            corner = min(min(above[x], above[x + 2]), min(below[x], below[x + 2])) + diagonal
            out[y, x] = min(row[x + 1], min(beside, corner))


@compiled
def _sweep(near: np.ndarray, step: np.float32, diagonal: np.float32, up: bool) -> None:
    height, width = near.shape
    for i in range(height):
        row = near[height - 1 - i if up else i]
        if i:
            above = near[height - i if up else i - 1]
            for x in range(width):
                row[x] = min(row[x], above[x] + step)
            for x in range(1, width):
                row[x] = min(row[x], above[x - 1] + diagonal)
            for x in range(width - 1):
                row[x] = min(row[x], above[x + 1] + diagonal)
        for x in range(1, width):
            row[x] = min(row[x], row[x - 1] + step)
        for x in range(width - 2, -1, -1):
            row[x] = min(row[x], row[x + 1] + step)

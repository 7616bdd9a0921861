"""Where nearer objects' defocus reaches: a cone about every surface, narrow at it, wider frame by frame."""

from __future__ import annotations

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

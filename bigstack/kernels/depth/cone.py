"""Where nearer objects' defocus reaches: a cone about every surface, narrow at it, wider frame by frame."""

from __future__ import annotations

import numpy as np

BLUR = 1.2
"""Growth of the blur's radius from frame to frame, pixels, where it is not told."""


def clean_until(depth: np.ndarray, blur: float = BLUR) -> np.ndarray:
    """Return the last frame (y, x) in which the pixel is free of nearer objects' defocus.

    The least of ``depth + distance / blur`` over all pixels, by two sweeps of a chamfer distance.
    """
    near = depth.astype(np.float32)
    _sweep(near, np.float32(1 / blur))
    _sweep(near[::-1], np.float32(1 / blur))
    return near


def _sweep(near: np.ndarray, step: np.float32) -> None:
    diagonal = np.float32(np.sqrt(2)) * step
    ramp = np.arange(near.shape[1], dtype=np.float32) * step
    for y in range(len(near)):
        row = near[y]
        if y:
            above = near[y - 1]
            np.minimum(row, above + step, out=row)
            np.minimum(row[1:], above[:-1] + diagonal, out=row[1:])
            np.minimum(row[:-1], above[1:] + diagonal, out=row[:-1])
        np.minimum(row, np.minimum.accumulate(row - ramp) + ramp, out=row)
        np.minimum(row, (np.minimum.accumulate((row + ramp)[::-1])[::-1]) - ramp, out=row)

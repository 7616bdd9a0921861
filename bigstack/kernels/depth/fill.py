"""Holes of a depth map filled from what lies around them: confidence-weighted diffusion."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.jit import compiled

SWEEPS = 24
"""Averages of neighbours on each scale, after the coarser one's."""
_NOTHING = np.float32(1e-6)


def fill_holes(depth: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the depth (y, x) float32 with a smooth surface where `weight` is 0; elsewhere it stays.

    Inside a hole every depth is the mean of its four neighbours, as nearly as a fixed number of sweeps on
    each of a pyramid of scales comes to it (nested iteration, Terzopoulos 1986,
    doi:10.1109/TPAMI.1986.4767807); what the hole starts from is averaged by weight (push and pull, Gortler
    et al. 1996, doi:10.1145/237170.237200). With no weight at all the depth stays.

    Parameters
    ----------
    depth
        Depth (y, x) float32.
    weight
        Confidence (y, x) float32, at least 0; 0 in holes.

    Examples
    --------
    >>> ramp = np.tile(np.arange(32, dtype=np.float32), (32, 1))
    >>> weight = np.ones((32, 32), np.float32)
    >>> weight[8:24, 8:24] = 0
    >>> bool(abs(fill_holes(np.where(weight > 0, ramp, 0), weight) - ramp).max() < 0.5)
    True
    """
    hole = weight <= 0
    if not hole.any() or hole.all():
        return depth.astype(np.float32)
    found = _solve(np.where(hole, np.float32(0), depth).astype(np.float32), weight.astype(np.float32))
    return np.where(hole, found, depth).astype(np.float32)


def _solve(depth: np.ndarray, weight: np.ndarray) -> np.ndarray:
    known = weight > _NOTHING
    if known.all() or min(depth.shape) < 2:
        return depth
    mass = _paired(weight)
    mean = _paired(weight * depth) / np.maximum(mass, _NOTHING)
    coarse = _solve(np.where(mass > _NOTHING, mean, np.float32(0)), mass)
    up = cv2.resize(coarse, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    found = np.where(known, depth, up)
    _relax(found, known, SWEEPS)
    return found


def _paired(values: np.ndarray) -> np.ndarray:
    """Mean (y, x) of two by two values; those at an odd edge count twice."""
    wide = np.pad(values, [(0, side % 2) for side in values.shape], mode="edge")
    return (wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]) / np.float32(4)


@compiled
def _relax(depth: np.ndarray, known: np.ndarray, sweeps: int) -> None:
    """Means of neighbours, of every second pixel and then of the others; sums in one order."""
    height, width = depth.shape
    for sweep in range(2 * sweeps):
        for y in range(height):
            for x in range((y + sweep) % 2, width, 2):
                if known[y, x]:
                    continue
                above, below = depth[max(y - 1, 0), x], depth[min(y + 1, height - 1), x]
                left, right = depth[y, max(x - 1, 0)], depth[y, min(x + 1, width - 1)]
                depth[y, x] = ((above + below) + (left + right)) * np.float32(0.25)

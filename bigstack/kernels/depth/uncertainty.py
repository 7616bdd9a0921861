"""Standard deviation of a depth and confidence in it, from the evidence it rests on."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.tree import Evidence
from bigstack.kernels.depth.volumes import pick, shares

_SOFT = 0.4  # power of the posterior: levels share their evidence, which makes it too sure of itself
_NEAR = 1.5  # frames
_WINDOW = 5  # pixels a side in which depths are compared
TERMS = (0.201, 0.009668, 0.001993, 3.595e-6, 0.001681)
"""Weights of `terms`, fitted to rendered scenes: the largest likelihood of errors with Student's tails."""
POWER, SCALE = 0.3711, 1.2
"""The deviation is `SCALE` times the weighted sum to this power, so that errors lie within it as often as a
Gaussian's do, over scenes (`benchmarks/depth.py`)."""
_STEPS = 1024.0  # of a frame
_LEAST = np.float32(1e-6)


def terms(evidence: Evidence, depth: np.ndarray, first: np.ndarray, fall: np.ndarray) -> list[np.ndarray]:
    """What speaks for an error (y, x).

    How far refinement moved the depth, and the variance of depths nearby, in squared frames; how little
    texture there is at the pixel itself; the square of how steeply focus falls from frame to frame, as few
    frames see the peak; and what share of the strongest energy is missing at the depth.
    """
    frame = np.clip(np.rint(depth), 0, len(evidence.energy) - 1).astype(np.intp)
    return [
        np.square(depth - first),
        spread_nearby(depth),
        1 / (1 + np.maximum(evidence.peak - 1, 0)),
        np.square(fall),
        1 - pick(evidence.energy, frame) / np.maximum(evidence.peak, np.float32(1e-6)),
    ]


def spread_nearby(depth: np.ndarray) -> np.ndarray:
    """Variance (y, x) float32 of depths in a small window; sums of whole numbers, the same in any tile."""
    steps, sides = np.rint(depth.astype(np.float64) * _STEPS), (_WINDOW, _WINDOW)
    mean = cv2.boxFilter(steps, -1, sides, normalize=False) / _WINDOW**2
    square = cv2.boxFilter(np.square(steps), -1, sides, normalize=False) / _WINDOW**2
    return (np.maximum(square - np.square(mean), 0) / _STEPS**2).astype(np.float32)


def deviation(evidence: Evidence, depth: np.ndarray, first: np.ndarray, fall: np.ndarray) -> np.ndarray:
    """Return the standard deviation (y, x) float32 of the depth, in frames.

    Parameters
    ----------
    evidence
        What the depth was found from.
    depth, first
        Depth as it is, and before it was refined.
    fall
        Curvature of the logarithm of focus at the peak, frame by frame.
    """
    return deviation_of(terms(evidence, depth, first, fall))


def deviation_of(found: list[np.ndarray]) -> np.ndarray:
    """Standard deviation (y, x) float32 of `terms`."""
    total = np.full(found[0].shape, _LEAST, np.float32)
    for weight, term in zip(TERMS, found, strict=True):
        total += np.float32(weight) * term
    return np.float32(SCALE) * total ** np.float32(POWER)


def confidence(log: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the share of the posterior (y, x) float32 that lies within 1.5 frames of the depth."""
    near = np.empty(depth.shape, np.float32)
    shares(log, np.asarray(depth, np.float32), np.float32(_SOFT), np.float32(_NEAR), near)
    return np.clip(near, 0, 1)

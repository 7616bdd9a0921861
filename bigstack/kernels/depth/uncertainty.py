"""Standard deviation of a depth and confidence in it, from the evidence it rests on."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.tree import Evidence
from bigstack.kernels.depth.volumes import pick, shares

_SOFT = 0.4  # power of the posterior: levels share their evidence, which makes it too sure of itself
_NEAR = 1.5  # frames
_WINDOW = 5  # pixels a side in which depths are compared
TERMS = (0.07205, 0.009754, 0.001804, 2.359e-6, 0.0009767)
"""Weights of `terms`, fitted to rendered scenes: the largest likelihood of errors with Student's tails."""
POWER, SCALE = 0.3763, 1.52
"""The deviation is `SCALE` times the weighted sum to this power, so that errors lie within it as often as a
Gaussian's do, over scenes (`benchmarks/depth.py`)."""
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
        _variance(depth),
        1 / (1 + np.maximum(evidence.peak - 1, 0)),
        np.square(fall),
        1 - pick(evidence.energy, frame) / np.maximum(evidence.peak, np.float32(1e-6)),
    ]


def _variance(depth: np.ndarray) -> np.ndarray:
    wide, sides = depth.astype(np.float64), (_WINDOW, _WINDOW)
    mean = cv2.blur(wide, sides)
    return np.maximum(cv2.blur(np.square(wide), sides) - np.square(mean), 0).astype(np.float32)


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
    total = np.full(depth.shape, _LEAST, np.float32)
    for weight, term in zip(TERMS, terms(evidence, depth, first, fall), strict=True):
        total += np.float32(weight) * term
    return np.float32(SCALE) * total ** np.float32(POWER)


def confidence(log: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the share of the posterior (y, x) float32 that lies within 1.5 frames of the depth."""
    near = np.empty(depth.shape, np.float32)
    shares(log, np.asarray(depth, np.float32), np.float32(_SOFT), np.float32(_NEAR), near)
    return np.clip(near, 0, 1)

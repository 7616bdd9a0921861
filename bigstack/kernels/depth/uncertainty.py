"""Standard deviation of a depth and confidence in it, from the evidence it rests on."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.tree import Evidence
from bigstack.kernels.depth.volumes import shares

_SOFT = 0.4  # power of the posterior: levels share their evidence, which makes it too sure of itself
_NEAR = 1.5  # frames
_WINDOWS = (5, 17)  # pixels a side in which depths are compared
TERMS = (0.01074, 0.00201, 0.02719, 0.42406, 0.03439, 0.13046, 0.00855)
"""Weights of `terms` and of a constant, fitted to rendered scenes."""
POWER, SCALE = 0.815, 0.98
"""The deviation is `SCALE` times the weighted sum to this power."""


def terms(evidence: Evidence, depth: np.ndarray, first: np.ndarray, spread: np.ndarray) -> list[np.ndarray]:
    """What speaks for an error (y, x), in squared frames.

    Width of the posterior, noise of the peak, change by the median, variance of depths nearby, and how
    little texture there is at the pixel itself, so that its depth comes from elsewhere.
    """
    return [
        posterior_variance(evidence.log, depth),
        np.square(spread),
        np.square(depth - first),
        *(_variance(depth, side) for side in _WINDOWS),
        1 / (1 + np.maximum(evidence.peak - 1, 0)),
        np.ones_like(depth),
    ]


def posterior_variance(log: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Mean square distance of the posterior (y, x) from the depth."""
    variance, near = np.empty(depth.shape, np.float32), np.empty(depth.shape, np.float32)
    shares(log, np.asarray(depth, np.float32), np.float32(_SOFT), np.float32(_NEAR), variance, near)
    return variance


def _variance(depth: np.ndarray, side: int) -> np.ndarray:
    wide = depth.astype(np.float64)
    mean = cv2.blur(wide, (side, side))
    return np.maximum(cv2.blur(np.square(wide), (side, side)) - np.square(mean), 0).astype(np.float32)


def deviation(evidence: Evidence, depth: np.ndarray, first: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the standard deviation (y, x) float32 of the depth, in frames.

    Parameters
    ----------
    evidence
        What the depth was found from.
    depth, first
        Depth as it is, and before the median.
    spread
        Standard deviation that noise gives the peak.
    """
    total = np.zeros_like(depth)
    for weight, term in zip(TERMS, terms(evidence, depth, first, spread), strict=True):
        total += np.float32(weight) * term
    return np.float32(SCALE) * total ** np.float32(POWER)


def confidence(log: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the share of the posterior (y, x) float32 that lies within 1.5 frames of the depth."""
    variance, near = np.empty(depth.shape, np.float32), np.empty(depth.shape, np.float32)
    shares(log, np.asarray(depth, np.float32), np.float32(_SOFT), np.float32(_NEAR), variance, near)
    return np.clip(near, 0, 1)

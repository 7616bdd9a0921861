"""Standard deviation of a depth and confidence in it, from the evidence it rests on."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.tree import Evidence, softmax

_SOFT = 0.4  # power of the posterior: levels share their evidence, which makes it too sure of itself
_WINDOWS = (5, 17)  # pixels a side in which depths are compared
TERMS = (0.02243, 0.00776, 0.01976, 0.24366, 0.11209, 0.0, 0.02251)
"""Weights of `terms` and of a constant, fitted to rendered scenes."""
POWER, SCALE = 0.938, 0.88
"""The deviation is `SCALE` times the weighted sum to this power."""


def terms(evidence: Evidence, depth: np.ndarray, first: np.ndarray, spread: np.ndarray) -> list[np.ndarray]:
    """What speaks for an error (y, x), in squared frames.

    Width of the posterior, noise of the peak, change by the median, variance of depths nearby, and how
    little texture there is at the pixel itself, so that its depth comes from elsewhere.
    """
    log = evidence.log
    z = np.arange(len(log), dtype=np.float32)[:, None, None]
    share = softmax(log, _SOFT)
    share *= np.square(z - depth)
    return [
        share.sum(axis=0),
        np.square(spread),
        np.square(depth - first),
        *(_variance(depth, side) for side in _WINDOWS),
        1 / (1 + np.maximum(evidence.energy.max(axis=0) - 1, 0)),
        np.ones_like(depth),
    ]


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
    z = np.arange(len(log), dtype=np.float32)[:, None, None]
    share = softmax(log, _SOFT)
    share *= np.abs(z - depth) <= np.float32(1.5)
    return np.clip(share.sum(axis=0), 0, 1)

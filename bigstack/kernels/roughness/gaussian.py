"""The areal Gaussian filter of ISO 16610-61, one axis at a time; unknown heights have no weight."""

from __future__ import annotations

from math import ceil, log, pi, sqrt

import numpy as np
from scipy.signal import oaconvolve

ALPHA = sqrt(log(2) / pi)
"""The filter lets half of the amplitude pass at the cut-off wavelength."""


def gaussian_weights(cutoff: float) -> np.ndarray:
    """Weights of one axis for a cut-off wavelength in pixels, float64, up to one wavelength away.

    The rest, 2e-6 of the weight, is left out as the standard allows.

    Examples
    --------
    >>> gaussian_weights(2.0).round(3).tolist()
    [0.0, 0.027, 0.946, 0.027, 0.0]
    """
    distance = np.arange(-ceil(cutoff), ceil(cutoff) + 1)
    found = np.exp(-pi * (distance / (ALPHA * cutoff)) ** 2)
    return np.asarray(found / found.sum())


def weigh_rows(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums along the rows of heights (y, x), and the weights that went into them.

    Unknown heights (NaN) and the ground beyond the border have none.
    """
    known = np.isfinite(rows)
    return weigh(np.where(known, rows, 0), weights, 1), weigh(known, weights, 1)


def weigh(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Weighted sums along an axis, float64.

    Examples
    --------
    >>> weigh(np.array([[0.0, 4.0, 0.0]]), np.array([0.25, 0.5, 0.25]), 1).round(3).tolist()
    [[1.0, 2.0, 1.0]]
    """
    shape = [1, 1]
    shape[axis] = -1
    half = len(weights) // 2
    found = oaconvolve(np.asarray(values, np.float64), weights.reshape(shape), axes=axis)
    kept = [slice(None), slice(None)]
    kept[axis] = slice(half, half + values.shape[axis])
    return found[tuple(kept)]

"""Largest eigenvalues of a window's covariance."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.filters import box_sum, reflect_pad
from bigstack.kernels.focus._measure import window_radius

SOURCE = (
    "Wee, Paramesran 2007, Measure of image sharpness using eigenvalues, Inf. Sci. 177(12), "
    "doi:10.1016/j.ins.2006.12.023"
)

_BLOCK_ROWS = 32  # matrices of so many rows of pixels are held at a time


def eigenvalue(grey: np.ndarray, *, window: int = 5, count: int = 1, normalize: bool = False) -> np.ndarray:
    """Sum of the largest eigenvalues of the covariance of a window's rows; slow, robust under noise.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    window
        Side of the square, odd, 3 to 31 pixels.
    count
        Eigenvalues that are added, largest first; all of them give the variance.
    normalize
        Divide each window by its root of summed squares before, so that brightness does not count.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> eigenvalue(np.full((7, 7), 9, np.uint8)).max()
    np.float32(0.0)
    """
    if not 3 <= window <= 31 or window % 2 == 0:
        raise InputError(f"the window must be an odd number of 3 to 31 pixels, got {window!r}")
    if not 1 <= count <= window:
        raise InputError(f"count must be 1 to {window} eigenvalues, got {count!r}")
    values = grey.astype(np.float64)
    padded = reflect_pad(values, window // 2)
    result = np.empty(grey.shape, np.float32)
    for top in range(0, grey.shape[0], _BLOCK_ROWS):
        out = result[top : top + _BLOCK_ROWS]
        matrices = _covariances(padded[top : top + len(out) + window - 1], window)
        roots = np.linalg.eigvalsh(matrices)[..., -count:]
        out[...] = np.maximum(roots, 0).sum(axis=-1) / (window**2 - 1)
    if normalize:
        # Squares of integers are summed exactly; of floats in a fixed order.
        power = box_sum(values * values, window)
        np.divide(result, power, out=result, where=power > 0, casting="same_kind")
    return result


def eigenvalue_halo(*, window: int = 5) -> int:
    """Pixels around a pixel that its value depends on."""
    return window_radius(window)


def _covariances(padded: np.ndarray, window: int) -> np.ndarray:
    """``sum_c (W[i, c] - m) (W[j, c] - m)`` of every window, m its mean: (y, x, window, window)."""
    height, width = padded.shape[0] - window + 1, padded.shape[1] - window + 1
    rows = [padded[i : i + height] for i in range(window)]
    sums = [_across(row, window, width) for row in rows]
    mean = sum(sums[1:], sums[0].copy()) / window**2
    matrices = np.empty((height, width, window, window))
    for i in range(window):
        for j in range(i + 1):
            product = _across(rows[i] * rows[j], window, width)
            entry = product - mean * (sums[i] + sums[j]) + window * mean * mean
            # What lies below the rounding of the squares is that: a constant window has no eigenvalues.
            entry[np.abs(entry) < 2.0**-44 * window * mean * mean] = 0
            matrices[..., i, j] = matrices[..., j, i] = entry
    return matrices


def _across(values: np.ndarray, window: int, width: int) -> np.ndarray:
    total = values[:, :width].copy()
    for offset in range(1, window):
        total += values[:, offset : offset + width]
    return total

"""Numbers as colours. Each pixel by itself."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

TABLES = {
    "viridis": cv2.COLORMAP_VIRIDIS,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "inferno": cv2.COLORMAP_INFERNO,
    "magma": cv2.COLORMAP_MAGMA,
    "plasma": cv2.COLORMAP_PLASMA,
    "turbo": cv2.COLORMAP_TURBO,
    "jet": cv2.COLORMAP_JET,
}
"""OpenCV's number of each map of colours."""


@lru_cache
def colour_table(name: str) -> np.ndarray:
    """The 256 colours of a map, RGB uint8 (256, 3).

    Examples
    --------
    >>> colour_table("viridis")[[0, 255]].tolist()
    [[68, 1, 84], [253, 231, 37]]
    """
    levels = np.arange(256, dtype=np.uint8)[:, None]
    return np.ascontiguousarray(cv2.applyColorMap(levels, TABLES[name])[:, 0, ::-1])


def stretched(values: np.ndarray, low: float, high: float, bits: int) -> np.ndarray:
    """Numbers as grey levels of 8 or 16 bits, `low` black and `high` white; NaN black.

    Examples
    --------
    >>> stretched(np.array([1.0, 2.0, 3.0, np.nan]), 1, 3, 8).tolist()
    [0, 128, 255, 0]
    """
    most = 2**bits - 1
    span = high - low
    share = (values.astype(np.float64) - low) / span if span > 0 else np.zeros(values.shape)
    level = np.floor(np.clip(np.nan_to_num(share, nan=0.0), 0, 1) * most + 0.5)
    return level.astype(np.uint8 if bits == 8 else np.uint16)


def coloured(values: np.ndarray, low: float, high: float, name: str) -> np.ndarray:
    """Numbers (y, x) in the colours of a map: RGB (y, x, 3), uint8; NaN black.

    Examples
    --------
    >>> coloured(np.array([[1.0, 3.0, np.nan]]), 1, 3, "viridis")[0].tolist()
    [[68, 1, 84], [253, 231, 37], [0, 0, 0]]
    """
    found = colour_table(name)[stretched(values, low, high, 8)]
    found[np.isnan(values)] = 0
    return found

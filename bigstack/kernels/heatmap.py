"""Pictures of focus and density: grey, in colours, and laid over an image. Each pixel by itself."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np


def grey_picture(values: np.ndarray, highest: float) -> np.ndarray:
    """Numbers (y, x) from 0 to `highest` as uint8; all 0 where `highest` is not positive.

    Examples
    --------
    >>> grey_picture(np.array([[0.0, 1.0, 2.0]]), 2.0).tolist()
    [[0, 127, 255]]
    """
    if not highest > 0:
        return np.zeros(values.shape, np.uint8)
    return np.clip(values * np.float32(255 / highest), 0, 255).astype(np.uint8)


def heat_picture(density: np.ndarray, highest: float = 1.0) -> np.ndarray:
    """Numbers (y, x) from 0 to `highest` in OpenCV's JET colours, blue to red: RGB (y, x, 3), uint8.

    Examples
    --------
    >>> heat_picture(np.array([[0.0, 1.0]])).tolist()
    [[[0, 0, 128], [128, 0, 0]]]
    """
    # Looked up here: OpenCV's own look-up kills the process where the image is empty.
    return _jet()[grey_picture(density, highest)]


@lru_cache(maxsize=1)
def _jet() -> np.ndarray:
    levels = np.arange(256, dtype=np.uint8)[:, None]
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_JET)[:, 0, ::-1])


def overlay_picture(
    image: np.ndarray,
    density: np.ndarray,
    *,
    low: float,
    high: float,
    highest: float = 1.0,
    alpha: float = 0.45,
) -> np.ndarray:
    """Lay the heat of a density over an image: RGB (y, x, 3), uint8.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel), any number type; three channels are taken as RGB, of any other number the
        mean is shown.
    density
        (y, x).
    low, high
        Values of `image` that are shown black and white.
    highest
        Density that is shown dark red.
    alpha
        Share of the heat in the result, 0 to 1.
    """
    scale = 255 / (high - low) if high > low else 0.0
    base = np.clip((image.astype(np.float32) - np.float32(low)) * np.float32(scale), 0, 255)
    if base.ndim == 2 or base.shape[2] != 3:
        flat = base if base.ndim == 2 else base.mean(axis=2)
        base = np.repeat(flat[..., None], 3, axis=2)
    mixed = heat_picture(density, highest) * np.float32(alpha) + base * np.float32(1 - alpha)
    return np.rint(mixed).astype(np.uint8)

"""Pictures for people: any image as 8-bit RGB. Each pixel by itself."""

from __future__ import annotations

import numpy as np


def display_range(image: np.ndarray) -> tuple[float, float]:
    """Values to show black and white: all of uint8, else 0.1st and 99.9th percentile of the known ones."""
    if image.dtype == np.uint8:
        return 0.0, 255.0
    known = image[np.isfinite(image)]
    if not known.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(known, (0.1, 99.9)))
    return low, high


def rgb_picture(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """An image (y, x, channel) as RGB (y, x, 3), uint8: three channels as they are, else grey.

    Of four channels the last is left out; of any other number the mean is shown. What is not known is black.

    Examples
    --------
    >>> rgb_picture(np.array([[[1.0], [np.nan], [3.0]]]), 1, 3)[0].tolist()
    [[0, 0, 0], [0, 0, 0], [255, 255, 255]]
    """
    factor = 255 / (high - low) if high > low else 0.0
    values = (image[..., :3] if image.shape[2] == 4 else image).astype(np.float32)
    values = (values - np.float32(low)) * np.float32(factor)
    if values.shape[2] != 3:
        mean = values.mean(axis=2, keepdims=True)
        values = np.repeat(mean, 3, axis=2)
    return np.rint(np.clip(np.nan_to_num(values, nan=0.0), 0, 255)).astype(np.uint8)

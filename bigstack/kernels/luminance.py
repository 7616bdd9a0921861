"""One grey channel of a frame, which focus is measured on."""

from __future__ import annotations

import cv2
import numpy as np


def luminance(frame: np.ndarray, channels: tuple[int, ...] = ()) -> np.ndarray:
    """Grey (y, x) of a frame (y, x, channel), in the frame's dtype.

    Rec. 601 luma of three channels taken as RGB, the mean of any other number; of `channels` only, when
    some are named. Every pixel depends on itself alone, so tiles agree to the bit.

    Examples
    --------
    >>> luminance(np.full((2, 2, 3), 7, np.uint8)).tolist()
    [[7, 7], [7, 7]]
    """
    if channels:
        frame = frame[..., list(channels)] if len(channels) > 1 else frame[..., channels[0]]
    if frame.ndim == 2:
        return np.ascontiguousarray(frame)
    count = frame.shape[2]
    if count == 1:
        return np.ascontiguousarray(frame[..., 0])
    if frame.dtype.kind == "f":
        return _weigh_floats(frame)
    if count == 3:
        return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    total = frame.sum(axis=2, dtype=np.uint32)
    return ((total + count // 2) // count).astype(frame.dtype)


def grey_levels(frame: np.ndarray, channels: tuple[int, ...] = ()) -> np.ndarray:
    """Luminance in grey levels of 8 bit: uint8 as it is, uint16 as float32 up to 255, floats as they are."""
    grey = luminance(frame, channels)
    return grey * np.float32(1 / 257) if grey.dtype == np.uint16 else grey


def _weigh_floats(frame: np.ndarray) -> np.ndarray:
    # Element by element in a fixed order: OpenCV's SIMD tails would give other last bits.
    count = frame.shape[2]
    weights = (0.299, 0.587, 0.114) if count == 3 else (1 / count,) * count
    kind = frame.dtype.type
    total = frame[..., 0] * kind(weights[0])
    for channel in range(1, count):
        total += frame[..., channel] * kind(weights[channel])
    return total

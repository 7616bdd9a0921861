"""Balance of every channel by itself: brightness and tint."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.correction.curves import evaluate


def rgb_levels(pixels: np.ndarray, top: float) -> list[np.ndarray]:
    """Each channel (y, x), as many as there are."""
    return [pixels[..., channel] for channel in range(pixels.shape[-1])]


def rgb_scales(channels: int) -> tuple[None, ...]:
    """Each channel has the stack's own scale."""
    return (None,) * channels


def rgb_apply(
    pixels: np.ndarray, curve: str, parameters: tuple[tuple[float, ...], ...], top: float
) -> np.ndarray:
    """Put each channel (float32) through its own curve."""
    planes = [
        evaluate(np.ascontiguousarray(pixels[..., channel]), curve, own, top)
        for channel, own in enumerate(parameters)
    ]
    return np.stack(planes, axis=-1)

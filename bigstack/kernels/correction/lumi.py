"""Balance of luminance: one curve for all channels, so that tint stays."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.correction.curves import evaluate


def lumi_levels(pixels: np.ndarray, top: float) -> list[np.ndarray]:
    """Rec. 601 luma (y, x) float32, unrounded, of RGB; the channels' mean of any other number."""
    count = pixels.shape[-1]
    weights = (0.299, 0.587, 0.114) if count == 3 else (1 / count,) * count
    total = np.zeros(pixels.shape[:-1], np.float32)
    for channel in range(count):
        total += pixels[..., channel] * np.float32(weights[channel])
    return [total]


def lumi_scales(channels: int) -> tuple[None, ...]:
    """The one level has the stack's own scale."""
    return (None,)


def lumi_apply(
    pixels: np.ndarray, curve: str, parameters: tuple[tuple[float, ...], ...], top: float
) -> np.ndarray:
    """Put every channel (float32) through the same curve."""
    return evaluate(pixels, curve, parameters[0], top)

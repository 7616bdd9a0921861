"""Balance of luminance: one curve for all channels, so that tint stays."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.correction.curves import evaluate


def lumi_levels(pixels: np.ndarray, top: float) -> list[np.ndarray]:
    """Rec. 601 luma (y, x) float32, unrounded, of RGB; the channels' mean of any other number."""
    total = np.zeros(pixels.shape[:-1], np.float32)
    for channel, weight in enumerate(lumi_weights(pixels.shape[-1])):
        total += pixels[..., channel] * np.float32(weight)
    return [total]


def lumi_weights(channels: int) -> tuple[float, ...]:
    """Share of each channel in luminance.

    Examples
    --------
    >>> lumi_weights(2)
    (0.5, 0.5)
    """
    return (0.299, 0.587, 0.114) if channels == 3 else (1 / channels,) * channels


def lumi_scales(channels: int) -> tuple[None, ...]:
    """The one level has the stack's own scale."""
    return (None,)


def lumi_apply(
    pixels: np.ndarray, curve: str, parameters: tuple[tuple[float, ...], ...], top: float
) -> np.ndarray:
    """Put every channel (float32) through the same curve."""
    return evaluate(pixels, curve, parameters[0], top)

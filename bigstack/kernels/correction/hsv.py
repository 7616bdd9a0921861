"""Balance of saturation and value; hue stays.

With V the largest and m the smallest channel, S = (V - m) / V. A channel c of equal hue under S' and V' is
``V' (1 - (1 - c / V) S' / S)``: no angle is computed, so nothing is lost and 16 bit and float work alike.
"""

from __future__ import annotations

import numpy as np

from bigstack.kernels.correction.curves import evaluate


def hsv_levels(pixels: np.ndarray, top: float) -> list[np.ndarray]:
    """S (0 to 1) and V (in the stack's unit), (y, x) float32."""
    value, share = _value_and_saturation(pixels.astype(np.float32, copy=False))
    return [share, value]


def hsv_scales(channels: int) -> tuple[float | None, ...]:
    """Full scale of S, and V's, which is the stack's own."""
    return 1.0, None


def hsv_apply(
    pixels: np.ndarray, curve: str, parameters: tuple[tuple[float, ...], ...], top: float
) -> np.ndarray:
    """Put S and V of float32 RGB through a curve each; S stays within 0 to 1. Black stays black."""
    one = np.float32(1)
    value, share = _value_and_saturation(pixels)
    # Above 1 only where a float image has negative values: what is there already is let be.
    wanted = np.clip(evaluate(share, curve, parameters[0], 1.0), 0, np.maximum(share, one))
    ratio = np.divide(wanted, share, out=np.ones_like(share), where=share > 0)
    light = evaluate(value, curve, parameters[1], top)
    scale = np.divide(one, value, out=np.zeros_like(value), where=value > 0)
    result = (one - (one - pixels * scale[..., None]) * ratio[..., None]) * light[..., None]
    return np.where((value > 0)[..., None], result, pixels)


def _value_and_saturation(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    return value, np.divide(chroma, value, out=np.zeros_like(value), where=value > 0)

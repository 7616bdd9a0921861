"""Balance of lightness and saturation in HLS; hue stays.

With M and m the largest and smallest channel, L = (M + m) / 2 and S = (M - m) / (top - |2 L - top|). A
channel c of equal hue under L' and S' is ``L' + (c - L) C' / C``, C the chroma M - m.
"""

from __future__ import annotations

import numpy as np

from bigstack.kernels.correction.curves import evaluate


def hls_levels(pixels: np.ndarray, top: float) -> list[np.ndarray]:
    """L (in the stack's unit) and S (0 to 1), (y, x) float32."""
    light, chroma = _lightness_and_chroma(pixels.astype(np.float32, copy=False))
    return [light, _saturation(chroma, _room(light, top))]


def hls_scales(channels: int) -> tuple[float | None, ...]:
    """Full scale of L, the stack's own, and of S."""
    return None, 1.0


def hls_apply(
    pixels: np.ndarray, curve: str, parameters: tuple[tuple[float, ...], ...], top: float
) -> np.ndarray:
    """Put L and S of float32 RGB through a curve each; both stay within their range."""
    light, chroma = _lightness_and_chroma(pixels)
    share = _saturation(chroma, _room(light, top))
    # Float images may go beyond 0 and top: what is there already is let be.
    lit = np.clip(
        evaluate(light, curve, parameters[0], top), np.minimum(light, 0), np.maximum(light, np.float32(top))
    )
    wanted = np.clip(evaluate(share, curve, parameters[1], 1.0), 0, np.maximum(share, 1))
    ratio = np.divide(wanted * _room(lit, top), chroma, out=np.ones_like(chroma), where=share > 0)
    return lit[..., None] + (pixels - light[..., None]) * ratio[..., None]


def _lightness_and_chroma(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    high = np.maximum(np.maximum(red, green), blue)
    low = np.minimum(np.minimum(red, green), blue)
    return (high + low) * np.float32(0.5), high - low


def _room(light: np.ndarray, top: float) -> np.ndarray:
    """The largest chroma that a lightness leaves room for."""
    return np.maximum(np.float32(top) - np.abs(light * np.float32(2) - np.float32(top)), 0)


def _saturation(chroma: np.ndarray, room: np.ndarray) -> np.ndarray:
    return np.divide(chroma, room, out=np.zeros_like(chroma), where=room > 0)

"""Guided-filter fusion: a base and a detail layer, each with weights that follow the edges of its frame.

Li, Kang and Hu 2013, "Image fusion with guided filtering", doi:10.1109/TIP.2013.2244222; the filter is that
of He, Sun and Tang 2013, doi:10.1109/TPAMI.2012.213.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion import blending
from bigstack.kernels.fusion.blending import as_pixels
from bigstack.kernels.luminance import luminance

_SALIENCY = 5  # radius and standard deviation of the Gaussian over the Laplacian, pixels
_FADE = 16  # pixels that a frame fades in, from where its real pixels begin: no edge shows there
_LITTLE = 1e-4  # weight that the sharpest frame has on top: no pixel is left without any


@dataclass
class State:
    """The sharpest frame of each pixel; then weighted sums of both layers."""

    window: Window
    best: np.ndarray
    index: np.ndarray
    layers: tuple[np.ndarray, np.ndarray]
    weights: tuple[np.ndarray, np.ndarray]
    weighing: bool = True


@dataclass(frozen=True)
class Guided:
    """Fold that goes through the frames twice: for the sharpest one, and to add them up.

    `white` is the grey level of white, which the guide is divided by; `window` the side of the mean that is
    the base layer. Each layer's weights are a guided filter of the map of the sharpest frame, of a radius
    in pixels and a regularisation `eps` in squares of white.
    """

    channels: tuple[int, ...]
    white: float
    window: int = 31
    base_radius: int = 45
    base_eps: float = 0.3
    detail_radius: int = 7
    detail_eps: float = 1e-6

    grid = 1
    rounds = 2

    @property
    def block(self) -> int:
        """Side of the canonical blocks."""
        return blending.BLOCK

    @property
    def halo(self) -> int:
        """The whole reach: saliency, then the two boxes of the wider filter; the base's own mean."""
        filters = 1 + _SALIENCY + 2 * max(self.base_radius, self.detail_radius)
        return max(filters, self.window // 2, _FADE)

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image`, and `index`, the most salient frame."""
        return {"image": Output(("y", "x", "channel")), "index": Output(("y", "x"), "uint16")}

    def merges(self, dtype: np.dtype) -> bool:
        """The second round needs what the first has seen of all frames."""
        return False

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Both layers and their weights; a frame's layers and the means of its filters."""
        return 14 + 8 * channels, 60 + 16 * channels

    def told(self, value: float) -> Guided:
        """The same, with the brightest pixel of a stack of floats as white."""
        return replace(self, white=float(value) if 0 < value < np.inf else 1.0)

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> State:
        """Nothing seen yet."""
        colour = (*window.shape, window.channels)
        return State(
            window,
            np.full(window.shape, -2, np.float32),
            np.zeros(window.shape, np.uint16),
            (np.zeros(colour, np.float32), np.zeros(colour, np.float32)),
            (np.zeros(window.shape, np.float32), np.zeros(window.shape, np.float32)),
        )

    def turn(self, state: State) -> None:
        """From the sharpest frame to sums."""
        state.weighing = False

    def add(self, state: State, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        """Measure a frame, or add it."""
        if valid is not None:
            frame = np.where(valid[..., None], frame, np.zeros((), frame.dtype))
        guide = luminance(frame, self.channels).astype(np.float32)
        guide *= np.float32(1 / self.white)
        if state.weighing:
            found = saliency(guide, valid)
            won = found > state.best
            state.best[won] = found[won]
            state.index[won] = z
            return
        chosen = (state.index == z).astype(np.float32)
        layers = two_layers(frame, valid, self.window)
        filters = ((self.base_radius, self.base_eps), (self.detail_radius, self.detail_eps))
        for n, (radius, eps) in enumerate(filters):
            weight = np.clip(guided_filter(guide, chosen, radius, eps), 0, 1)
            if valid is not None:
                weight *= faded(valid)
            weight += np.float32(_LITTLE) * chosen
            state.layers[n][...] += layers[n] * weight[..., None]
            state.weights[n][...] += weight

    def merge(self, early: State, late: State) -> State:
        """Never called: it does not merge."""
        raise NotImplementedError

    def finish(self, state: State) -> dict[str, Any]:
        """Both layers, over their weights."""
        core = state.window.core
        image = sum(
            layer[core] / weight[core][..., None]
            for layer, weight in zip(state.layers, state.weights, strict=True)
        )
        return {"image": as_pixels(image, state.window.dtype), "index": state.index[core]}


def saliency(grey: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Smoothed magnitude of the Laplacian (y, x) float32; below 0 where it is not of real pixels alone."""
    edges = cv2.Laplacian(grey, cv2.CV_32F, ksize=1)
    side = 2 * _SALIENCY + 1
    found = cv2.GaussianBlur(np.abs(edges), (side, side), _SALIENCY)
    if valid is None:
        return found
    around = np.ones((side + 2, side + 2), np.uint8)
    touched = cv2.dilate((~valid).astype(np.uint8), around) > 0
    return np.where(valid, np.where(touched, np.float32(-0.5), found), np.float32(-1))


def faded(valid: np.ndarray) -> np.ndarray:
    """1 well inside the real pixels (y, x), 0 at their border and beyond, float32."""
    share = cv2.blur(valid.astype(np.float32), (2 * _FADE + 1, 2 * _FADE + 1))
    return np.clip(2 * share - 1, 0, 1) * valid


def two_layers(frame: np.ndarray, valid: np.ndarray | None, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Base and detail (y, x, channel) float32: the mean over a square of real pixels, and what is left."""
    pixels = frame.astype(np.float32)
    base = cv2.blur(pixels, (window, window)).reshape(pixels.shape)
    if valid is not None:
        share = cv2.blur(valid.astype(np.float32), (window, window))
        base = base / np.maximum(share, np.float32(0.5 / window**2))[..., None]
    return base, pixels - base


def guided_filter(guide: np.ndarray, image: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Smooth an image (y, x) where the guide (y, x) is flat, keep its edges where the guide has some."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    mean_guide, mean_image = mean(guide), mean(image)
    spread = mean(guide * guide) - mean_guide * mean_guide
    shared = mean(guide * image) - mean_guide * mean_image
    slope = shared / (np.maximum(spread, 0) + np.float32(eps))
    return mean(slope) * guide + mean(mean_image - slope * mean_guide)

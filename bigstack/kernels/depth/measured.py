"""Evidence from any focus measure, in the terms of the tree: energy over that of noise."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.depth.tree import Evidence
from bigstack.kernels.depth.tree_loops import likelihood
from bigstack.kernels.depth.volumes import largest
from bigstack.kernels.focus.maps import FocusMap

SAMPLES = 9.0
"""Independent values that a focus value counts as."""
FLOOR = np.float32(2.5 / np.sqrt(SAMPLES))
"""Excess over noise that is added to that of every frame, as what noise alone may be."""
SOFT = 0.8
"""Power of the excess over noise that evidence is shared by: what `confidence` makes of its logarithm."""
_SIDE, _FRAMES = 192, 4  # of the noise that a measure's answer to noise is taken from
_FALSE = 0.01  # share of pixels of noise alone that count as textured
_WIDEST = 32  # pixels around made-up ones that are left out


def measured(frames: np.ndarray, sigma: float, focus: FocusMap, invalid: np.ndarray | None) -> Evidence:
    """Measure focus of frames (z, y, x, channel) whose grey values have noise of deviation `sigma`.

    `invalid` is where pixels are made up (z, y, x) bool: there, and as far as the measure reaches, up to 32
    pixels, is no evidence.
    """
    answer = answer_to_noise(focus, round(sigma, 6))[0]
    energy = np.empty(frames.shape[:3], np.float32)
    reach = np.ones((2 * min(focus.halo, _WIDEST) + 1,) * 2, np.uint8)
    for z, frame in enumerate(frames):
        np.divide(focus(frame), np.float32(answer), out=energy[z])
        if invalid is not None and invalid[z].any():
            energy[z][cv2.dilate(invalid[z].astype(np.uint8), reach) > 0] = 0
    peak = largest(energy)
    log = np.empty_like(energy)
    likelihood(energy, FLOOR, log)
    return Evidence(log, energy, np.maximum(peak - 1, 0), peak)


def texture_over(focus: FocusMap, sigma: float, frames: int) -> float:
    """Energy over that of noise, less one, that one pixel of a hundred exceeds in so many frames of noise."""
    answer, values = answer_to_noise(focus, round(sigma, 6))
    return max(float(np.quantile(values, 1 - _FALSE / frames)) / answer - 1, 0.5)


@lru_cache(maxsize=32)
def answer_to_noise(focus: FocusMap, sigma: float) -> tuple[float, Any]:
    """Mean of a measure of grey white noise of this deviation, and its values."""
    noise = np.random.default_rng(0).normal(128, sigma, (_FRAMES, _SIDE, _SIDE, 1)).astype(np.float32)
    # Grey noise stands for that of the channels' mean, whichever they are.
    grey = FocusMap(focus.measure, focus.options, (), focus.smoothing)
    values = np.concatenate([grey(one).ravel() for one in noise])
    return max(float(values.mean(dtype=np.float64)), 1e-12), values


def shares_near(triple: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Confidence (y, x) float32: share of three frames in that of all, `total` 1024ths."""
    powers = (np.maximum(triple - 1, 0) + FLOOR) ** np.float32(SOFT)
    whole = (powers * np.float32(1024)).astype(np.int64).sum(axis=0)
    return np.clip(whole / np.maximum(total, 1), 0, 1).astype(np.float32)

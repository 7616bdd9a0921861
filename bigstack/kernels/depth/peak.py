"""Depth between frames: parabolas through the evidence at the best frame and its neighbours."""

from __future__ import annotations

import cv2
import numpy as np

_TRUST = 16.0  # squared signal-to-noise at which energy and posterior count alike
_SMOOTH = 3.0
_FLOOR = 0.3
_SAMPLES = 60.0  # independent values of energy in the windows of both smoothings
_LOOSE = 5.0  # frames; more is as good as knowing nothing


def sub_frame(label: np.ndarray, energy: np.ndarray, log: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth (y, x) float32 in frames, and the standard deviation that noise gives it.

    A parabola in the logarithm of the energy is right for the curve of a lens (a Gaussian), one in the
    log posterior where noise rules; they are mixed by the signal-to-noise ratio.

    Parameters
    ----------
    label
        The best frame (y, x).
    energy, log
        Of `Evidence`.
    """
    frames = len(log)
    if frames < 3:
        return label.astype(np.float32), np.full(label.shape, _LOOSE, np.float32)
    middle = np.clip(label, 1, frames - 2)
    sharp = _sharpness(energy, middle)
    likely = _triple(log, middle)
    snr = np.exp(sharp.max(axis=0)) - np.float32(_FLOOR)
    trust = snr * snr
    trust /= trust + np.float32(_TRUST)
    # The vertex lies near the label: within half a frame, or at the ends from half to one beyond the middle.
    end = label - middle
    low = np.where(end > 0, 0.5, np.where(end < 0, -1.0, -0.5)).astype(np.float32)
    high = np.where(end > 0, 1.0, np.where(end < 0, -0.5, 0.5)).astype(np.float32)
    first, bend = _vertex(sharp, low, high)
    second, _ = _vertex(likely, low, high)
    offset = trust * first + (1 - trust) * second
    return middle.astype(np.float32) + offset, _spread(snr, bend)


def _spread(excess: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Noise of the parabola's vertex: that of three logarithms of energy over its curvature."""
    excess = np.maximum(excess, 0)
    logs = (2 + 4 * excess) / (_SAMPLES * np.square(excess + np.float32(_FLOOR)))
    return np.minimum(np.sqrt(logs / 2) / np.maximum(bend, np.float32(1e-3)), np.float32(_LOOSE))


def _sharpness(energy: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Logarithm of the smoothed energy before, at and after `middle` (3, y, x), frame by frame."""
    found = np.empty((3, *middle.shape), np.float32)
    for z, layer in enumerate(energy):
        smooth = _smooth_log(layer)
        for part, offset in zip(found, (-1, 0, 1), strict=True):
            np.copyto(part, smooth, where=middle + offset == z)
    return found


def _smooth_log(layer: np.ndarray) -> np.ndarray:
    excess = np.maximum(layer - np.float32(1), 0)
    smooth: np.ndarray = cv2.GaussianBlur(excess, (0, 0), _SMOOTH)
    return np.log(smooth + np.float32(_FLOOR))


def _triple(volume: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Values of the frames before, at and after `middle` (3, y, x)."""
    at = np.stack([middle - 1, middle, middle + 1])
    return np.take_along_axis(volume, at, axis=0)


def _vertex(triple: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offset of the parabola's vertex from the middle, and its curvature; a flat one stays in place."""
    before, at, after = triple
    bend = 2 * at - before - after
    usable = bend > 1e-4
    offset = np.divide(0.5 * (after - before), bend, out=np.sign(low + high).astype(np.float32), where=usable)
    return np.clip(offset, low, high), np.where(usable, bend, 0)

"""Passes over volumes (z, y, x) that take each value once: what NumPy would do in many."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled, exp32


@compiled
def grey(frame: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Weighted sum of the channels of a frame (y, x, channel), in their order, as float32."""
    height, width, channels = frame.shape
    for y in range(height):
        row = out[y]
        if channels == 3:
            for x in range(width):
                two = np.float32(frame[y, x, 0]) * weights[0] + np.float32(frame[y, x, 1]) * weights[1]
                row[x] = two + np.float32(frame[y, x, 2]) * weights[2]
            continue
        row[:] = 0
        for c in range(channels):
            for x in range(width):
                row[x] += np.float32(frame[y, x, c]) * weights[c]


def grey_weights(channels: int, named: tuple[int, ...] = ()) -> np.ndarray:
    """What `luminance` weighs floats by: Rec. 601 for three channels, else the mean; 0 for the others."""
    chosen = named or tuple(range(channels))
    weights = np.zeros(channels, np.float32)
    weights[list(chosen)] = (0.299, 0.587, 0.114) if len(chosen) == 3 else 1 / len(chosen)
    return weights


def largest(volume: np.ndarray) -> np.ndarray:
    """Largest value along z (y, x) float32.

    Examples
    --------
    >>> largest(np.array([[[1]], [[3]]], np.float32)).item()
    3.0
    """
    found = np.empty(volume.shape[1:], np.float32)
    _largest(volume, found)
    return found


@compiled
def _largest(volume: np.ndarray, out: np.ndarray) -> None:
    frames, height, width = volume.shape
    for y in range(height):
        best = out[y]
        best[:] = volume[0, y]
        for z in range(1, frames):
            row = volume[z, y]
            for x in range(width):
                best[x] = max(best[x], row[x])


def pick(volume: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Pixels (y, x, ...) of the frames that `at` (y, x) numbers, each from its own.

    Examples
    --------
    >>> pick(np.array([[[5, 6]], [[7, 8]]]), np.array([[1, 0]])).tolist()
    [[7, 6]]
    """
    flat = volume.reshape(*volume.shape[:3], -1)
    out = np.empty(flat.shape[1:], volume.dtype)
    _pick(flat, at, out)
    return out.reshape(volume.shape[1:])


@compiled
def _pick(volume: np.ndarray, at: np.ndarray, out: np.ndarray) -> None:
    height, width, channels = out.shape
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                out[y, x, c] = volume[at[y, x], y, x, c]


@compiled
def shares(
    log: np.ndarray,
    depth: np.ndarray,
    soft: np.float32,
    near: np.float32,
    out: np.ndarray,
    moment: np.ndarray,
) -> None:
    """Share of a power of the posterior within `near` frames of the depth, mean squared distance from it."""
    frames, height, width = log.shape
    best, total = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(height):
        best[:] = log[0, y]
        for z in range(1, frames):
            row = log[z, y]
            for x in range(width):
                best[x] = max(best[x], row[x])
        total[:] = 0
        nearby, far, here = out[y], moment[y], depth[y]
        nearby[:] = 0
        far[:] = 0
        for z in range(frames):
            row, frame = log[z, y], np.float32(z)
            for x in range(width):
                share = exp32((row[x] - best[x]) * soft)
                total[x] += share
                nearby[x] += share if abs(frame - here[x]) <= near else np.float32(0)
                far[x] += share * (frame - here[x]) * (frame - here[x])
        for x in range(width):
            nearby[x] /= total[x]
            far[x] /= total[x]

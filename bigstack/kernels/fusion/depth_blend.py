"""Fusion guided by depth: frames averaged where they are equally sharp, selected where surfaces hide others.

Each level of a Laplacian pyramid has its own weights. On a smooth surface frames are blended about the
depth, as widely as noise asks for and loss of contrast allows. Near the edge of a nearer surface, whose
defocus spreads over what lies behind it, the sharpest of the frames that it leaves clean is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.kernels.depth.noise import band_gain
from bigstack.kernels.luminance import luminance

LEVELS = 5
BLUR = 1.2
"""Growth of the blur's radius from frame to frame, pixels: a guess, which costs at most 0.1 dB."""
_NARROW, _WIDE = 0.2, 4.0  # bounds of the Gaussian along z, frames
_LAYERED = (0.7, 1.5)  # range of frames, beyond that of the surface's slope, that asks for selection
_POWER = 4  # of energy, in selection: the sharpest wins, equals share
_MISSED = 5.0  # energy elsewhere over that at the depth which says that the depth is wrong
_BASE = 1.0  # Gaussian of the base level along z, frames


@dataclass
class Plan:
    """Which frames one level takes from: maps (y, x) float32."""

    depth: np.ndarray
    low: np.ndarray
    high: np.ndarray
    noise: float
    """Variance of the noise in the level's luma."""


def depth_blend(frames: np.ndarray, depth: np.ndarray, sigma: float, valid: np.ndarray | None = None) -> np.ndarray:
    """Fuse frames (z, y, x, channel) by their depth; the image is float32, neither clipped nor rounded.

    Parameters
    ----------
    frames
        The stack, any dtype.
    depth
        Depth (y, x) in frames.
    sigma
        Standard deviation of the luma's noise, grey levels.
    valid
        Where the frames' pixels are real (z, y, x) bool, None when all are.
    """
    levels = level_count(depth.shape)
    energies = _energies(frames, levels)
    plans = _plans(depth, levels, sigma)
    weights = [_weights(energy, plan, level) for level, (energy, plan) in enumerate(zip(energies, plans, strict=False))]
    weights.append(_base_weights(plans[-1].low, len(frames)))
    return _blend(frames, weights, levels)


def level_count(shape: tuple[int, ...]) -> int:
    """Levels of detail: fewer for images so small that nothing would be left of them."""
    return max(1, min(LEVELS, int(np.log2(max(2, min(shape)))) - 1))


def _energies(frames: np.ndarray, levels: int) -> list[np.ndarray]:
    found: list[list[np.ndarray]] = [[] for _ in range(levels)]
    for frame in frames:
        low = luminance(frame.astype(np.float32))
        for level in range(levels):
            band, low = _split(low)
            np.multiply(band, band, out=band)
            found[level].append(cv2.blur(band, (5, 5)))
    return [np.stack(one) for one in found]


def _split(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = cv2.pyrDown(image)
    return cv2.subtract(image, cv2.pyrUp(low, dstsize=image.shape[1::-1])), low


def clean_until(depth: np.ndarray, blur: float = BLUR) -> np.ndarray:
    """Return the last frame (y, x) in which the pixel is free of nearer objects' defocus.

    The least of ``depth + distance / blur`` over all pixels, by two sweeps of a chamfer distance.
    """
    near = depth.astype(np.float32)
    _sweep(near, np.float32(1 / blur))
    _sweep(near[::-1], np.float32(1 / blur))
    return near


def _sweep(near: np.ndarray, step: np.float32) -> None:
    diagonal = np.float32(np.sqrt(2)) * step
    ramp = np.arange(near.shape[1], dtype=np.float32) * step
    for y in range(len(near)):
        row = near[y]
        if y:
            above = near[y - 1]
            np.minimum(row, above + step, out=row)
            np.minimum(row[1:], above[:-1] + diagonal, out=row[1:])
            np.minimum(row[:-1], above[1:] + diagonal, out=row[:-1])
        np.minimum(row, np.minimum.accumulate(row - ramp) + ramp, out=row)
        np.minimum(row, (np.minimum.accumulate((row + ramp)[::-1])[::-1]) - ramp, out=row)


def _plans(depth: np.ndarray, levels: int, sigma: float) -> list[Plan]:
    found = []
    around = np.ones((3, 3), np.uint8)
    at, low, high = depth, clean_until(depth), depth
    for level in range(levels + 1):
        low, high = cv2.erode(low, around), cv2.dilate(high, around)
        found.append(Plan(at, low, high, sigma * sigma * band_gain(level)))
        at, low, high = (np.ascontiguousarray(a[::2, ::2]) for a in (at, low, high))
    return found


def _weights(energy: np.ndarray, plan: Plan, level: int) -> np.ndarray:
    """Weights (z, y, x) of one level, which sum to 1."""
    z = np.arange(len(energy), dtype=np.float32)[:, None, None]
    best = energy.max(axis=0)
    wide = _width(cv2.blur(best, (5, 5)) / np.float32(plan.noise), level)
    smooth = np.exp(-np.square((z - plan.depth) / wide) / 2)
    smooth /= smooth.sum(axis=0)
    nearest = np.clip(np.rint(plan.depth), 0, len(energy) - 1).astype(np.intp)
    at = np.take_along_axis(energy, nearest[None], axis=0)[0]
    missed = best > _MISSED * (at + 4 * np.float32(plan.noise))
    inside = ((z >= plan.low - 0.5) & (z <= plan.high + 0.5)) | missed
    chosen = np.where(inside, energy, 0)
    chosen /= np.maximum(chosen.max(axis=0), np.float32(1e-12))
    chosen **= _POWER
    chosen /= np.maximum(chosen.sum(axis=0), np.float32(1e-12))
    layered = np.clip((plan.high - plan.low - _LAYERED[0]) / (_LAYERED[1] - _LAYERED[0]), 0, 1)
    layered[missed] = 1
    smooth += layered * (chosen - smooth)
    return smooth


def _width(ratio: np.ndarray, level: int) -> np.ndarray:
    """Gaussian along z, frames, at which loss of contrast and noise together are least."""
    snr = np.maximum(ratio - np.float32(2.5), np.float32(0.02))
    loss = (BLUR / (2 * 2**level)) ** 4 * 8 * np.sqrt(np.pi)
    return np.clip((snr * np.float32(loss)) ** np.float32(-0.2), _NARROW, _WIDE)


def _base_weights(near: np.ndarray, frames: int) -> np.ndarray:
    z = np.arange(frames, dtype=np.float32)[:, None, None]
    weights = np.exp(-np.square((z - np.clip(near, 0, frames - 1)) / np.float32(_BASE)) / 2)
    return weights / weights.sum(axis=0)


def _blend(frames: np.ndarray, weights: list[np.ndarray], levels: int) -> np.ndarray:
    channels = frames.shape[3]
    sums = [np.zeros((*w.shape[1:], channels), np.float32) for w in weights]
    for z, frame in enumerate(frames):
        low = frame.astype(np.float32)
        for level in range(levels):
            band, low = _split(low)
            sums[level] += band.reshape(sums[level].shape) * weights[level][z, :, :, None]
        sums[levels] += low.reshape(sums[levels].shape) * weights[levels][z, :, :, None]
    image = sums.pop()
    while sums:
        band = sums.pop()
        image = cv2.pyrUp(image, dstsize=band.shape[1::-1]).reshape(band.shape) + band
    return image

"""Fusion guided by depth: frames averaged where they are equally sharp, selected where surfaces hide others.

Each level of a Laplacian pyramid has its own weights. On a smooth surface frames are blended about the
depth, as widely as noise asks for and loss of contrast allows. Near the edge of a nearer surface, whose
defocus spreads over what lies behind it, the sharpest of the frames that it leaves clean is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.kernels.depth.cone import BLUR, clean_until
from bigstack.kernels.depth.noise import band_gain
from bigstack.kernels.luminance import luminance

LEVELS = 6
_NARROW, _WIDE = 0.1, 4.0  # bounds of the Gaussian along z, frames
_LAYERED = (0.7, 1.5)  # range of frames, beyond that of the surface's slope, that asks for selection
_POWER = 4  # of energy, in selection: the sharpest wins, equals share
_MISSED = 1.5  # energy elsewhere over that at the depth which says that the depth is wrong
_BEFORE, _BEHIND = 0.5, 0.5  # frames about the allowed range
_FEWEST, _STRONG = 200, 0.5  # pixels that tell how contrast falls: so many, beyond this quantile of energy
_STRIP = 1 << 18  # values that are weighed at a time
_BASE = 4.0  # Gaussian of the base level along z, frames


@dataclass
class Plan:
    """Which frames one level takes from: maps (y, x) float32."""

    depth: np.ndarray
    low: np.ndarray
    high: np.ndarray
    noise: float
    """Variance of the noise in the level's luma."""


def depth_blend(
    frames: np.ndarray,
    depth: np.ndarray,
    sigma: float,
    valid: np.ndarray | None = None,
    *,
    channels: tuple[int, ...] = (),
) -> np.ndarray:
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
    channels
        Those that focus is measured on, all when empty.
    """
    levels = level_count(depth.shape)
    energies = _energies(frames, levels, channels)
    plans = _plans(depth, levels, sigma)
    real = [None] * (levels + 1) if valid is None or valid.all() else _real(valid, levels)
    weights = []
    for level, energy in enumerate(energies):
        weights.append(_weights(energy, plans[level], level, real[level]))
    weights.append(_base_weights(plans[-1], len(frames), real[-1]))
    return _blend(frames, weights, levels)


def level_count(shape: tuple[int, ...]) -> int:
    """Levels of detail: fewer for images so small that nothing would be left of them."""
    return max(1, min(LEVELS, int(np.log2(max(2, min(shape)))) - 1))


def _energies(frames: np.ndarray, levels: int, channels: tuple[int, ...]) -> list[np.ndarray]:
    found = [
        np.empty((len(frames), *(-(-side // 2**level) for side in frames.shape[1:3])), np.float32)
        for level in range(levels)
    ]
    for z, frame in enumerate(frames):
        low = luminance(frame.astype(np.float32), channels)
        for level in range(levels):
            band, low = _split(low)
            np.multiply(band, band, out=band)
            found[level][z] = cv2.blur(band, (5, 5))
    return found


def _split(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = cv2.pyrDown(image)
    return cv2.subtract(image, cv2.pyrUp(low, dstsize=image.shape[1::-1])), low


def _plans(depth: np.ndarray, levels: int, sigma: float) -> list[Plan]:
    found = []
    around = np.ones((3, 3), np.uint8)
    at, low, high = depth, clean_until(depth), depth
    for level in range(levels + 1):
        low, high = cv2.erode(low, around), cv2.dilate(high, around)
        found.append(Plan(at, low, high, sigma * sigma * band_gain(level)))
        at, low, high = (np.ascontiguousarray(a[::2, ::2]) for a in (at, low, high))
    return found


def _weights(energy: np.ndarray, plan: Plan, level: int, real: np.ndarray | None) -> np.ndarray:
    """Weights (z, y, x) of one level, which sum to 1; they take the place of its energy."""
    if real is not None:
        energy *= real
    best = energy.max(axis=0)
    nearest = np.clip(np.rint(plan.depth), 0, len(energy) - 1).astype(np.intp)
    at = np.take_along_axis(energy, nearest[None], axis=0)[0]
    loss = contrast_loss(energy, nearest, at, plan.noise, level)
    wide = _width(cv2.blur(best, (5, 5)) / np.float32(plan.noise), loss)
    missed = best > _MISSED * (at + 4 * np.float32(plan.noise))
    layered = np.clip((plan.high - plan.low - _LAYERED[0]) / (_LAYERED[1] - _LAYERED[0]), 0, 1)
    layered[missed] = 1
    for rows in _strips(energy):  # else there would be several volumes of the size of the energy's
        part = Plan(plan.depth[rows], plan.low[rows], plan.high[rows], plan.noise)
        smooth = _blended(len(energy), part, wide[rows])
        chosen = _selected(energy[:, rows], part, missed[rows])
        smooth += layered[rows] * (chosen - smooth)
        energy[:, rows] = smooth if real is None else _only_real(smooth, part.depth, real[:, rows])
    return energy


def _strips(volume: np.ndarray) -> list[slice]:
    step = max(1, _STRIP // (volume.shape[0] * volume.shape[2]))
    return [slice(start, start + step) for start in range(0, volume.shape[1], step)]


def _blended(frames: int, plan: Plan, wide: np.ndarray) -> np.ndarray:
    """Gaussian weights about the depth."""
    z = np.arange(frames, dtype=np.float32)[:, None, None]
    weights = z - plan.depth
    weights /= wide
    np.multiply(weights, weights, out=weights)
    weights *= np.float32(-0.5)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=0)
    return weights


def _selected(energy: np.ndarray, plan: Plan, missed: np.ndarray) -> np.ndarray:
    """Weights by energy, of the frames that nearer surfaces leave clean; of all where the depth misses."""
    z = np.arange(len(energy), dtype=np.float32)[:, None, None]
    inside = ((z >= plan.low - _BEFORE) & (z <= plan.high + _BEHIND)) | missed
    weights = np.where(inside, energy, np.float32(0))
    weights /= np.maximum(weights.max(axis=0), np.float32(1e-12))
    weights **= _POWER
    weights /= np.maximum(weights.sum(axis=0), np.float32(1e-12))
    return weights


def contrast_loss(energy: np.ndarray, nearest: np.ndarray, at: np.ndarray, noise: float, level: int) -> float:
    """Return how fast contrast falls with defocus: k, where it is ``exp(-k * (frames from focus)**2)``.

    The median over the level's strongest pixels; of a lens of `BLUR` pixels a frame where too few tell.
    """
    guess = (BLUR / (2 * 2**level)) ** 2
    inside = (nearest > 0) & (nearest < len(energy) - 1) & (at > 20 * noise)
    if np.count_nonzero(inside) < _FEWEST:
        return guess
    inside &= at >= np.quantile(at[inside], _STRONG)
    y, x = np.nonzero(inside)
    n = nearest[y, x]
    beside = np.log(energy[n - 1, y, x] + noise) + np.log(energy[n + 1, y, x] + noise)
    fall = np.log(at[y, x] + noise) - beside / 2
    return float(np.clip(np.median(fall) / 2, guess / 3, guess * 6))


def _width(ratio: np.ndarray, loss: float) -> np.ndarray:
    """Gaussian along z, frames, at which loss of contrast and noise together are least."""
    snr = np.maximum(ratio - np.float32(2.5), np.float32(0.02))
    return np.clip((snr * np.float32(8 * np.sqrt(np.pi) * loss**2)) ** np.float32(-0.2), _NARROW, _WIDE)


def _base_weights(plan: Plan, frames: int, real: np.ndarray | None) -> np.ndarray:
    z = np.arange(frames, dtype=np.float32)[:, None, None]
    near = np.clip(plan.low, 0, frames - 1)
    weights = np.exp(-np.square((z - near) / np.float32(_BASE)) / 2)
    weights /= weights.sum(axis=0)
    return weights if real is None else _only_real(weights, near, real)


def _real(valid: np.ndarray, levels: int) -> list[np.ndarray]:
    """Where coefficients (z, y, x) bool of each level, and of the base, come from real pixels only."""
    found: list[list[np.ndarray]] = [[] for _ in range(levels + 1)]
    for mask in valid:
        bad = (~mask).astype(np.uint8)
        for level in range(levels):
            # A level's coefficient reaches four of its pixels; the low-pass of the next two.
            found[level].append(cv2.dilate(bad, np.ones((9, 9), np.uint8)) == 0)
            bad = np.ascontiguousarray(cv2.dilate(bad, np.ones((5, 5), np.uint8))[::2, ::2])
        found[levels].append(bad == 0)
    return [np.stack(one) for one in found]


def _only_real(weights: np.ndarray, depth: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Leave made-up pixels out; where little is left the real frame next to the depth, else all frames."""
    z = np.arange(len(weights), dtype=np.float32)[:, None, None]
    some = real.any(axis=0)
    near = np.where(real | ~some, 1 / (1 + np.square(z - depth)) ** 4, 0)
    kept = np.where(real | ~some, weights, 0) + np.float32(1e-4) * near
    return (kept / kept.sum(axis=0)).astype(np.float32)


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

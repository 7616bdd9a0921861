"""Fusion guided by depth: frames averaged where they are equally sharp, selected where surfaces hide others.

Each level of a Laplacian pyramid has its own weights. On a smooth surface frames are blended about the
depth, each by the contrast that defocus leaves it there, as widely as noise asks for; what contrast they lack
together is given back. Near the edge of a nearer surface, whose defocus spreads over what lies behind it, the
sharpest of the frames that it leaves clean is taken, and where none is, its light is taken off (`uncover`).
Noise that the blend leaves is known, and shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.kernels.depth.cone import BLUR, clean_until
from bigstack.kernels.depth.noise import band_gain
from bigstack.kernels.depth.volumes import grey, grey_weights, largest, pick
from bigstack.kernels.fusion.blend_loops import (
    CELL,
    add_band,
    add_low,
    band_energy,
    base_weights,
    planes,
    quietest,
    squares_in_cells,
    weigh,
)
from bigstack.kernels.fusion.residual import SIDE, shrink_noise
from bigstack.kernels.fusion.uncover import uncover

LEVELS = 6
_LAYERED = (0.7, 1.5)  # range of frames, beyond that of the surface's slope, that asks for selection
_MISSED = 1.5  # energy elsewhere over that at the depth which says that the depth is wrong
_BEFORE, _BEHIND = 0.5, 0.5  # frames about the allowed range
_FEWEST, _STRONG = 200, 0.5  # pixels that tell how contrast falls: so many, beyond this quantile of energy
_CENTRED = 0.25  # frames from the first or last one within which its one neighbour tells
_BASE = 4.0  # Gaussian of the base level along z, frames
# Error of the contrast that is expected of a frame, over the logarithm of its loss. 2 would be 0.06 dB
# better, but only 0.93 as sharp at noise 6.
_DOUBT = 4.5
_WEAKEST = 0.5  # contrast that is given back at most: twofold
_STEEP = 6.0  # times the fall that a lens of `BLUR` has: the steepest that weights follow
_FLATTEST, _STEEPEST = 0.2, 12.0  # pixels a frame that blur may be found to grow by
_ENOUGH = 4  # frames beside one that tell noise from texture
_LUMA = 0.67  # noise of the luma over that of independent colours
THRESHOLD = 2.2
"""Standard deviations of noise that shrinking takes a wave for, where it is asked for once."""


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
    shrink: float = 1.0,
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
    shrink
        How strongly the noise that the blend leaves is shrunk, 0 for not at all.
    """
    levels = level_count(depth.shape)
    energies = _energies(frames, levels, channels)
    plans = _plans(depth, levels, sigma)
    losses = contrast_losses(energies, plans)
    blur = blur_of(losses)
    _allow(plans, clean_until(depth, blur))
    real = [None] * (levels + 1) if valid is None or valid.all() else _real(valid, levels)
    weights = []
    for level, energy in enumerate(energies):
        weights.append(_weights(energy, plans[level], losses[level], _STEEP * _guess(level), real[level]))
    weights.append(_base_weights(plans[-1], len(frames), real[-1]))
    image = _blend(frames, weights, levels)
    if shrink > 0:
        pixel = min(sigma, _quiet_noise(frames, valid, channels)) / (_LUMA if frames.shape[3] == 3 else 1)
        # Few frames hardly tell noise from texture: of two, a pixel is sharp in one.
        trust = min(1.0, (len(frames) - 1) / _ENOUGH)
        image = shrink_noise(image, _noise_left(weights, depth.shape, pixel), shrink * trust * THRESHOLD)
    return uncover(np.ascontiguousarray(image.transpose(1, 2, 0)), frames, depth, sigma, valid, blur=blur)


def level_count(shape: tuple[int, ...]) -> int:
    """Levels of detail: fewer for images so small that nothing would be left of them."""
    return max(1, min(LEVELS, int(np.log2(max(2, min(shape)))) - 1))


def _energies(frames: np.ndarray, levels: int, channels: tuple[int, ...]) -> list[np.ndarray]:
    found = [
        np.empty((len(frames), *(-(-side // 2**level) for side in frames.shape[1:3])), np.float32)
        for level in range(levels)
    ]
    weights = grey_weights(frames.shape[3], channels)
    luma = np.empty(frames.shape[1:3], np.float32)
    for z, frame in enumerate(frames):
        grey(frame, weights, luma)
        low: np.ndarray = luma
        for level in range(levels):
            smaller = cv2.pyrDown(low)
            band_energy(low, cv2.pyrUp(smaller, dstsize=low.shape[::-1]), found[level][z])
            low = smaller
    return found


def _plans(depth: np.ndarray, levels: int, sigma: float) -> list[Plan]:
    found = []
    around = np.ones((3, 3), np.uint8)
    at = high = depth
    for level in range(levels + 1):
        high = cv2.dilate(high, around)
        found.append(Plan(at, at, high, sigma * sigma * band_gain(level)))
        at, high = (np.ascontiguousarray(a[::2, ::2]) for a in (at, high))
    return found


def _allow(plans: list[Plan], clean: np.ndarray) -> None:
    """Let every level take from the last clean frame (y, x) on."""
    for plan in plans:
        plan.low = cv2.erode(clean, np.ones((3, 3), np.uint8))
        clean = np.ascontiguousarray(plan.low[::2, ::2])


def _weights(
    energy: np.ndarray, plan: Plan, loss: tuple[float, bool], steepest: float, real: np.ndarray | None
) -> np.ndarray:
    """Weights (z, y, x) of one level; they take the place of its energy."""
    if real is not None:
        energy *= real
    best = largest(energy)
    noise = np.float32(plan.noise)
    at = pick(energy, _nearest(plan.depth, len(energy)))
    snr = np.maximum(cv2.blur(best, (5, 5)) / noise - np.float32(1.5), np.float32(0.02))
    missed = best > _MISSED * (at + 4 * noise)
    layered = np.clip((plan.high - plan.low - _LAYERED[0]) / (_LAYERED[1] - _LAYERED[0]), 0, 1)
    layered[missed] = 1
    low, high = plan.low - np.float32(_BEFORE), plan.high + np.float32(_BEHIND)
    fall, measured = loss
    fall = min(fall, steepest)
    weakest = np.float32(_WEAKEST if measured else 1)
    weigh(energy, plan.depth, low, high, snr, layered, missed, np.float32(fall), np.float32(_DOUBT), weakest)
    if real is not None:
        for rows in _strips(energy):
            energy[:, rows] = _only_real(energy[:, rows], plan.depth[rows], real[:, rows])
    return energy


def _nearest(depth: np.ndarray, frames: int) -> np.ndarray:
    return np.clip(np.rint(depth), 0, frames - 1).astype(np.intp)


def _strips(volume: np.ndarray) -> list[slice]:
    step = max(1, (1 << 18) // (volume.shape[0] * volume.shape[2]))
    return [slice(start, start + step) for start in range(0, volume.shape[1], step)]


def contrast_losses(energies: list[np.ndarray], plans: list[Plan]) -> list[tuple[float, bool]]:
    """How fast contrast falls with defocus at each level, and whether that was measured anywhere.

    k, where contrast is ``exp(-k * (frames from focus)**2)``. A level where too little tells takes that of
    the next finer, or coarser one, of which each has a fourth; all that of a lens of `BLUR` where none tells.
    """
    found = [contrast_loss(*pair) for pair in zip(energies, plans, strict=False)]
    for order in (range(1, len(found)), range(len(found) - 2, -1, -1)):
        for level in order:
            other = level - order.step
            if found[level] is None and (known := found[other]) is not None:
                found[level] = known * 4.0 ** (other - level)
    return [(_guess(level), False) if k is None else (k, True) for level, k in enumerate(found)]


def _guess(level: int) -> float:
    return float((BLUR / (2 * 2**level)) ** 2)


def blur_of(losses: list[tuple[float, bool]]) -> float:
    """Growth of the blur's radius in pixels a frame, of how contrast falls at the levels that tell it best.

    Of a disc of radius r a level's band keeps ``exp(-(r / (2 * 2**level))**2)``, nearly. Rendered scenes of
    0.6, 1.2 and 2.5 pixels are found to have 0.6, 1.0 to 1.6 and 2.5; `BLUR` where nothing is measured.
    """
    told = [2 * 2**level * k**0.5 for level, (k, measured) in enumerate(losses) if measured and k > 0]
    return min(max(float(np.median(told[1:5] or told)), _FLATTEST), _STEEPEST) if told else BLUR


def contrast_loss(energy: np.ndarray, plan: Plan) -> float | None:
    """Return the median of k over the level's strongest pixels, None where there are too few."""
    nearest = _nearest(plan.depth, len(energy))
    at = pick(energy, nearest)
    off = plan.depth - nearest
    last = len(energy) - 1
    inside = ((nearest > 0) & (nearest < last)) | (np.abs(off) < _CENTRED)
    inside &= (at > 20 * plan.noise) & (last > 0)
    if np.count_nonzero(inside) < _FEWEST:
        return None
    inside &= at >= np.quantile(at[inside], _STRONG)
    y, x = np.nonzero(inside)
    n = nearest[y, x]
    falls, steps = np.zeros(len(n)), np.zeros(len(n))
    for side in (-1, 1):
        there = (n + side >= 0) & (n + side <= last)
        beside = energy[np.clip(n + side, 0, last), y, x]
        falls += np.where(there, np.log(at[y, x] + plan.noise) - np.log(beside + plan.noise), 0)
        # Squared distance from focus of the neighbour less that of the nearest frame; both add up to 2.
        steps += np.where(there, 1 - 2 * side * off[y, x], 0)
    # Energies are squares, hence half.
    return max(float(np.median(falls / steps)) / 2, 0.0)


def _base_weights(plan: Plan, frames: int, real: np.ndarray | None) -> np.ndarray:
    near = np.clip(plan.low, 0, frames - 1).astype(np.float32)
    weights = np.empty((frames, *near.shape), np.float32)
    base_weights(near, np.float32(_BASE), weights)
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
    """Weighted sum (channel, y, x) of the frames' pyramids, put together."""
    channels = frames.shape[3]
    sums = [np.zeros((channels, *w.shape[1:]), np.float32) for w in weights]
    images = np.empty((channels, *frames.shape[1:3]), np.float32)
    for z, frame in enumerate(frames):
        planes(frame, images)
        for c in range(channels):
            low = images[c]
            for level in range(levels):
                smaller = cv2.pyrDown(low)
                up = cv2.pyrUp(smaller, dstsize=low.shape[::-1])
                add_band(low, up, weights[level][z], sums[level][c])
                low = smaller
            add_low(low, weights[levels][z], sums[levels][c])
    image = sums.pop()
    while sums:
        band = sums.pop()
        for low, sharp in zip(image, band, strict=True):
            sharp += cv2.pyrUp(low, dstsize=sharp.shape[::-1])
        image = band
    return image


def _quiet_noise(frames: np.ndarray, valid: np.ndarray | None, channels: tuple[int, ...]) -> float:
    """Standard deviation of the luma's noise where frames are out of focus: texture is none.

    Of two frames one is sharp nearly everywhere, so what is typical of a frame is not noise alone.
    """
    shape = frames.shape[1:3]
    cells = np.full([(side + CELL) // (2 * CELL) for side in shape], np.inf, np.float32)
    if not cells.size:
        return np.inf
    weights, luma = grey_weights(frames.shape[3], channels), np.empty(shape, np.float32)
    all_real = np.empty((0, 0), bool)
    for z, frame in enumerate(frames):
        grey(frame, weights, luma)
        quietest(luma, all_real if valid is None else valid[z], cells)
    # The mean of a Gaussian's absolute values is 0.798 of its deviation; the residual's taps make it 6 fold.
    return float(np.median(cells)) / (0.798 * 6)


def _noise_left(weights: list[np.ndarray], shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Standard deviation (level, y, x) of a pixel's noise after the blend, for cells of 8 pixels."""
    cells = tuple(-(-side // SIDE) for side in shape)
    found = np.empty((len(weights), *cells), np.float32)
    for level, (one, out) in enumerate(zip(weights, found, strict=True)):
        squares_in_cells(one, level, out)
    found *= np.float32(sigma)
    return found

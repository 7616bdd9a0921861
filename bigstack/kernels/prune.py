"""Which frames may be sharpest in a part of the image, told from smaller copies; and stand-ins for the rest.

A frame that is out of focus has nothing in it that its smaller copy has not: seen at a quarter of the size it
still shows where it is sharp (the finest waves that the copy can hold), and enlarged it is the frame but for
noise. Focus is the energy of those waves, fourth differences in y and in x, which the slow shades that
defocused surroundings throw onto smooth places hardly have.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from bigstack.kernels.pyramid import expand

BLOCK = 8
"""Pixels a side, of the smaller copy, of the blocks in which focus is measured."""

SHARE = 0.15
"""Focus of a frame, as a share of that of the best one in the block, from which it may hold the sharpest
pixels."""

MARGIN = 1
"""Frames kept beyond the first and the last that may."""

SURE = 6.0
"""Standard deviations above noise from which focus counts."""

TELLING = 0.1
"""Share of a cell's blocks that have to show where they are sharp; below it every frame is kept."""

_SPREAD = 1.6
"""By how much a block's energy of noise spreads more than that of independent pixels."""

_ROUNDING = 2 * 70 / 256 / 12
"""Energy a pixel that rounding to whole numbers gives."""

REACH = 4
"""Pixels of the smaller copy around a window that its enlargement depends on."""


def detail(copy: np.ndarray) -> np.ndarray:
    """Focus of the blocks of a smaller copy (y, x, channel): float64, one number a block, borders mirrored.

    What is left over at the bottom and at the right counts as a block of its own, as if it were whole.
    """
    values = np.nan_to_num(copy.astype(np.float64), posinf=0.0, neginf=0.0)
    energy = np.zeros(copy.shape[:2])
    for channel in range(copy.shape[2]):
        for axis in (0, 1):
            wave = _fourth(values[..., channel], axis)
            energy += wave * wave
    height, width = copy.shape[:2]
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = np.pad(energy, ((0, rows * BLOCK - height), (0, columns * BLOCK - width)))
    sums = padded.reshape(rows, BLOCK, columns, BLOCK).sum(axis=(1, 3))
    filled = np.minimum(BLOCK, height - np.arange(rows) * BLOCK)[:, None] * np.minimum(
        BLOCK, width - np.arange(columns) * BLOCK
    )
    return np.asarray(sums * (BLOCK**2 / filled))


def _fourth(image: np.ndarray, axis: int) -> np.ndarray:
    size = image.shape[axis]
    pad = [(2, 2) if i == axis else (0, 0) for i in range(2)]
    rows = np.pad(image, pad, mode="reflect" if size > 2 else "edge").swapaxes(0, axis)
    total = rows[2 : 2 + size] * 6.0
    total -= (rows[1 : 1 + size] + rows[3 : 3 + size]) * 4.0
    total += rows[:size] + rows[4 : 4 + size]
    return (total / 16.0).swapaxes(0, axis)


def sharp_blocks(focus: np.ndarray, *, whole: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames that may be sharpest, block by block.

    Parameters
    ----------
    focus
        (z, y, x) of `detail`.
    whole
        Whether pixels are whole numbers, whose rounding is noise.

    Returns
    -------
    tuple
        Which frames are needed (z, y, x); which blocks show where they are sharp (y, x); the least focus
        that counts (y, x).
    """
    floor = float(np.quantile(np.quantile(focus, 0.25, axis=0), 0.25))
    least = max(floor, _ROUNDING * BLOCK**2 if whole else 1e-12)
    sure = SURE * _SPREAD * least * np.sqrt(2 / BLOCK**2)
    above = focus - floor
    best = above.max(axis=0)
    counts = np.maximum(SHARE * best, sure)
    return (above >= counts) & (best > sure), best > sure, counts + floor


def widen(needed: np.ndarray) -> np.ndarray:
    """Frames (z, ...) with `MARGIN` more before and after."""
    wide = needed.copy()
    for shift in range(1, MARGIN + 1):
        wide[shift:] |= needed[:-shift]
        wide[:-shift] |= needed[shift:]
    return wide


def cells_of(needed: np.ndarray, telling: np.ndarray, side: int) -> np.ndarray:
    """What cells of `side` x `side` blocks, and a rim of cells around them, need: (z, y + 2, x + 2) bool.

    A block's frames are needed one block around it too, where focus is weighed together with its own.
    """
    frames, height, width = needed.shape
    rows, columns = -(-height // side), -(-width // side)
    full = np.zeros((frames, (rows + 2) * side, (columns + 2) * side), bool)
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            full[:, side + y : side + y + height, side + x : side + x + width] |= needed
    cells: np.ndarray = np.asarray(full.reshape(frames, rows + 2, side, columns + 2, side).any(axis=(2, 4)))
    shown = np.zeros((rows * side, columns * side))
    shown[:height, :width] = telling
    there = np.zeros((rows * side, columns * side))
    there[:height, :width] = 1
    share = _sums(shown, side) / _sums(there, side)
    cells[:, 1:-1, 1:-1] |= share < TELLING
    return cells


def _sums(blocks: np.ndarray, side: int) -> np.ndarray:
    rows, columns = blocks.shape[0] // side, blocks.shape[1] // side
    return np.asarray(blocks.reshape(rows, side, columns, side).sum(axis=(1, 3)))


def enlarge(copy: np.ndarray, factor: int, dtype: np.dtype) -> np.ndarray:
    """A window of a smaller copy, whose pixels are means of `factor` x `factor`, at full size.

    Parameters
    ----------
    copy
        (y, x, channel) with `REACH` more pixels on every side than are wanted.
    factor
        2, 4 or 8.
    dtype
        Of the result, and of `copy`.

    Waves that are slow beside the copy's pixels come out as they were, to the fourth order: a short filter
    undoes what averaging and enlarging by cubic B-splines take away, and the half pixel they are off.
    """
    taps = _taps(factor)
    values = copy.astype(np.float64)
    for axis in (0, 1):
        values = _filtered(values, taps, axis)
    stages = factor.bit_length() - 1
    if dtype == np.float32:
        wide: np.ndarray = values.astype(np.float32)
        for _ in range(stages):
            wide = expand(wide, (2 * wide.shape[0], 2 * wide.shape[1]))
    else:
        lift = 7 if dtype == np.uint8 else 0
        wide = np.rint(np.clip(values, 0, np.iinfo(dtype).max) * (1 << lift)).astype(np.uint16)
        for _ in range(stages):
            wide = _up(wide)
        if lift:
            # Half to even, as a mean of many frames shows a bias.
            half = np.uint16((1 << lift - 1) - 1) + (wide >> np.uint16(lift) & np.uint16(1))
            wide = ((wide + half) >> np.uint16(lift)).astype(np.uint8)
    cut = (REACH - 2) * factor
    return wide[cut : wide.shape[0] - cut - factor, cut : wide.shape[1] - cut - factor]


def _up(image: np.ndarray) -> np.ndarray:
    up = cv2.pyrUp(image)
    return up if up.ndim == 3 else up[..., None]


@lru_cache(maxsize=8)
def _taps(factor: int) -> tuple[float, ...]:
    """Weights of the samples -2, -1, 0, 1 that give the value at the corner of a sample's pixels."""
    stages = factor.bit_length() - 1
    off = (factor - 1) / (2 * factor)
    lost = 1 / 12 * (1 - 1 / factor**2) + sum(0.25**stage for stage in range(1, stages + 1))
    places = np.array([-2, -1, 0, 1]) + off
    found = np.linalg.solve(np.vander(places, 4, increasing=True).T, [1.0, 0.0, -lost, 0.0])
    return tuple(float(value) for value in found)


def _filtered(values: np.ndarray, taps: tuple[float, ...], axis: int) -> np.ndarray:
    """The four taps along an axis; 2 samples at the start and 1 at the end are used up."""
    rows = values.swapaxes(0, axis)
    size = len(rows) - 3
    total = rows[:size] * taps[0]
    for shift in (1, 2, 3):
        total += rows[shift : shift + size] * taps[shift]
    return total.swapaxes(0, axis)

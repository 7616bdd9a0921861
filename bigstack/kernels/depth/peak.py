"""Depth between frames: parabolas through the evidence at the best frame and its neighbours."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.three_point import bounds, cusp_of, gaps_of, lens_vertex, vertex
from bigstack.kernels.jit import compiled, exp32, log32

_TRUST = 16.0  # squared signal-to-noise at which energy and posterior count alike
SMOOTH, _REACH = 3.0, 9  # Gaussian that energies are smoothed by, and where it ends, pixels
_SLACK = 0.75  # frames from the label at most: regularisation rounds it now and then to the wrong side
_ROWS, _COLUMNS = 32, 64  # of the pieces that are smoothed where a label asks for them
_FLOOR = 0.3
# Energies are averaged as logarithms, else the strongest texture of the window tells the depth of all of it;
# weak ones, which are noise, as they are.
_LIFT = np.float32(30.0)
_SAMPLES = 60.0  # independent values of energy in the windows of both smoothings
_SPARSE, _EVIDENT, _FEWEST = (
    7,
    20.0,
    50,
)  # pixels that tell how fast focus falls: every 7th, so strong, so many
_ENOUGH, _MOST_APART = 1.3, 4  # fall from frame to frame that is wanted, frames at most
_LOOSE = 5.0  # frames; more is as good as knowing nothing


def sub_frame(
    label: np.ndarray,
    energy: np.ndarray,
    log: np.ndarray,
    positions: tuple[float, ...] = (),
    *,
    smooth: float = SMOOTH,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the depth (y, x) float32 in frames, the standard deviation that noise gives it, and the fall.

    The fall is the curvature of the logarithm of focus at the peak, frame by frame, at least 0.

    The logarithm of the energy has the shape of a lens's curve (`cusp_of`), the log posterior is right where
    noise rules; they are mixed by the signal-to-noise ratio. Unevenly spaced frames have parabolas. Where
    focus falls little from frame to frame, frames further apart are taken (`stride_of`).

    Parameters
    ----------
    label
        The best frame (y, x).
    energy, log
        Of `Evidence`.
    positions
        Z of the frames where they are not evenly spaced; the result is in frames all the same.
    smooth
        Standard deviation in pixels, at most 3, of the Gaussian that energies are averaged by.
    """
    if len(log) < 3:
        return label.astype(np.float32), *_unknown(label)
    middle = np.clip(label, 1, len(log) - 2)
    wide = 1 if positions else stride_of(label, energy)
    apart = np.where((label >= wide) & (label < len(log) - wide), wide, 1)
    sharp = _sharpness(energy, middle, apart, smooth)
    likely = _triple(log, middle, apart)
    snr = np.exp(sharp.max(axis=0)) - np.float32(_FLOOR)
    trust = snr * snr
    trust /= trust + np.float32(_TRUST)
    low, high = bounds(label - middle, _SLACK)
    gaps = gaps_of(positions, middle)
    first, bend = vertex(sharp, low, high, gaps)
    second, _ = vertex(likely, low, high, gaps)
    if gaps is None:
        cusp = cusp_of(sharp)
        first, second = lens_vertex(sharp, cusp, low, high), lens_vertex(likely, cusp, low, high)
    steps = apart.astype(np.float32)
    offset = steps * (trust * first + (1 - trust) * second)
    return middle.astype(np.float32) + offset, steps * _spread(snr, bend), bend / np.square(steps)


def stride_of(label: np.ndarray, energy: np.ndarray) -> int:
    """Frames from the best one to those that its depth is fitted with: 1, or more where focus falls slowly.

    Three values that hardly differ tell little: the error that noise and texture make of them falls with the
    distance of the frames, as long as they still see the same focus. One number for all of a block, by the
    median over strong pixels, as it depends on the lens.
    """
    at = np.ascontiguousarray(label[::_SPARSE, ::_SPARSE])
    at = np.clip(at, 1, len(energy) - 2)
    middle, (y, x) = at, np.indices(at.shape) * _SPARSE
    before, best, after = (energy[middle + step, y, x] for step in (-1, 0, 1))
    strong = best > _EVIDENT
    if np.count_nonzero(strong) < _FEWEST:
        return 1
    logs = [np.log(np.maximum(one[strong] - 1, 0) + np.float32(_FLOOR)) for one in (before, best, after)]
    fall = max(float(np.median(2 * logs[1] - logs[0] - logs[2])), 1e-3)
    return int(np.clip(np.rint((_ENOUGH / fall) ** 0.5), 1, _MOST_APART))


def spread_of(label: np.ndarray, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation (y, x) float32 that noise gives a parabola's vertex, in frames, and the fall."""
    if len(energy) < 3:
        return _unknown(label)
    middle = np.clip(label, 1, len(energy) - 2)
    sharp = _sharpness(energy, middle, np.ones_like(middle), SMOOTH)
    _, bend = vertex(sharp, *bounds(label - middle))
    return _spread(np.exp(sharp.max(axis=0)) - np.float32(_FLOOR), bend), bend


def _unknown(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full(label.shape, _LOOSE, np.float32), np.zeros(label.shape, np.float32)


def _spread(excess: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Noise of the parabola's vertex: that of three logarithms of energy over its curvature."""
    excess = np.maximum(excess, 0)
    logs = (2 + 4 * excess) / (_SAMPLES * np.square(excess + np.float32(_FLOOR)))
    return np.minimum(np.sqrt(logs / 2) / np.maximum(bend, np.float32(1e-3)), np.float32(_LOOSE))


def _sharpness(energy: np.ndarray, middle: np.ndarray, apart: np.ndarray, smooth: float) -> np.ndarray:
    """Logarithm of the smoothed energy `apart` frames before, at and after `middle` (3, y, x)."""
    found = np.empty((3, *middle.shape), np.float32)
    taps = cv2.getGaussianKernel(2 * _REACH + 1, smooth).ravel()[_REACH:].astype(np.float32)
    pad = (_REACH,) * 4
    for z, layer in enumerate(energy):
        padded = cv2.copyMakeBorder(layer, *pad, cv2.BORDER_REFLECT_101)
        _smooth_where(padded, taps, middle, apart, z, np.float32(_FLOOR), found)
    return found


@compiled
def _smooth_where(
    padded: np.ndarray,
    taps: np.ndarray,
    middle: np.ndarray,
    apart: np.ndarray,
    z: int,
    floor: np.float32,
    out: np.ndarray,
) -> None:
    """Fill in frame `z` where it is wanted: only there is it worth smoothing."""
    height, width = middle.shape
    reach = taps.shape[0] - 1
    lifted = np.empty((_ROWS + 2 * reach, _COLUMNS + 2 * reach), np.float32)
    down = np.empty((_ROWS, _COLUMNS + 2 * reach), np.float32)
    smooth = np.empty(_COLUMNS, np.float32)
    for top in range(0, height, _ROWS):
        for left in range(0, width, _COLUMNS):
            rows, columns = min(_ROWS, height - top), min(_COLUMNS, width - left)
            wanted = False
            for y in range(top, top + rows):
                for x in range(left, left + columns):
                    off = abs(middle[y, x] - z)
                    wanted |= (off == 0) | (off == apart[y, x])
            if not wanted:
                continue
            for y in range(rows + 2 * reach):
                to, row = lifted[y], padded[top + y, left : left + columns + 2 * reach]
                for x in range(columns + 2 * reach):
                    to[x] = log32(max(row[x] - np.float32(1), np.float32(0)) + _LIFT)
            for y in range(rows):
                to = down[y, : columns + 2 * reach]
                to[:] = 0
                for k in range(-reach, reach + 1):
                    tap, row = taps[abs(k)], lifted[y + reach + k]
                    for x in range(columns + 2 * reach):
                        to[x] += tap * row[x]
            for y in range(rows):
                smooth[:] = 0
                for k in range(2 * reach + 1):
                    tap, row = taps[abs(k - reach)], down[y, k : k + columns]
                    for x in range(columns):
                        smooth[x] += tap * row[x]
                for x in range(columns):
                    off, step = z - middle[top + y, left + x], apart[top + y, left + x]
                    if off == 0 or abs(off) == step:
                        mean = max(exp32(smooth[x]) - _LIFT, np.float32(0))
                        out[1 + off // step, top + y, left + x] = log32(mean + floor)


def _triple(volume: np.ndarray, middle: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Values of the frames `apart` before, at and after `middle` (3, y, x)."""
    found = np.empty((3, *middle.shape), np.float32)
    _gather_triple(volume, middle, apart, found)
    return found


@compiled
def _gather_triple(volume: np.ndarray, middle: np.ndarray, apart: np.ndarray, out: np.ndarray) -> None:
    height, width = middle.shape
    for y in range(height):
        for x in range(width):
            for k in range(3):
                out[k, y, x] = volume[middle[y, x] + (k - 1) * apart[y, x], y, x]

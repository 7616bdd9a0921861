"""Depth between frames: parabolas through the evidence at the best frame and its neighbours."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.three_point import bounds, cusp_of, gaps_of, lens_vertex, vertex
from bigstack.kernels.jit import compiled, exp32, log32

_TRUST = 16.0  # squared signal-to-noise at which energy and posterior count alike
_SMOOTH, _REACH = 3.0, 9  # Gaussian that energies are smoothed by, and where it ends, pixels
_ROWS, _COLUMNS = 32, 64  # of the pieces that are smoothed where a label asks for them
_FLOOR = 0.3
# Energies are averaged as logarithms, else the strongest texture of the window tells the depth of all of it;
# weak ones, which are noise, as they are.
_LIFT = np.float32(30.0)
_SAMPLES = 60.0  # independent values of energy in the windows of both smoothings
_LOOSE = 5.0  # frames; more is as good as knowing nothing


def sub_frame(
    label: np.ndarray, energy: np.ndarray, log: np.ndarray, positions: tuple[float, ...] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the depth (y, x) float32 in frames, the standard deviation that noise gives it, and the fall.

    The fall is the curvature of the logarithm of focus at the peak, frame by frame, at least 0.

    The logarithm of the energy has the shape of a lens's curve (`cusp_of`), the log posterior is right where
    noise rules; they are mixed by the signal-to-noise ratio. Unevenly spaced frames have parabolas.

    Parameters
    ----------
    label
        The best frame (y, x).
    energy, log
        Of `Evidence`.
    positions
        Z of the frames where they are not evenly spaced; the result is in frames all the same.
    """
    if len(log) < 3:
        return label.astype(np.float32), *_unknown(label)
    middle = np.clip(label, 1, len(log) - 2)
    sharp = _sharpness(energy, middle)
    likely = _triple(log, middle)
    snr = np.exp(sharp.max(axis=0)) - np.float32(_FLOOR)
    trust = snr * snr
    trust /= trust + np.float32(_TRUST)
    low, high = bounds(label - middle)
    gaps = gaps_of(positions, middle)
    first, bend = vertex(sharp, low, high, gaps)
    second, _ = vertex(likely, low, high, gaps)
    if gaps is None:
        cusp = cusp_of(sharp)
        first, second = lens_vertex(sharp, cusp, low, high), lens_vertex(likely, cusp, low, high)
    offset = trust * first + (1 - trust) * second
    return middle.astype(np.float32) + offset, _spread(snr, bend), bend


def spread_of(label: np.ndarray, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation (y, x) float32 that noise gives a parabola's vertex, in frames, and the fall."""
    if len(energy) < 3:
        return _unknown(label)
    middle = np.clip(label, 1, len(energy) - 2)
    sharp = _sharpness(energy, middle)
    _, bend = vertex(sharp, *bounds(label - middle))
    return _spread(np.exp(sharp.max(axis=0)) - np.float32(_FLOOR), bend), bend


def _unknown(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full(label.shape, _LOOSE, np.float32), np.zeros(label.shape, np.float32)


def _spread(excess: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Noise of the parabola's vertex: that of three logarithms of energy over its curvature."""
    excess = np.maximum(excess, 0)
    logs = (2 + 4 * excess) / (_SAMPLES * np.square(excess + np.float32(_FLOOR)))
    return np.minimum(np.sqrt(logs / 2) / np.maximum(bend, np.float32(1e-3)), np.float32(_LOOSE))


def _sharpness(energy: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Logarithm of the smoothed energy before, at and after `middle` (3, y, x)."""
    found = np.empty((3, *middle.shape), np.float32)
    taps = cv2.getGaussianKernel(2 * _REACH + 1, _SMOOTH).ravel()[_REACH:].astype(np.float32)
    pad = (_REACH,) * 4
    for z, layer in enumerate(energy):
        padded = cv2.copyMakeBorder(layer, *pad, cv2.BORDER_REFLECT_101)
        _smooth_where(padded, taps, middle, z, np.float32(_FLOOR), found)
    return found


@compiled
def _smooth_where(
    padded: np.ndarray, taps: np.ndarray, middle: np.ndarray, z: int, floor: np.float32, out: np.ndarray
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
                    wanted |= abs(middle[y, x] - z) <= 1
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
                    offset = z - middle[top + y, left + x] + 1
                    if 0 <= offset <= 2:
                        mean = max(exp32(smooth[x]) - _LIFT, np.float32(0))
                        out[offset, top + y, left + x] = log32(mean + floor)


def _triple(volume: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Values of the frames before, at and after `middle` (3, y, x)."""
    found = np.empty((3, *middle.shape), np.float32)
    _gather_triple(volume, middle, found)
    return found


@compiled
def _gather_triple(volume: np.ndarray, middle: np.ndarray, out: np.ndarray) -> None:
    height, width = middle.shape
    for y in range(height):
        for x in range(width):
            for k in range(3):
                out[k, y, x] = volume[middle[y, x] + k - 1, y, x]

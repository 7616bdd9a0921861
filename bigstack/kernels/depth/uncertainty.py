"""Standard deviation of a depth and confidence in it, from the evidence it rests on.

Where the tree is the evidence a small network, fitted to rendered scenes (`calibration`), turns what speaks
for an error into a deviation. A single focus measure, whose energies mean something else, has a sum of fewer
terms, which one pass over the frames can find too.
"""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth import calibration
from bigstack.kernels.depth.tree import Evidence
from bigstack.kernels.depth.volumes import pick, shares
from bigstack.kernels.jit import compiled, exp32, log32

_SOFT = 0.4  # power of the posterior: levels share their evidence, which makes it too sure of itself
_NEAR = 1.5  # frames
_WINDOW = 5  # pixels a side in which depths are compared
_NEAREST, _WIDER, _MOVES = 17, 33, 9  # sides of the windows of `signs`
_FARTHEST, _MOST = 5.0, 3.0  # frames in front of the cone, and moved: more say nothing more
TERMS = (0.201, 0.009668, 0.001993, 3.595e-6, 0.001681)
"""Weights of `terms`, fitted to rendered scenes: the largest likelihood of errors with Student's tails."""
POWER, SCALE = 0.3711, 1.2
"""The deviation is `SCALE` times the weighted sum to this power, so that errors lie within it as often as a
Gaussian's do, over scenes."""
_STEPS = 1024.0  # of a frame
_LEAST = np.float32(1e-6)
LEAST = 0.005
"""Frames: no depth is surer than that."""


def signs(
    evidence: Evidence, depth: np.ndarray, first: np.ndarray, fall: np.ndarray, clean: np.ndarray
) -> tuple[np.ndarray, ...]:
    """What speaks for an error: maps (y, x) float32, at least 0, in the order of `calibration.SIGNS`.

    Parameters
    ----------
    evidence
        What the depth was found from.
    depth, first
        Depth as it is, and before it was refined.
    fall
        Curvature of the logarithm of focus at the peak, frame by frame.
    clean
        Last frame in which nearer surfaces' defocus does not reach the pixel.
    """
    depth = np.ascontiguousarray(depth, np.float32)
    frame = np.clip(np.rint(depth), 0, len(evidence.energy) - 1).astype(np.intp)
    moved = np.abs(depth - first)
    across = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=1 / 8)
    near, far = _posterior(evidence.log, depth)
    found = {
        "variance": spread_nearby(depth),
        "excess": evidence.peak - 1,
        "fall": fall,
        "missing": 1 - pick(evidence.energy, frame) / np.maximum(evidence.peak, _LEAST),
        "doubt": far,
        "range": _range(depth, _NEAREST),
        "wider": _range(depth, _WIDER),
        "texture": evidence.snr,
        "moves": cv2.blur(np.minimum(moved, np.float32(_MOST)), (_MOVES, _MOVES)),
        "slope": np.sqrt(np.square(across) + np.square(down)),
        "hidden": np.clip(depth - clean, -_FARTHEST, _FARTHEST) + np.float32(_FARTHEST),
        "unlike": 1 - near,
        "moved": moved,
    }
    return tuple(np.ascontiguousarray(found[name], np.float32) for name in calibration.SIGNS)


def _range(depth: np.ndarray, side: int) -> np.ndarray:
    around = np.ones((side, side), np.uint8)
    return cv2.dilate(depth, around) - cv2.erode(depth, around)


def deviation(found: tuple[np.ndarray, ...], frames: int) -> np.ndarray:
    """Return the standard deviation (y, x) float32 of depth, in frames, that `signs` speak for.

    It is `LEAST` or more, and at most that of a depth that may be anywhere in so many frames.
    """
    out = np.empty(found[0].shape, np.float32)
    bounds = np.log(np.array([LEAST, max(frames / 12**0.5, 2 * LEAST)])).astype(np.float32)
    _network(found, out, bounds, *calibration.tables())
    return out


@compiled
def _network(
    found: tuple[np.ndarray, ...],
    out: np.ndarray,
    bounds: np.ndarray,
    floors: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    hidden: np.ndarray,
    shift: np.ndarray,
    answer: np.ndarray,
    straight: np.ndarray,
) -> None:
    """Deviation whose logarithm is a weighted sum of logarithms, and of `hidden` softsigns of such sums."""
    count, (height, width) = len(found), out.shape
    logs, unit = np.empty((count, width), np.float32), np.empty(width, np.float32)
    one, zero = np.float32(1), np.float32(0)
    for y in range(height):
        to = out[y]
        to[:] = shift[len(answer)]
        for k in range(count):
            row, seen = found[k][y], logs[k]
            for x in range(width):
                seen[x] = min(max(log32(max(row[x], zero) + floors[k]), low[k]), high[k])
                to[x] += straight[k] * seen[x]
        for n in range(len(answer)):
            unit[:] = shift[n]
            for k in range(count):
                seen = logs[k]
                for x in range(width):
                    unit[x] += hidden[n, k] * seen[x]
            for x in range(width):
                to[x] += answer[n] * unit[x] / (one + abs(unit[x]))
        for x in range(width):
            to[x] = exp32(min(max(to[x], bounds[0]), bounds[1]))


def terms(evidence: Evidence, depth: np.ndarray, first: np.ndarray, fall: np.ndarray) -> list[np.ndarray]:
    """What speaks for an error (y, x) where a single focus measure is the evidence.

    How far refinement moved the depth, and the variance of depths nearby, in squared frames; how little
    texture there is at the pixel itself; the square of how steeply focus falls from frame to frame, as few
    frames see the peak; and what share of the strongest energy is missing at the depth.
    """
    frame = np.clip(np.rint(depth), 0, len(evidence.energy) - 1).astype(np.intp)
    return [
        np.square(depth - first),
        spread_nearby(depth),
        1 / (1 + np.maximum(evidence.peak - 1, 0)),
        np.square(fall),
        1 - pick(evidence.energy, frame) / np.maximum(evidence.peak, _LEAST),
    ]


def spread_nearby(depth: np.ndarray) -> np.ndarray:
    """Variance (y, x) float32 of depths in a small window; sums of whole numbers, the same in any tile."""
    steps, sides = np.rint(depth.astype(np.float64) * _STEPS), (_WINDOW, _WINDOW)
    mean = cv2.boxFilter(steps, -1, sides, normalize=False) / _WINDOW**2
    square = cv2.boxFilter(np.square(steps), -1, sides, normalize=False) / _WINDOW**2
    return (np.maximum(square - np.square(mean), 0) / _STEPS**2).astype(np.float32)


def deviation_of(found: list[np.ndarray]) -> np.ndarray:
    """Standard deviation (y, x) float32 of `terms`."""
    total = np.full(found[0].shape, _LEAST, np.float32)
    for weight, term in zip(TERMS, found, strict=True):
        total += np.float32(weight) * term
    return np.float32(SCALE) * total ** np.float32(POWER)


def confidence(log: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the share of the posterior (y, x) float32 that lies within 1.5 frames of the depth."""
    return _posterior(log, depth)[0]


def _posterior(log: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the posterior near the depth, and its mean squared distance from it, (y, x) float32."""
    near, far = np.empty(depth.shape, np.float32), np.empty(depth.shape, np.float32)
    shares(log, np.ascontiguousarray(depth, np.float32), np.float32(_SOFT), np.float32(_NEAR), near, far)
    return np.clip(near, 0, 1), far

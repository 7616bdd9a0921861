"""Confidence-weighted diffusion: an elastic sheet through the depths that are sure, torn at depth edges.

A median leaves steps where a surface slopes, and patches where there is little texture. The sheet that is
drawn to every depth by its certainty, and to its neighbours by a spring, has neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STIFFNESS = 3.0
"""Springs between neighbours, against a depth of unit variance."""
TEAR = 2.0
"""Frames between neighbours at which a spring has lost half its force."""
PASSES = 2
"""Sheets laid, each torn where the one before is steep: steps of the median close, those of depth do not."""
_ITERATIONS = 16  # of conjugate gradients: the sheet reaches some thirty pixels from what is sure
_LOOSE = 1e-2  # certainty of a depth that has no evidence of its own
_NOISE = 0.1  # frames: error of the surest depth
_KEEP = 40.0  # certainty at which a pixel counts as much as the sheet at half the size
_DOUBT = 3.0  # energy over noise below which a depth's own evidence is soon worth nothing


@dataclass
class _Sheet:
    """Springs of one sheet: to the data, to the right and down."""

    data: np.ndarray
    right: np.ndarray
    down: np.ndarray

    def force(self, depth: np.ndarray) -> np.ndarray:
        """Pull of data and neighbours on every point, for data at 0."""
        total = self.data * depth
        pull = self.right * (depth[:, 1:] - depth[:, :-1])
        total[:, :-1] -= pull
        total[:, 1:] += pull
        pull = self.down * (depth[1:] - depth[:-1])
        total[:-1] -= pull
        total[1:] += pull
        return total

    def stiffness(self) -> np.ndarray:
        """Sum of all springs at every point."""
        total = self.data.copy()
        total[:, :-1] += self.right
        total[:, 1:] += self.right
        total[:-1] += self.down
        total[1:] += self.down
        return total


def certainty(excess: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Inverse variance (y, x) float32 of depths, from their energy over noise.

    Parameters
    ----------
    excess
        Largest energy over that of noise, less one.
    sure
        bool: the depth rests on the pixel's own energy. Others hardly count.
    """
    doubt = np.float32(_DOUBT) / np.maximum(excess, np.float32(0.05))
    variance = np.float32(_NOISE**2) + np.square(np.square(doubt))
    return np.where(sure, np.maximum(1 / variance, np.float32(_LOOSE)), np.float32(_LOOSE)).astype(np.float32)


def stretch(
    depth: np.ndarray,
    data: np.ndarray,
    weight: np.ndarray,
    *,
    stiffness: float = STIFFNESS,
    tear: float = TEAR,
    passes: int = PASSES,
) -> np.ndarray:
    """Return the depth (y, x) float32 of a sheet drawn to `data` and torn where `depth` jumps.

    The least of ``weight * (d - data)**2`` plus ``stiffness * t * (difference of neighbours)**2``, with
    t = 1 / (1 + (jump / tear)**4) (Perona and Malik 1990, doi:10.1109/34.56205, for the tear; Terzopoulos
    1986, doi:10.1109/TPAMI.1986.4767807, for the sheet), found at half the size by a fixed number of
    conjugate gradients: the same block gives the same bits.

    Parameters
    ----------
    depth
        Depth (y, x) float32 that tells where to tear, and from which the solution starts.
    data
        Depths to be drawn to.
    weight
        Certainty of `data`, an inverse variance, more than 0.
    stiffness, tear, passes
        Strength of springs, jump in frames that halves it, and sheets laid one after the other.

    Examples
    --------
    >>> steps = np.tile(np.floor(np.arange(48, dtype=np.float32) / 16), (48, 1))
    >>> sure = np.where(np.arange(48) % 16 < 2, 100, 0.001).astype(np.float32) * np.ones((48, 1), np.float32)
    >>> bool(abs(stretch(steps, steps, sure)[:, 8] - 0.47).max() < 0.05)
    True
    """
    whole = _in_pairs(weight)
    wanted = _in_pairs(weight * data)
    at: np.ndarray = np.ascontiguousarray(depth[::2, ::2])
    for _ in range(passes):
        sheet = _Sheet(
            whole,
            _springs(at[:, 1:] - at[:, :-1], stiffness, tear),
            _springs(at[1:] - at[:-1], stiffness, tear),
        )
        at = _relax(sheet, at, wanted)
    found = _enlarge(at, depth, tear / 2)
    # What is sure to the pixel is not smoothed by the size.
    kept = weight / (weight + np.float32(_KEEP))
    return found + kept * (data - found)


def _in_pairs(values: np.ndarray) -> np.ndarray:
    """Sums (y, x) of two by two values, of what there is at the edges."""
    found = values[::2, ::2].copy()
    found[: values.shape[0] // 2] += values[1::2, ::2]
    found[:, : values.shape[1] // 2] += values[::2, 1::2]
    found[: values.shape[0] // 2, : values.shape[1] // 2] += values[1::2, 1::2]
    return found


def _springs(jump: np.ndarray, stiffness: float, tear: float) -> np.ndarray:
    return np.float32(stiffness) / (1 + np.square(np.square(jump / np.float32(tear))))


def _enlarge(small: np.ndarray, depth: np.ndarray, tear: float) -> np.ndarray:
    """Twice the size: means of the nearest samples, without those on the other side of an edge of `depth`."""
    wide = np.pad(small, ((0, 1), (0, 1)), mode="edge")
    found = np.empty_like(depth)
    for y in (0, 1):
        for x in (0, 1):
            part = depth[y::2, x::2]
            total = np.float32(1e-3) * part
            weight = np.full(part.shape, 1e-3, np.float32)
            for dy in range(y + 1):
                for dx in range(x + 1):
                    near = wide[dy : dy + part.shape[0], dx : dx + part.shape[1]]
                    share = _springs(near - part, 1.0, tear)
                    total += share * near
                    weight += share
            found[y::2, x::2] = total / weight
    return found


def _relax(sheet: _Sheet, depth: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Conjugate gradients, preconditioned by the diagonal."""
    inverse = 1 / sheet.stiffness()
    depth = depth.copy()
    left = pull - sheet.force(depth)
    step = inverse * left
    energy = _dot(left, step)
    for _ in range(_ITERATIONS):
        if energy <= 0:
            break
        moved = sheet.force(step)
        length = np.float32(energy / max(_dot(step, moved), 1e-30))
        depth += length * step
        left -= length * moved
        scaled = inverse * left
        before, energy = energy, _dot(left, scaled)
        step *= np.float32(energy / before)
        step += scaled
    return depth


def _dot(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.einsum("yx,yx->", one, other, dtype=np.float64))

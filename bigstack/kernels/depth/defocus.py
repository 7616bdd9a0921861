"""Depth from defocus: how much the image in focus must be blurred to look like each frame tells the depth."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.volumes import pick

REACH = 4
"""Frames on each side of the depth that are compared."""
BLURS = 9
"""Blurs tried, from none to that of `REACH` frames and a half."""
_WINDOW = 9  # pixels a side that blurs are compared in
_MOST = 0.5  # frames that the fit may move a depth
_NOISE = 4.0  # contrast over that of noise from which on the fit counts half


def from_defocus(lumas: np.ndarray, depth: np.ndarray, sigma: float, *, blur: float = 1.2) -> np.ndarray:
    """Return the depth (y, x) float32, moved to where the blurs of the frames around it ask for it.

    The image in focus, put together by `depth`, is blurred by Gaussians; in each frame the blur that fits
    best in a window is found, between blurs by a parabola, and the lens's model, the square of the blur
    growing as that of the distance from focus, is fitted to the frames about the depth by least squares
    (Subbarao and Surya 1994, doi:10.1007/BF02028349; Suwajanakorn et al. 2015,
    doi:10.1109/CVPR.2015.7298972). Little contrast moves little.

    Parameters
    ----------
    lumas
        Frames (z, y, x) float32.
    depth
        Depth (y, x) in frames.
    sigma
        Standard deviation of their noise.
    blur
        Growth of the blur's radius from frame to frame, pixels.

    Examples
    --------
    >>> from bigstack.synthetic import render_stack
    >>> made = render_stack(depth="ramp", shape=(48, 64), frames=9, seed=1)
    >>> lumas = made.stack.values.mean(axis=3, dtype=np.float32)
    >>> truth = made.truth.depth.values.astype(np.float32)
    >>> found = from_defocus(lumas, np.rint(truth), 1.0)
    >>> bool(np.abs(found - truth).mean() < np.abs(np.rint(truth) - truth).mean())
    True
    """
    label = np.clip(np.rint(depth), 0, len(lumas) - 1).astype(np.intp)
    sharp = pick(lumas, label)
    # A disc of this radius spreads as a Gaussian of half of it.
    deviations = np.linspace(0, blur / 2 * (REACH + 0.5), BLURS)
    blurred = [sharp if s == 0 else cv2.GaussianBlur(sharp, (0, 0), float(s)) for s in deviations]
    moments = np.zeros((5, *depth.shape), np.float64)
    values = np.zeros((3, *depth.shape), np.float64)
    for z, luma in enumerate(lumas):
        away = np.float32(z) - label.astype(np.float32)
        near = np.abs(away) <= REACH
        if not near.any():
            continue
        square = _best_blur(luma, blurred, deviations)
        weight = near.astype(np.float64)
        for power in range(5):
            moments[power] += weight
            if power < 3:
                values[power] += weight * square
            weight = weight * away
    return _moved(depth, label, _vertex(moments, values), _trust(sharp, blurred[-1], sigma))


def _best_blur(luma: np.ndarray, blurred: list[np.ndarray], deviations: np.ndarray) -> np.ndarray:
    """Square of the blur (y, x) of one frame."""
    cost = np.stack([cv2.blur(np.square(luma - image), (_WINDOW, _WINDOW)) for image in blurred])
    best = np.clip(cost.argmin(axis=0), 1, len(blurred) - 2)
    before, at, after = (pick(cost, best + k) for k in (-1, 0, 1))
    bend = before + after - 2 * at
    offset = np.divide(before - after, 2 * bend, out=np.zeros_like(at), where=bend > 1e-6)
    found = (best + np.clip(offset, -1, 1)) * np.float32(deviations[1])
    return np.square(found)


def _vertex(m: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vertex of the parabola through the squares of blurs, in frames from the label; NaN where none."""
    minors = (m[2] * m[4] - m[3] ** 2, m[1] * m[4] - m[2] * m[3], m[1] * m[3] - m[2] ** 2)
    slope = -v[0] * minors[1] + v[1] * (m[0] * m[4] - m[2] ** 2) - v[2] * (m[0] * m[3] - m[1] * m[2])
    bend = v[0] * minors[2] - v[1] * (m[0] * m[3] - m[1] * m[2]) + v[2] * (m[0] * m[2] - m[1] ** 2)
    whole = m[0] * minors[0] - m[1] * minors[1] + m[2] * minors[2]
    usable = (whole > 1e-6) & (bend > 1e-3 * whole)
    return np.where(usable, -slope / np.where(usable, 2 * bend, 1), np.nan)


def _trust(sharp: np.ndarray, soft: np.ndarray, sigma: float) -> np.ndarray:
    """Share (y, x) that the fit counts, from the contrast that blur takes away."""
    contrast = cv2.blur(np.square(sharp - soft), (_WINDOW, _WINDOW)) / np.float32(sigma * sigma)
    excess = np.maximum(contrast - 1, 0)
    return excess / (excess + np.float32(_NOISE))


def _moved(depth: np.ndarray, label: np.ndarray, vertex: np.ndarray, trust: np.ndarray) -> np.ndarray:
    target = label + vertex
    off = np.where(np.isnan(target), 0, target - depth)
    # One that wants to go far compares surfaces, not blurs.
    off = np.where(np.abs(off) <= 2 * _MOST, np.clip(off, -_MOST, _MOST), 0)
    return (depth + trust * off).astype(np.float32)

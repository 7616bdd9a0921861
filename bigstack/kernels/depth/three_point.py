"""Depth between frames from three values of focus: the vertex of the parabola through them.

Through the values themselves, or through their logarithms: focus falls off as a Gaussian, nearly (Subbarao
and Choi 1995, doi:10.1109/34.368173). Frames need not be evenly spaced.
"""

from __future__ import annotations

import numpy as np

FLOOR = 1e-3
"""Least focus over that of noise whose logarithm is taken."""
_STRAIGHT = 2.75  # loss of the logarithm from frame to frame at which the sides of the curve are straight
_SHARPEST = -0.3  # cusps no sharper than that


def three_point(
    label: np.ndarray, focus: np.ndarray, *, gaussian: bool, positions: tuple[float, ...] = ()
) -> np.ndarray:
    """Return the depth (y, x) float32 in frames from focus at, before and after `label`.

    Parameters
    ----------
    label
        The best frame (y, x).
    focus
        Focus (z, y, x) float32, at least 0.
    gaussian
        Whether the parabola goes through the logarithms.
    positions
        Z of the frames where they are not evenly spaced; the result is in frames all the same.

    Examples
    --------
    >>> z = np.arange(5)
    >>> curve = np.exp(-np.square(z - 2.3) / 2).astype(np.float32)[:, None, None]
    >>> three_point(np.array([[2]]), curve, gaussian=True).round(3)
    array([[2.3]], dtype=float32)
    """
    if len(focus) < 3:
        return label.astype(np.float32)
    middle = np.clip(label, 1, len(focus) - 2)
    triple = np.take_along_axis(focus, np.stack([middle - 1, middle, middle + 1]), axis=0)
    return peak_of(triple, middle, label, gaussian=gaussian, positions=positions)


def peak_of(
    triple: np.ndarray,
    middle: np.ndarray,
    label: np.ndarray,
    *,
    gaussian: bool,
    positions: tuple[float, ...] = (),
) -> np.ndarray:
    """Return the depth in frames of three values (3, y, x) about frame `middle`; `label` is the best."""
    values = np.log(np.maximum(triple, np.float32(FLOOR))) if gaussian else triple
    offset, _ = vertex(values, *bounds(label - middle), gaps=gaps_of(positions, middle))
    return middle.astype(np.float32) + offset


def bounds(end: np.ndarray, slack: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest offset of the vertex from the middle frame.

    Within `slack` of the label; where that is the first or the last frame (`end` -1 or 1), from half to
    one frame beyond the middle, else a surface at the last frame would be a quarter off.
    """
    low = np.where(end > 0, 0.5, np.where(end < 0, -1.0, -slack)).astype(np.float32)
    high = np.where(end > 0, 1.0, np.where(end < 0, -0.5, slack)).astype(np.float32)
    return low, high


def gaps_of(positions: tuple[float, ...], middle: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Z from the frame before to each middle frame, and to the frame after; None where evenly spaced."""
    if not positions:
        return None
    steps = np.diff(np.asarray(positions, np.float64)).astype(np.float32)
    return steps[middle - 1], steps[middle]


def vertex(
    triple: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    gaps: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Offset of the parabola's vertex from the middle in frames, and its curvature; a flat one stays.

    `gaps` are the z between the three where they differ: frames between are then as far apart as those.
    """
    before, at, after = triple
    if gaps is None:
        rise, bend = 0.5 * (after - before), 2 * at - before - after
    else:
        # In units of the mean gap, so that flat is the same for all spacings.
        mean = (gaps[0] + gaps[1]) / 2
        early, late = gaps[0] / mean, gaps[1] / mean
        up, on = (at - before) / early, (after - at) / late
        rise, bend = (up * late + on * early) / 2, up - on
    usable = bend > 1e-4
    offset = np.divide(rise, bend, out=np.sign(low + high).astype(np.float32), where=usable)
    if gaps is not None:
        offset = np.where(usable, offset / np.where(offset > 0, late, early), offset)
    return np.clip(offset, low, high), np.where(usable, bend, 0)


def cusp_of(triple: np.ndarray) -> np.ndarray:
    """Shape (y, x) float32 of a lens's focus curve: 1 for a parabola of logarithms, 0 for straight sides.

    The logarithm of focus is a parabola only where the blur grows little from frame to frame; where it grows
    much the curve has a cusp. For discs and Gaussians of 0.6 to 3.5 pixels a frame the shape depends on what
    is lost from the middle frame to the worse of its neighbours, hardly on where between them focus is.

    Parameters
    ----------
    triple
        Logarithms of focus (3, y, x) of evenly spaced frames.
    """
    worse, better = np.minimum(triple[0], triple[2]), np.maximum(triple[0], triple[2])
    loss = triple[1] - worse + np.maximum(better - triple[1], 0) / 2
    return np.maximum(1 - np.square(loss / np.float32(_STRAIGHT)), np.float32(_SHARPEST))


def lens_vertex(triple: np.ndarray, cusp: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Offset (y, x) float32 of focus from the middle of three frames, for a curve of the shape `cusp`.

    With `far` and `near` what is lost to the worse and to the better neighbour, it is
    (far - near) / (2 (far + cusp near)): a parabola's where cusp is 1. Depths of five frames 2.5 pixels apart
    are up to 0.13 frames too near to whole ones by parabolas, 0.01 so where there is little noise.

    Examples
    --------
    >>> straight = -2 * np.abs(np.arange(-1, 2, dtype=np.float32) - 0.2).reshape(3, 1, 1)
    >>> round(float(lens_vertex(straight, np.zeros((1, 1)), *bounds(np.zeros((1, 1))))[0, 0]), 3)
    0.2
    """
    before, at, after = triple
    far, near = at - np.minimum(before, after), at - np.maximum(before, after)
    below = 2 * (far + cusp * near)
    usable = (far + near > 1e-4) & (below > 1e-4)
    flat = np.broadcast_to(np.sign(np.abs(low + high)), far.shape).astype(np.float32)
    offset = np.divide(far - near, below, out=flat, where=usable)
    return np.clip(np.where(after > before, offset, -offset), low, high)

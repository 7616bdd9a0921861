"""Depth between frames from the whole focus curve: a Gaussian fitted to all of it by least squares."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.depth.three_point import FLOOR, three_point

ROUNDS = 3
"""Fits, each weighted by the squares of the curve of the one before."""
_NEAR = 2.0  # frames about the label that the first fit weighs, as a Gaussian: other surfaces' peaks stay out
_REACH = 1.0  # frames that the peak may lie from the label


def curve_fit(label: np.ndarray, focus: np.ndarray, positions: tuple[float, ...] = ()) -> np.ndarray:
    """Return the depth (y, x) float32 in frames of a Gaussian fitted to each pixel's focus over all frames.

    A parabola is fitted to the logarithms, weighted by the square of the fitted curve, so that noise in the
    tails does not count (Guo 2011, doi:10.1109/MSP.2011.941846). Sums over z are all that is kept.

    Parameters
    ----------
    label
        The best frame (y, x).
    focus
        Focus (z, y, x) float32, at least 0.
    positions
        Z of the frames where they are not evenly spaced; the result is in frames all the same.

    Examples
    --------
    >>> z = np.arange(9)
    >>> curve = np.exp(-np.square(z - 4.4) / 8).astype(np.float32)[:, None, None]
    >>> curve_fit(np.array([[4]]), curve).round(3)
    array([[4.4]], dtype=float32)
    """
    if len(focus) < 3:
        return label.astype(np.float32)
    start = three_point(label, focus, gaussian=True, positions=positions)
    places = np.asarray(positions or range(len(focus)), np.float64)
    unit = abs(places[-1] - places[0]) / (len(places) - 1)
    centre = places[label]
    model: tuple[np.ndarray, ...] | None = None
    for _ in range(ROUNDS):
        model = _parabola(focus, (places, unit, centre), model)
    assert model is not None
    slope, bend, _ = model
    usable = bend < -1e-4
    top = np.divide(-slope, 2 * bend, out=np.zeros_like(slope), where=usable)
    found = _in_frames(centre + unit * top, places)
    close = usable & (np.abs(found - label) <= _REACH)
    return np.where(close, found, start).astype(np.float32)


def _parabola(
    focus: np.ndarray,
    where: tuple[np.ndarray, float, np.ndarray],
    model: tuple[np.ndarray, ...] | None,
) -> tuple[np.ndarray, ...]:
    """Slope, bend and height of the logarithms of focus about the label."""
    places, unit, centre = where
    moments = [np.zeros(centre.shape) for _ in range(5)]
    values = [np.zeros(centre.shape) for _ in range(3)]
    for place, layer in zip(places, focus, strict=True):
        away = (place - centre) / unit
        height = np.log(np.maximum(layer, FLOOR), dtype=np.float64)
        # The curve to the square; its height does not matter, but must not overflow.
        fitted = -np.square(away / _NEAR) / 2 if model is None else away * (model[0] + away * model[1])
        weight = np.exp(2 * np.clip(fitted, -20, 10))
        for power in range(5):
            moments[power] += weight
            if power < 3:
                values[power] += weight * height
            weight *= away
    return _solved(moments, values)


def _solved(m: list[np.ndarray], v: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Solve the normal equations of ``height + slope * a + bend * a**2`` by Cramer's rule."""
    one, two, three = m[2] * m[4] - m[3] ** 2, m[1] * m[4] - m[2] * m[3], m[1] * m[3] - m[2] ** 2
    whole = m[0] * one - m[1] * two + m[2] * three
    whole = np.where(np.abs(whole) > 1e-12, whole, np.inf)
    four, five = m[0] * m[4] - m[2] ** 2, m[0] * m[3] - m[1] * m[2]
    height = (v[0] * one - v[1] * two + v[2] * three) / whole
    slope = (-v[0] * two + v[1] * four - v[2] * five) / whole
    bend = (v[0] * three - v[1] * five + v[2] * (m[0] * m[2] - m[1] ** 2)) / whole
    return slope, bend, height


def _in_frames(depth: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Depths as positions between frames."""
    order = 1 if places[-1] >= places[0] else -1
    return np.interp(depth * order, places * order, np.arange(len(places)))

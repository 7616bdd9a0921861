"""Gains of all frames at once, from the brightness of image blocks."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError


def flicker_gains(levels: np.ndarray) -> np.ndarray:
    """Tell the gain of each frame from what the scene does, by the mean of blocks (frame, block).

    The ratio of two frames is the median of their blocks' ratios, blocks weighted by brightness: what
    changes in fewer than half of them (something moves, a highlight spreads with defocus) does not count,
    where the mean of the whole frame would take it for flicker. Ratios of frames 1, 2, 4, 8, ... apart are
    reconciled by least squares, near ones with more weight as they see more alike, so that errors do not
    add up along the stack. On 7 of 9 rendered stacks that flicker and breathe (benchmarks/corrections.py)
    this leaves less flicker than the ratio of means, most so where highlights spread with defocus.

    Parameters
    ----------
    levels
        Mean brightness, NaN where a block had no pixels to count; values not above 0 are left out too.

    Returns
    -------
    Gains (frame,) float64, their median 1.

    Raises
    ------
    InputError
        When a frame has no block that is not black, or none in common with the others.

    Examples
    --------
    >>> levels = np.outer([1.0, 1.2, 0.9], [10.0, 20.0, 40.0, 80.0])
    >>> flicker_gains(levels).round(6).tolist()
    [1.0, 1.2, 0.9]
    """
    frames = len(levels)
    usable = np.isfinite(levels) & (levels > 0)
    if not usable.any(axis=1).all():
        dark = np.flatnonzero(~usable.any(axis=1)).tolist()
        raise InputError(f"frames {dark} are black where they were measured; leave them out of the stack")
    logs = np.where(usable, np.log(np.where(usable, levels, 1.0)), np.nan)
    matrix, right = np.zeros((frames, frames)), np.zeros(frames)
    apart = 1
    while apart < frames:
        _add_pairs(matrix, right, *_ratios(logs[:-apart], logs[apart:]), apart)
        apart *= 2
    if np.linalg.matrix_rank(matrix) < frames - 1:
        raise InputError("some frames have no block in common that is not black: leave out the darkest")
    # Only ratios are known: the mean logarithm, which is free, is set to 0.
    gains = np.exp(np.linalg.solve(matrix + 1.0, right))
    return np.asarray(gains / np.median(gains))


def _ratios(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted medians over blocks of ``second - first`` (pair,), and which pairs have any block."""
    ratios, weights = second - first, np.exp((first + second) / 2)
    known = np.isfinite(ratios)
    weights = np.where(known, weights, 0.0)
    order = np.argsort(np.where(known, ratios, np.inf), axis=1, kind="stable")
    ranked = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    middle = (ranked < ranked[:, -1:] / 2).sum(axis=1).clip(0, order.shape[1] - 1)
    found = np.take_along_axis(ratios, np.take_along_axis(order, middle[:, None], axis=1), axis=1)[:, 0]
    return found, known.any(axis=1)


def _add_pairs(
    matrix: np.ndarray, right: np.ndarray, ratios: np.ndarray, known: np.ndarray, apart: int
) -> None:
    """Add to the normal equations that frame ``i + apart`` is so much brighter than frame i."""
    weight = 1.0 / apart
    for i in np.flatnonzero(known):
        j = i + apart
        matrix[i, i] += weight
        matrix[j, j] += weight
        matrix[i, j] -= weight
        matrix[j, i] -= weight
        right[i] -= weight * ratios[i]
        right[j] += weight * ratios[i]

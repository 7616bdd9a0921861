"""Gains of all frames at once, from the brightness of image blocks."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError

_TUKEY = 4.685  # 95 % efficiency on Gaussian errors
_ROUNDS = 100


def flicker_gains(levels: np.ndarray) -> np.ndarray:
    """Split the mean of every frame's blocks (frame, block) into gain of the frame x brightness of the scene.

    Robust least squares on logarithms: ``ln level = ln gain[frame] + ln scene[block]`` with Tukey's
    biweight, from medians on. A block whose content changes (something moves, a highlight spreads with
    defocus) is an outlier in some frames and counts little there, where the mean of the whole frame would
    take it for flicker; and as all frames are solved together, errors don't add up along the stack.

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
        When a frame has no block that is not black.

    Examples
    --------
    >>> levels = np.outer([1.0, 1.2, 0.9], [10.0, 20.0, 40.0, 80.0])
    >>> flicker_gains(levels).round(6).tolist()
    [1.0, 1.2, 0.9]
    """
    usable = np.isfinite(levels) & (levels > 0)
    if not usable.any(axis=1).all():
        dark = np.flatnonzero(~usable.any(axis=1)).tolist()
        raise InputError(f"frames {dark} are black where they were measured; leave them out of the stack")
    logs = np.where(usable, np.log(np.where(usable, levels, 1.0)), np.nan)[:, usable.any(axis=0)]
    gains = _medians(logs)
    for _ in range(_ROUNDS):
        previous = gains
        gains = _reweigh(logs, gains)
        if np.abs(gains - previous).max() < 1e-9:
            break
    gains = np.exp(gains)
    return np.asarray(gains / np.median(gains))


def _medians(logs: np.ndarray) -> np.ndarray:
    scene = np.nanmedian(logs, axis=0)
    gains = np.nanmedian(logs - scene, axis=1)
    scene = np.nanmedian(logs - gains[:, None], axis=0)
    return np.asarray(np.nanmedian(logs - scene, axis=1))


def _reweigh(logs: np.ndarray, gains: np.ndarray) -> np.ndarray:
    scene = np.nanmedian(logs - gains[:, None], axis=0)
    residuals = logs - gains[:, None] - scene
    spread = 1.4826 * np.nanmedian(np.abs(residuals))
    if spread < 1e-12:
        return gains
    weights = np.nan_to_num(np.clip(1 - (residuals / (_TUKEY * spread)) ** 2, 0, None) ** 2)
    total = weights.sum(axis=1)
    change = np.nansum(weights * np.nan_to_num(residuals), axis=1) / np.maximum(total, 1e-12)
    return np.asarray(gains + np.where(total > 0, change, 0.0))

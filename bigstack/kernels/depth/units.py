"""Depths in frames as depths in the units of z, which need not be evenly spaced."""

from __future__ import annotations

import numpy as np


def depth_at(position: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return z (float32) at positions that lie between frames.

    Examples
    --------
    >>> depth_at(np.array([0.5, 2.0], np.float32), np.array([0.0, 10.0, 40.0])).tolist()
    [5.0, 40.0]
    """
    return np.interp(position, np.arange(len(z)), z).astype(np.float32)


def uneven(z: np.ndarray) -> tuple[float, ...]:
    """Positions of frames that are not evenly spaced; empty where they are, or do not go one way.

    Examples
    --------
    >>> uneven(np.array([0.0, 0.1, 0.2])), uneven(np.array([0.0, 1.0, 4.0]))
    ((), (0.0, 1.0, 4.0))
    """
    steps = np.diff(np.asarray(z, np.float64))
    one_way = len(steps) > 1 and bool((steps > 0).all() or (steps < 0).all())
    if not one_way or np.ptp(steps) <= 1e-3 * abs(steps.mean()):
        return ()
    return tuple(float(value) for value in z)


def deviation_at(deviation: np.ndarray, position: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return a standard deviation in frames as one in z (float32): times the distance of frames there."""
    if len(z) < 2:
        return np.zeros_like(deviation)
    steps = np.abs(np.gradient(np.asarray(z, np.float64)))
    return (deviation * np.interp(position, np.arange(len(z)), steps)).astype(np.float32)

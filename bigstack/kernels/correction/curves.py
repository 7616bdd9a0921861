"""The curves of balance: a factor, an exponent, or straight lines between matched values."""

from __future__ import annotations

import numpy as np


def evaluate(values: np.ndarray, curve: str, parameters: tuple[float, ...], top: float) -> np.ndarray:
    """Put float values through a curve; float32 stays float32, and nothing is clipped.

    Every value depends on itself alone. Values at or below 0 have no power and stay as they are in a gamma
    curve; beyond the outermost matched values a curve of ``match_hist`` goes on with slope 1.

    Examples
    --------
    >>> evaluate(np.array([10.0, 20.0]), "linear", (1.5,), 255).tolist()
    [15.0, 30.0]
    """
    kind = values.dtype.type
    if curve == "linear":
        return values * kind(parameters[0])
    if curve == "gamma":
        return _gamma(values, parameters[0], top)
    return _between(values, parameters).astype(kind, copy=False)


def _gamma(values: np.ndarray, exponent: float, top: float) -> np.ndarray:
    kind = values.dtype.type
    # Contiguous, so that NumPy takes the same vector path for every element of every window.
    share = np.ascontiguousarray(np.maximum(values, kind(0)) * kind(1 / top))
    return np.where(values > 0, np.power(share, kind(1 / exponent)) * kind(top), values)


def _between(values: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    half = len(parameters) // 2
    x, y = np.array(parameters[:half]), np.array(parameters[half:])
    inside = np.clip(values.astype(np.float64), x[0], x[-1])
    return np.interp(inside, x, y) + (values - inside)


def table(dtype: np.dtype, curve: str, parameters: tuple[float, ...]) -> np.ndarray:
    """The curve for every value of an integer dtype, rounded and clipped to its range.

    Examples
    --------
    >>> table(np.dtype("uint8"), "linear", (1.5,))[[0, 1, 3, 200]].tolist()
    [0, 2, 4, 255]
    """
    top = int(np.iinfo(dtype).max)
    values = evaluate(np.arange(top + 1, dtype=np.float64), curve, parameters, top)
    return np.clip(np.rint(values), 0, top).astype(dtype)

"""Vignetting: the mean of rings about the centre, models of how light falls off, and the way back.

The centre is that of the image, between pixels where a side is even. Models, all ``V(r) = S(r) / S(0)``:

- ``sigmoid``: ``S(r) = i0 / (1 + exp(exp(k (r - r0))))``, exponents clipped to 10 in magnitude;
- ``cos4``: ``S(r) = i0 / (1 + t r^2)^2``, the cosine-to-the-fourth law of a thin lens;
- ``polynomial``: ``S(r) = i0 (1 + a2 r^2 + a4 r^4 + a6 r^6)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bigstack.errors import InputError, choose
from bigstack.kernels.correction.balance import restore

RINGS = 100
LEAST = 1e-6
"""V is kept at or above this, so that no pixel is divided by 0."""

_CLIP = 10.0
_DISTANCES = (1, 2, 4, 8, 16, 32)
_STARTS: dict[str, tuple[tuple[float, ...], ...]] = {
    "sigmoid": ((3.0, 1.2), (8.0, 0.9), (15.0, 0.8)),
    "cos4": ((0.1,), (0.8,)),
    "polynomial": ((-0.1, 0.0, 0.0),),
}
"""First guesses of the parameters after i0, with the corner's radius as unit of length."""

_TABLE = 1 << 14  # with straight lines in between, 1 / V is good to 1e-7


def sigmoid(r: np.ndarray, i0: float, k: float, r0: float) -> np.ndarray:
    """``i0 / (1 + exp(exp(k (r - r0))))`` with both exponents clipped to +-10."""
    inner = np.exp(np.clip(k * (np.asarray(r, np.float64) - r0), -_CLIP, _CLIP))
    return np.asarray(i0 / (1 + np.exp(np.minimum(inner, _CLIP))))


def cos4(r: np.ndarray, i0: float, t: float) -> np.ndarray:
    """``i0 / (1 + t r^2)^2``."""
    return np.asarray(i0 / (1 + t * np.square(np.asarray(r, np.float64))) ** 2)


def polynomial(r: np.ndarray, i0: float, a2: float, a4: float, a6: float) -> np.ndarray:
    """``i0 (1 + a2 r^2 + a4 r^4 + a6 r^6)``."""
    s = np.square(np.asarray(r, np.float64))
    return np.asarray(i0 * (1 + s * (a2 + s * (a4 + s * a6))))


@dataclass(frozen=True, slots=True)
class Model:
    """A model's curve, its number of parameters, and a first guess from radii and intensities."""

    curve: Callable[..., np.ndarray]
    size: int
    guess: Callable[[np.ndarray, np.ndarray], tuple[float, ...]]


def _guess_cos4(radii: np.ndarray, levels: np.ndarray) -> tuple[float, float]:
    drop = max(levels[-1] / levels[0], 0.05) if levels[0] > 0 else 1.0
    return float(levels[0]), float(max(drop**-0.5 - 1, 1e-3) / radii[-1] ** 2)


MODELS: dict[str, Model] = {
    "sigmoid": Model(sigmoid, 3, lambda r, i: (2 * float(i.max()), 10 / float(r[-1]), float(np.median(r)))),
    "cos4": Model(cos4, 2, _guess_cos4),
    "polynomial": Model(polynomial, 4, lambda r, i: (float(i[0]), 0.0, 0.0, 0.0)),
}
"""Every model by name."""


def radius_of_corner(shape: tuple[int, int]) -> float:
    """Half the diagonal of a frame (height, width), in pixels: where the last ring ends."""
    return float(np.hypot(shape[0] / 2, shape[1] / 2))


def ring_radii(shape: tuple[int, int], rings: int = RINGS) -> np.ndarray:
    """Middle of each ring (rings,) in pixels."""
    return np.asarray((np.arange(rings) + 0.5) * radius_of_corner(shape) / rings)


def ring_sums(
    levels: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    shape: tuple[int, int],
    rings: int = RINGS,
    valid: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of integer `levels` (y, x) and number of pixels in each ring, both int64 (rings,).

    `y` and `x` are the absolute positions of the rows and columns in a frame of `shape`; where `valid` (y, x)
    is False nothing is counted.

    Examples
    --------
    >>> ring_sums(np.ones((4, 4), int), np.arange(4), np.arange(4), (4, 4), rings=2)[1].tolist()
    [4, 12]
    """
    radius = np.sqrt(_squared(y, shape[0])[:, None] + _squared(x, shape[1])) / 2
    ring = (radius * (rings / radius_of_corner(shape))).astype(np.int64).clip(0, rings - 1)
    ring = ring.ravel() if valid is None else ring[valid]
    counts = np.bincount(ring, minlength=rings)
    # Sums of float64 that hold integers are exact below 2**53.
    levels = levels.ravel() if valid is None else levels[valid]
    sums = np.bincount(ring, weights=levels, minlength=rings)
    return sums.astype(np.int64), counts


def _squared(positions: np.ndarray, size: int) -> np.ndarray:
    """Four times the squared distance from the middle of an axis, an integer."""
    return np.square(2 * positions.astype(np.int64) - (size - 1))


def fit_falloff(radii: np.ndarray, intensities: np.ndarray, model: str) -> tuple[tuple[float, ...], float]:
    """Fit a model to the mean intensity of rings by least squares, every ring counting alike.

    Rings that hold NaN (no pixels) are left out.

    Returns
    -------
    The parameters, in pixels of `radii`, and the root mean square error relative to S(0).

    Raises
    ------
    InputError
        When there are too few rings, or they are black.

    Examples
    --------
    >>> r = np.linspace(1, 900, 100)
    >>> parameters, error = fit_falloff(r, sigmoid(r, 300.0, 0.006, 800.0), "sigmoid")
    >>> [round(p, 4) for p in parameters]
    [300.0, 0.006, 800.0]
    """
    from scipy.optimize import least_squares

    entry = MODELS[choose(model, MODELS, "vignetting model")]
    usable = np.isfinite(intensities)
    r, i = radii[usable], intensities[usable]
    if r.size <= entry.size or not i.max() > 0:
        raise InputError(
            f"vignetting needs more than {entry.size} rings that are not black, got {int((i > 0).sum())}"
        )
    # In units of the largest radius and intensity, all parameters are near 1.
    size, light = float(r.max()), float(i.max())
    scales = _scales(model, size, light)
    start = np.array(entry.guess(r / size, i / light))
    lower = np.zeros(entry.size) if model != "polynomial" else np.full(entry.size, -np.inf)
    found = least_squares(
        lambda p: entry.curve(r / size, *p) - i / light,
        np.maximum(start, lower + 1e-9),
        bounds=(lower, np.inf),
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    parameters = tuple(float(v) for v in found.x * scales)
    return parameters, relative_error(r, i, model, parameters)


def fit_gradients(
    image: np.ndarray, y: np.ndarray, x: np.ndarray, shape: tuple[int, int], model: str
) -> tuple[tuple[float, ...], float]:
    """Fit a model such that the image divided by it has the least total variation of its logarithm.

    Differences over 1, 2, 4, ... 32 pixels count by their magnitude, so few but large ones, the edges of
    the scene, hardly move the answer, where the mean of a ring takes in whatever is bright or dark there.
    On rendered scenes (benchmarks/corrections.py) the largest error of V is, for patches, a third of that of
    rings, for lines and dots a tenth, but threefold for photographs without large bright or dark areas. After
    the idea of Zheng et al. 2008 (doi:10.1109/CVPR.2008.4587413) that an image's gradients, vignetting
    aside, are as often up as down.

    Parameters
    ----------
    image
        Mean luminance (y, x) of blocks of pixels, NaN where there is none.
    y, x
        Where the blocks' middles are, in pixels of a frame of `shape`.

    Returns
    -------
    The parameters, and the mean magnitude of the logarithm's differences that is left.

    Raises
    ------
    InputError
        When the image is black or has fewer than 3 x 3 blocks.

    Examples
    --------
    >>> side = np.arange(5.0, 1000, 10)
    >>> r = np.hypot(side[:, None] - 499.5, side - 499.5)
    >>> parameters, left = fit_gradients(cos4(r, 200.0, 1e-6), side, side, (1000, 1000), "cos4")
    >>> round(parameters[0], 3), round(parameters[1] * 1e6, 4)
    (200.0, 1.0)
    """
    from scipy.optimize import minimize

    entry = MODELS[choose(model, MODELS, "vignetting model")]
    bright = np.isfinite(image) & (image > 0)
    if min(image.shape) < 3 or not bright.any():
        raise InputError("vignetting needs an image of at least 3 x 3 blocks that is not black")
    logs = np.log(np.where(bright, image, 1.0))
    logs[~bright] = np.nan
    corner = radius_of_corner(shape)
    radius = np.hypot((y - (shape[0] - 1) / 2)[:, None], x - (shape[1] - 1) / 2) / corner

    def left(shape_parameters: np.ndarray) -> float:
        if model != "polynomial" and (shape_parameters < 0).any():
            return float("inf")
        light = entry.curve(radius, 1.0, *shape_parameters)
        light = np.clip(light / entry.curve(np.zeros(1), 1.0, *shape_parameters), LEAST, 1.0)
        return _variation(logs - np.log(light))

    found = [
        minimize(left, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 2000})
        for start in _STARTS[model]
    ]
    best = min(found, key=lambda result: float(result.fun))
    shape_parameters = tuple(float(v) for v in best.x)
    light = np.maximum(entry.curve(radius, 1.0, *shape_parameters), LEAST)
    i0 = float(np.nanmedian(np.where(bright, image, np.nan) / light))
    scales = _scales(model, corner, 1.0)
    return (i0, *(p * float(s) for p, s in zip(shape_parameters, scales[1:], strict=True))), float(best.fun)


def _variation(logs: np.ndarray) -> float:
    """Mean magnitude of differences, those over k pixels divided by k."""
    total = 0.0
    for k in _DISTANCES:
        for difference in (logs[k:] - logs[:-k], logs[:, k:] - logs[:, :-k]):
            magnitudes = np.abs(difference[np.isfinite(difference)])
            total += float(magnitudes.mean()) / k if magnitudes.size else 0.0
    return total


def relative_error(
    radii: np.ndarray, intensities: np.ndarray, model: str, parameters: tuple[float, ...]
) -> float:
    """Root mean square of ``intensity / i0' - V(r)``, i0' the centre's brightness that makes it least.

    Examples
    --------
    >>> r = np.linspace(0, 900, 50)
    >>> round(relative_error(r, 2 * cos4(r, 100.0, 1e-6), "cos4", (100.0, 1e-6)), 9)
    0.0
    """
    light = falloff(radii, model, parameters)
    centre = float((light * intensities).sum() / (light * light).sum())
    return float(np.sqrt(np.mean((intensities / centre - light) ** 2))) if centre > 0 else float("inf")


def _scales(model: str, size: float, light: float) -> np.ndarray:
    if model == "sigmoid":
        return np.array([light, 1 / size, size])
    return np.array([light, *(size ** -(2.0 * n) for n in range(1, MODELS[model].size))])


def falloff(r: np.ndarray, model: str, parameters: tuple[float, ...]) -> np.ndarray:
    """``V(r) = S(r) / S(0)``, clipped to 1e-6 .. 1, float64.

    Examples
    --------
    >>> falloff(np.array([0.0, 1000.0]), "cos4", (200.0, 1e-6)).tolist()
    [1.0, 0.25]
    """
    curve = MODELS[model].curve
    return np.clip(curve(r, *parameters) / curve(np.zeros(1), *parameters), LEAST, 1.0)


def gain_table(
    model: str, parameters: tuple[float, ...], shape: tuple[int, int], max_correction: float = 1.0
) -> np.ndarray:
    """``1 / ((1 - m) + m V)`` at equal steps of the squared distance from the centre, float32."""
    share = np.linspace(0, 1, _TABLE + 1)
    light = falloff(np.sqrt(share) * radius_of_corner(shape), model, parameters)
    return (1 / ((1 - max_correction) + max_correction * light)).astype(np.float32)


def gains(table: np.ndarray, y: np.ndarray, x: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """What to multiply by (y, x), float32.

    `table` is what `gain_table` gives; `y` and `x` are the absolute positions of rows and columns in a frame
    of `shape`.
    """
    full = shape[0] ** 2 + shape[1] ** 2
    place = (_squared(y, shape[0])[:, None] + _squared(x, shape[1])) * ((table.size - 1) / full)
    step = place.astype(np.int32)
    part = (place - step).astype(np.float32)
    gain = table[step]
    gain += part * (table[np.minimum(step + 1, table.size - 1)] - gain)
    return gain


def correct_falloff(pixels: np.ndarray, gain: np.ndarray, black_threshold: float = 0.0) -> np.ndarray:
    """Multiply pixels (y, x, channel) by `gains`; dtype is kept, integers are rounded and clipped to range.

    Pixels whose darkest channel is below `black_threshold` are left as they are. Every pixel depends on
    itself and its position alone.
    """
    if black_threshold > 0:
        gain = np.where(pixels.min(axis=2) < black_threshold, np.float32(1), gain)
    return restore(pixels * gain[..., None], pixels.dtype)


def radius_where(
    share: float, model: str, parameters: tuple[float, ...], shape: tuple[int, int]
) -> float | None:
    """Smallest radius in pixels where V falls to `share`; None when it doesn't inside the frame.

    Examples
    --------
    >>> radius_where(0.25, "cos4", (200.0, 1e-6), (2000, 3000))
    1000.0
    """
    radii = np.linspace(0, radius_of_corner(shape), 100_001)
    below = np.flatnonzero(falloff(radii, model, parameters) <= share)
    if below.size == 0:
        return None
    after = int(below[0])
    if after == 0:
        return 0.0
    near = radii[after - 1 : after + 1]
    high, low = falloff(near, model, parameters)
    return round(float(near[0] + (high - share) / (high - low) * (near[1] - near[0])), 6)

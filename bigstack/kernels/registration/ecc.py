"""The transform that makes two images correlate best, coarse to fine.

Evangelidis and Psarakis 2008, doi:10.1109/TPAMI.2008.113, with every model of `models` (OpenCV's has no
similarity) and on images brought to one local contrast, so that focus and flicker matter little.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.kernels.registration.contrast import equalised
from bigstack.kernels.registration.models import jacobian, map_points, normalised, rescaled, step

_CORRELATED = 12.6
"""Pixels that share one independent error after a blur of 1 px: 4 pi."""

_MOST_PIXELS = 150_000
"""Pixels of a level that are compared: more change the answer by less than it is certain to."""


@dataclass(frozen=True)
class Ecc:
    """A transform found by correlation."""

    matrix: np.ndarray
    """3x3, first image to second."""
    correlation: float
    """Correlation coefficient of the two images after alignment, where they overlap; 0 when they do not."""


def ecc(
    first: np.ndarray,
    second: np.ndarray,
    motions: tuple[str, ...],
    *,
    start: np.ndarray | None = None,
    smallest: int = 64,
    iterations: int = 30,
    tolerance: float = 0.005,
) -> Ecc:
    """Align two grey images (y, x) of equal shape.

    Parameters
    ----------
    first, second
        The images, any dtype.
    motions
        What the transform may do, from `motions_of`.
    start
        First guess, the identity by default.
    smallest
        Length in pixels of the longer side at the coarsest level.
    iterations
        Most steps a level.
    tolerance
        A level ends when a step moves the corners by less than this many of its pixels.
    """
    return ecc_levels(
        pyramid(first, smallest),
        pyramid(second, smallest),
        motions,
        start=start,
        iterations=iterations,
        tolerance=tolerance,
    )


def pyramid(image: np.ndarray, smallest: int) -> list[np.ndarray]:
    """Equalised levels of an image, each half the one before, down to `smallest` pixels a side."""
    image = np.asarray(image, dtype=np.float32)
    levels = []
    while True:
        levels.append(equalised(image))
        if max(image.shape) < 2 * smallest or min(image.shape) < 16:
            return levels
        height, width = (n // 2 * 2 for n in image.shape)
        image = cv2.resize(image[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def ecc_levels(
    first: list[np.ndarray],
    second: list[np.ndarray],
    motions: tuple[str, ...],
    *,
    start: np.ndarray | None = None,
    iterations: int = 30,
    tolerance: float = 0.005,
) -> Ecc:
    """As `ecc`, of two `pyramid`s."""
    matrix = np.eye(3) if start is None else np.asarray(start, dtype=float)
    correlation = 0.0
    for level in reversed(range(len(first))):
        small = rescaled(matrix, 2.0**level)
        small, correlation = _climb(first[level], second[level], motions, small, iterations, tolerance)
        matrix = rescaled(small, 0.5**level)
    return Ecc(matrix, correlation)


def correlation_at(first: np.ndarray, second: np.ndarray, matrix: np.ndarray) -> float:
    """Correlation coefficient of two equalised images under a transform, where they overlap by a tenth."""
    grid = _grid(first.shape)
    seen, inside = _sample(second[..., None], map_points(matrix, grid))
    if inside.mean() < 0.1:
        return 0.0
    return _correlate(first.ravel()[inside], seen[inside, 0])


def ecc_information(
    first: np.ndarray, second: np.ndarray, matrix: np.ndarray, motions: tuple[str, ...]
) -> np.ndarray:
    """Inverse covariance (motions, motions), in 1/px^2 at a corner, of what ECC finds."""
    grid = _grid(first.shape)
    slopes = np.gradient(second)
    layers = np.ascontiguousarray(np.stack([second, slopes[1], slopes[0]], axis=-1))
    places = map_points(matrix, grid)
    seen, inside = _sample(layers, places)
    reference, image = first.ravel()[inside], seen[inside, 0]
    slope = np.einsum("nik,ni->nk", jacobian(places[inside], motions, first.shape), seen[inside, 1:])
    gain = float(reference @ image) / max(float(image @ image), 1e-12)
    noise = float(np.mean((reference - gain * image) ** 2)) + 1e-6
    return gain**2 * (slope.T @ slope) / (noise * _CORRELATED)


def _climb(
    first: np.ndarray,
    second: np.ndarray,
    motions: tuple[str, ...],
    matrix: np.ndarray,
    iterations: int,
    tolerance: float,
) -> tuple[np.ndarray, float]:
    """Gauss-Newton steps up the correlation; the best matrix met and its correlation."""
    shape = first.shape
    grid, values = _telling(first)
    slopes = np.gradient(second)
    layers = np.ascontiguousarray(np.stack([second, slopes[1], slopes[0]], axis=-1))
    best, best_correlation = matrix, -1.0
    for _ in range(iterations):
        places = map_points(matrix, grid)
        seen, inside = _sample(layers, places)
        if inside.mean() < 0.1:
            break
        reference, image = values[inside], seen[inside, 0]
        correlation = _correlate(reference, image)
        if correlation > best_correlation:
            best, best_correlation = matrix, correlation
        ways = jacobian(places[inside], motions, shape)
        slope = np.einsum("nik,ni->nk", ways, seen[inside, 1:]).astype(np.float32)
        parameters = _ecc_step(reference, image, slope)
        if not np.isfinite(parameters).all():
            break
        matrix = normalised(step(parameters, motions, shape) @ matrix)
        if not np.isfinite(matrix).all() or np.abs(parameters).max() > 0.5 * max(shape):
            break
        if np.abs(parameters).max() < tolerance:
            best = matrix
            break
    return best, max(best_correlation, 0.0)


def _telling(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 2) and values (n,) of the pixels that tell most: all, or the steepest of many."""
    grid = _grid(image.shape)
    if image.size <= _MOST_PIXELS:
        return grid, image.ravel()
    slopes = np.gradient(image)
    steep = np.hypot(slopes[0], slopes[1]).ravel()
    chosen = np.sort(np.argpartition(-steep, _MOST_PIXELS)[:_MOST_PIXELS])
    return grid[chosen], image.ravel()[chosen]


def _ecc_step(reference: np.ndarray, image: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The step of the paper's forward additive form, equations 17 to 20."""
    reference = reference - reference.mean()
    image = image - image.mean()
    normal = (slope.T @ slope).astype(float)
    normal += 1e-6 * np.trace(normal) * np.eye(len(normal)) + 1e-12 * np.eye(len(normal))
    on_image = np.linalg.solve(normal, (slope.T @ image).astype(float))
    on_reference = np.linalg.solve(normal, (slope.T @ reference).astype(float))
    above = float(image @ image) - float((slope.T @ image) @ on_image)
    below = float(reference @ image) - float((slope.T @ reference) @ on_image)
    gain = above / below if below > 0 else 1.0
    return gain * on_reference - on_image


def _grid(shape: tuple[int, ...]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(float)


def _sample(layers: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of `layers` at `places`, and which places are inside."""
    height, width = layers.shape[:2]
    inside = ((places >= 0) & (places <= (width - 1, height - 1))).all(axis=1)
    # In rows of no particular meaning: remap takes no column longer than 32767.
    wide = 1024
    maps = np.zeros((2, -(-len(places) // wide) * wide), np.float32)
    maps[:, : len(places)] = places.T
    x, y = maps.reshape(2, -1, wide)
    seen = np.asarray(cv2.remap(layers, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return seen.reshape(-1, layers.shape[2])[: len(places)], np.asarray(inside)


def _correlate(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(float(np.sqrt((first @ first) * (second @ second))), 1e-12))

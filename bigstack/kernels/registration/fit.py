"""A transform from measured displacements, some of them wrong: robust weighted least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigstack.kernels.registration.models import corner_radius, jacobian, map_points, normalised, step

_TUKEY = 4.685
"""Cut of Tukey's biweight in standard deviations, 95 % efficient for normal errors."""


@dataclass(frozen=True)
class Fit:
    """A transform between two frames and how far to trust it."""

    matrix: np.ndarray
    """3x3, first frame to second."""
    information: np.ndarray
    """Inverse covariance (motions, motions) of the motions after `matrix`, in 1/px^2 at a corner."""
    weights: np.ndarray
    """Robust weight 0..1 of each point; an inlier has more than 0."""
    residual: float
    """Median distance in pixels of the inliers from where the transform puts them."""
    spread: float
    """Robust standard deviation of the errors relative to those the points claim."""


def fit_transform(
    first: np.ndarray,
    second: np.ndarray,
    information: np.ndarray,
    motions: tuple[str, ...],
    shape: tuple[int, int],
    *,
    common: np.ndarray | None = None,
    start: np.ndarray | None = None,
    floor: float = 0.02,
    iterations: int = 20,
) -> Fit:
    """Fit the transform that takes points `first` (n, 2) to `second` (n, 2), both (x, y) in pixels.

    Gauss-Newton on the motions, reweighted by Tukey's biweight; the scale of the errors is found from the
    residuals themselves. The first rounds use a wider cut so that a poor start can be left.

    Parameters
    ----------
    first, second
        Points in the first and the second frame.
    information
        Inverse covariances (n, 2, 2) of `second - first` in 1/px^2.
    motions
        What the transform may do, from `motions_of`.
    shape
        Height and width of the frame.
    common
        Standard error (n,) in pixels that the points may all have in the same direction: it does not
        average out, and goes into the information of the result.
    start
        First guess, the identity by default.
    floor
        Standard error in pixels that every point has besides its own: what its covariance does not know of.
    iterations
        Most rounds of reweighting.

    References
    ----------
    Holland and Welsch 1977, doi:10.1080/03610927708827533.
    """
    matrix = np.eye(3) if start is None else normalised(np.asarray(start, dtype=float))
    information = _floored(information, floor)
    weights = np.ones(len(first))
    spread = 1.0
    normal = np.eye(len(motions))
    for i in range(iterations):
        residuals = second - map_points(matrix, first)
        distance = np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", residuals, information, residuals), 0))
        spread = max(float(np.median(distance)) / 1.1774, 1e-6)  # the median of a Rayleigh variable
        weights = tukey(distance / spread, _TUKEY * max(1.0, 3.0 - i))
        columns = jacobian(map_points(matrix, first), motions, shape)
        weighted = columns.transpose(0, 2, 1) @ (information * weights[:, None, None])
        normal = np.einsum("nki,nil->kl", weighted, columns)
        right = np.einsum("nki,ni->k", weighted, residuals)
        parameters = _solve(normal, right)
        matrix = step(parameters, motions, shape) @ matrix
        if i >= 3 and np.abs(parameters).max(initial=0) < 1e-5:
            break
    residuals = second - map_points(matrix, first)
    inliers = weights > 0
    median = float(np.median(np.hypot(*residuals[inliers].T))) if inliers.any() else np.inf
    certain = normal / max(spread, 1.0) ** 2
    if common is not None:
        certain = _less_certain(certain, weighted @ _along(common), normal)
    return Fit(normalised(matrix), certain, weights, median, spread)


def _along(common: np.ndarray) -> np.ndarray:
    """Errors (n, 2, 2) of the points: all in x, and all in y."""
    return common[:, None, None] * np.eye(2)


def _less_certain(certain: np.ndarray, pulls: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Information when errors that all points share move the result as well."""
    count = len(certain)
    pull = 1e-9 * max(float(np.trace(normal)), 1e-12) * np.eye(count)
    moves = np.linalg.solve(normal + pull, pulls.sum(axis=0))
    return np.linalg.inv(np.linalg.inv(certain + pull) + moves @ moves.T)


def tukey(distance: np.ndarray, cut: float) -> np.ndarray:
    """Tukey's biweight: 1 at distance 0, 0 from `cut` on."""
    return np.maximum(0.0, 1 - (distance / cut) ** 2) ** 2


def _floored(information: np.ndarray, floor: float) -> np.ndarray:
    """Add an isotropic variance of floor^2 to every covariance, without inverting singular ones."""
    return information @ np.linalg.inv(np.eye(2) + floor**2 * information)


def _solve(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve with the faintest pull towards no motion, so that motions nobody measured stay where they are."""
    if not len(right):
        return right
    pull = 1e-9 * max(float(np.trace(normal)), 1e-12)
    return np.linalg.solve(normal + pull * np.eye(len(right)), right)


def corner_error(information: np.ndarray, motions: tuple[str, ...], shape: tuple[int, int]) -> float:
    """Standard error in pixels, mean over the four corners, of a transform with this information."""
    from bigstack.kernels.registration.models import corners

    if not len(motions):
        return 0.0
    pull = 1e-12 * max(float(np.trace(information)), 1e-12) + 1e-12 / corner_radius(shape)
    covariance = np.linalg.inv(information + pull * np.eye(len(motions)))
    columns = jacobian(corners(shape), motions, shape)
    variances = np.einsum("nik,kl,nil->n", columns, covariance, columns)
    return float(np.sqrt(max(variances.mean(), 0)))

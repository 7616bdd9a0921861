"""All frames at once: the transforms that agree best with every measured pair.

One pair after the other, errors add up: 500 frames of 0.02 px each are half a pixel. With pairs of more
distant frames as well, a robust least-squares solution (as bundle adjustment of mosaics: Brown and Lowe
2007, doi:10.1007/s11263-006-0002-3, here on compressed pairs) keeps the last frame on the first, and a pair
that contradicts the others loses its say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from bigstack.kernels.registration.fit import tukey
from bigstack.kernels.registration.models import (
    corners,
    inverse,
    jacobian,
    map_points,
    normalised,
    step,
)

_CUT = 4.685
_ABSOLUTE = 8


@dataclass(frozen=True)
class Pair:
    """What was measured between two frames."""

    first: int
    second: int
    matrix: np.ndarray
    """3x3, pixel coordinates of `first` to those of `second`."""
    information: np.ndarray
    """Inverse covariance of its motions, in 1/px^2 at a corner."""


@dataclass(frozen=True)
class Solution:
    """Transforms of all frames."""

    matrices: np.ndarray
    """(frames, 3, 3), reference frame to frame; NaN for a frame that no pair ties to the reference."""
    errors: np.ndarray
    """Standard error (frames,) in pixels, mean over the corners, relative to the reference."""
    weights: np.ndarray
    """Robust weight 0..1 (pairs,)."""


def solve_chain(pairs: Sequence[Pair], frames: int, reference: int) -> np.ndarray:
    """Compose pairs along the most certain way from the reference to every frame: (frames, 3, 3)."""
    edges: dict[int, list[tuple[int, Pair]]] = {z: [] for z in range(frames)}
    for pair in pairs:
        edges[pair.first].append((pair.second, pair))
        edges[pair.second].append((pair.first, pair))
    matrices = np.full((frames, 3, 3), np.nan)
    # A way's cost is the sum of its variances (Dijkstra); ties go to the lower frame number.
    queue: list[tuple[float, int, int]] = [(0.0, reference, reference)]
    via: dict[tuple[int, int], np.ndarray] = {(reference, reference): np.eye(3)}
    done: set[int] = set()
    while queue:
        cost, z, before = heappop(queue)
        if z in done:
            continue
        done.add(z)
        matrices[z] = via[z, before]
        for other, pair in edges[z]:
            if other in done:
                continue
            matrix = pair.matrix if pair.first == z else inverse(pair.matrix)
            via[other, z] = normalised(matrix @ matrices[z])
            heappush(queue, (cost + _variance(pair), other, z))
    return matrices


def _variance(pair: Pair) -> float:
    information = pair.information
    if not information.size:
        return 1.0
    pull = 1e-9 * max(float(np.trace(information)), 1e-9) * np.eye(len(information))
    return float(np.trace(np.linalg.inv(information + pull)))


def solve_global(
    pairs: Sequence[Pair],
    frames: int,
    reference: int,
    motions: tuple[str, ...],
    shape: tuple[int, int],
    *,
    floor: float = 0.02,
    iterations: int = 30,
    held: dict[str, np.ndarray] | None = None,
) -> Solution:
    """Solve for the transforms of all frames by robust least squares over all pairs.

    Parameters
    ----------
    pairs
        Measured pairs; frames that no chain of pairs ties to the reference come out as NaN.
    frames
        Number of frames.
    reference
        The frame whose transform is the identity.
    motions
        What a transform may do, from `motions_of`.
    shape
        Height and width of the frames.
    floor
        Standard error in pixels at a corner that a pair has besides what its information says.
    iterations
        Most rounds of Gauss-Newton and reweighting.
    held
        Values (frames,) of motions that are not solved for but set: ``{"scale":
        log_scale_in_corner_pixels}``.
    """
    matrices = solve_chain(pairs, frames, reference)
    known = ~np.isnan(matrices[:, 0, 0])
    matrices[~known] = np.eye(3)
    if held:
        matrices = _held(matrices, held, shape)
    free = tuple(m for m in motions if not held or m not in held)
    system = _System(pairs, known, reference, motions, free, shape, floor)
    weights = np.ones(len(pairs))
    for i in range(iterations):
        distance = system.distances(matrices)
        spread = max(1.0, float(np.median(distance)) if len(distance) else 1.0)
        if i < _ABSOLUTE:
            # Least absolute errors first: they do not care which pairs the chain happened to be made of.
            weights = 1 / np.maximum(distance / spread, 1.0)
        else:
            weights = tukey(distance / spread, _CUT * max(1.0, 4.0 - (i - _ABSOLUTE)))
        moves = system.step(matrices, weights)
        for z in np.flatnonzero(known):
            if z != reference and moves[z].any():
                matrices[z] = step(moves[z], free, shape) @ matrices[z]
        if i >= _ABSOLUTE + 4 and np.abs(moves).max(initial=0) < 1e-6:
            break
    errors = system.errors(matrices, weights)
    matrices = np.array([normalised(m) for m in matrices])
    matrices[~known] = np.nan
    matrices[reference] = np.eye(3)
    return Solution(matrices, np.where(known, errors, np.nan), weights)


def _held(matrices: np.ndarray, held: dict[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    from bigstack.kernels.registration.models import corner_radius, decompose

    out = []
    for z, matrix in enumerate(matrices):
        now = np.log(decompose(matrix, shape)["scale"]) * corner_radius(shape)
        out.append(step(np.array([held["scale"][z] - now]), ("scale",), shape) @ matrix)
    return np.array(out)


class _System:
    """The pairs as equations on the corners of the frames, weighted so that squares are of unit variance."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        known: np.ndarray,
        reference: int,
        motions: tuple[str, ...],
        free: tuple[str, ...],
        shape: tuple[int, int],
        floor: float,
    ) -> None:
        self.known, self.reference, self.free, self.shape = known, reference, free, shape
        self.first = np.array([p.first for p in pairs], dtype=int)
        self.second = np.array([p.second for p in pairs], dtype=int)
        self.corners = corners(shape)
        self.measured = np.array([map_points(p.matrix, self.corners) for p in pairs]).reshape(-1, 4, 2)
        self.whiten = np.array(
            [_whitening(p, q, motions, shape, floor) for p, q in zip(pairs, self.measured, strict=True)]
        ).reshape(len(pairs), len(motions), 8)
        self.columns = np.full(len(known), -1)
        unknown = [z for z in np.flatnonzero(known) if z != reference]
        self.columns[unknown] = np.arange(len(unknown))

    def _residuals(self, matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inverses = np.array([inverse(m) for m in matrices])
        between = matrices[self.second] @ inverses[self.first]
        places = np.array([map_points(m, self.corners) for m in between]).reshape(-1, 4, 2)
        return places - self.measured, between

    def distances(self, matrices: np.ndarray) -> np.ndarray:
        """Distance of each pair from its measurement, in standard deviations."""
        residuals, _ = self._residuals(matrices)
        white = np.einsum("pke,pe->pk", self.whiten, residuals.reshape(-1, 8))
        return np.sqrt((white**2).mean(axis=1)) if white.size else np.zeros(0)

    def step(self, matrices: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Gauss-Newton step (frames, free motions)."""
        moves = np.zeros((len(matrices), len(self.free)))
        solver, right = self._normal(matrices, weights)
        if solver is not None:
            unknown = self.columns >= 0
            moves[unknown] = solver.solve(right).reshape(-1, len(self.free))
        return moves

    def errors(self, matrices: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Standard error of each frame at its corners."""
        errors = np.zeros(len(matrices))
        solver, _ = self._normal(matrices, weights)
        if solver is None:
            return errors
        count = len(self.free)
        columns = jacobian(self.corners, self.free, self.shape)
        for z in np.flatnonzero(self.columns >= 0):
            at = slice(self.columns[z] * count, (self.columns[z] + 1) * count)
            unit = np.zeros((solver.shape[0], count))
            unit[at] = np.eye(count)
            covariance = solver.solve(unit)[at]
            errors[z] = np.sqrt(max(np.einsum("nik,kl,nil->n", columns, covariance, columns).mean(), 0))
        return errors

    def _normal(self, matrices: np.ndarray, weights: np.ndarray) -> tuple[Any, np.ndarray]:
        """Factorised normal equations and their right side."""
        count = len(self.free)
        size = int((self.columns >= 0).sum()) * count
        if size == 0 or not len(self.first):
            return None, np.zeros(0)
        residuals, between = self._residuals(matrices)
        rows = np.sqrt(weights)[:, None, None] * self.whiten
        white = np.einsum("pke,pe->pk", rows, residuals.reshape(-1, 8))
        at_second, at_first = self._jacobians(between)
        blocks = {
            1: rows @ at_second.reshape(-1, 8, count),
            0: rows @ at_first.reshape(-1, 8, count),
        }
        index = {1: self.columns[self.second], 0: self.columns[self.first]}
        right = np.zeros(size)
        entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        ways = np.arange(count)
        for a in (0, 1):
            here = index[a] >= 0
            part = -np.einsum("pka,pk->pa", blocks[a], white)
            np.add.at(right, index[a][here, None] * count + ways, part[here])
            for b in (0, 1):
                both = here & (index[b] >= 0)
                values = np.einsum("pka,pkb->pab", blocks[a][both], blocks[b][both])
                r = (index[a][both, None] * count + ways)[:, :, None]
                c = (index[b][both, None] * count + ways)[:, None, :]
                shape = values.shape
                entries.append(
                    (values.ravel(), np.broadcast_to(r, shape).ravel(), np.broadcast_to(c, shape).ravel())
                )
        values, r, c = (np.concatenate([e[k] for e in entries]) for k in range(3))
        normal = sparse.coo_matrix((values, (r, c)), shape=(size, size)).tocsc()
        pull = 1e-9 * max(float(normal.diagonal().max()), 1e-12)
        return splu((normal + pull * sparse.eye(size, format="csc")).tocsc()), right

    def _jacobians(self, between: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a motion of the second and of the first frame does to the corners: (pairs, 4, 2, free)."""
        fixed = jacobian(self.corners, self.free, self.shape)
        second, first = [], []
        for matrix in between:
            places = map_points(matrix, self.corners)
            second.append(jacobian(places, self.free, self.shape))
            weight = self.corners @ matrix[2, :2] + matrix[2, 2]
            local = matrix[None, :2, :2] - places[:, :, None] * matrix[None, None, 2, :2]
            first.append(-(local / weight[:, None, None]) @ fixed)
        return np.array(second), np.array(first)


def _whitening(
    pair: Pair, places: np.ndarray, motions: tuple[str, ...], shape: tuple[int, int], floor: float
) -> np.ndarray:
    """Matrix (motions, 8) from errors at the corners to independent errors of unit variance."""
    columns = jacobian(places, motions, shape).reshape(8, len(motions))
    count = len(motions)
    to_motions = np.linalg.pinv(columns)
    base = floor**2 * np.linalg.inv(columns.T @ columns / 4 + 1e-12 * np.eye(count))
    pull = 1e-9 * max(float(np.trace(pair.information)), 1e-9)
    covariance = np.linalg.inv(pair.information + pull * np.eye(count)) + base
    return np.linalg.cholesky(np.linalg.inv(covariance)).T @ to_motions

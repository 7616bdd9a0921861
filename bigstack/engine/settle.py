"""Measured pairs made into an alignment: solved, checked, and frames that cannot be believed dealt with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import make_smoothing_spline

from bigstack.errors import InputError
from bigstack.geometry.alignment import Alignment, FrameAlignment
from bigstack.geometry.transform import IDENTITY, Transform
from bigstack.kernels.registration.coarse import PairFit
from bigstack.kernels.registration.fit import fit_transform
from bigstack.kernels.registration.models import (
    corner_distance,
    corner_radius,
    decompose,
    inverse,
    logarithm,
    map_points,
)
from bigstack.kernels.registration.plausible import implausible, jumps
from bigstack.kernels.registration.solve import Pair, Solution, solve_chain, solve_global

if TYPE_CHECKING:
    from bigstack.engine.register import Measured, RegisterOptions

STILL = 0.1
"""Pixels at a corner that a stack may seem to move and still be left alone: resampling costs more
sharpness than that misplaces."""
_STILL_AT_MOST = 3.0
"""However uncertain the measurement, a corner that seems to move more than this is moved."""
_SHARP = 0.7
"""Share of their best sharpness that patches have to have to tell a still stack from a moving one."""
_CERTAIN = 18.5
"""Square of a deviation, in standard deviations of four motions, that chance gives once in a thousand."""


def settle(
    measured: Measured, frames: int, shape: tuple[int, int], options: RegisterOptions, names: Sequence[str]
) -> Alignment:
    """Solve for all frames and say what is odd about them.

    Raises
    ------
    InputError
        When a frame cannot be aligned and `on_misaligned` is "error"; it is named.
    """
    solution = _solved(measured.pairs, frames, shape, options)
    matrices = solution.matrices
    still = _is_still(measured, solution, shape, options.pair.motions)
    if still:
        matrices = np.where(np.isnan(matrices), np.nan, np.eye(3))
    refused, flags = _judged(measured, matrices, shape, options)
    if still:
        # Nothing that can be seen moves, so what cannot be seen is left where it is too.
        refused = {}
    found = [
        FrameAlignment(
            IDENTITY if np.isnan(matrices[z]).any() else _transform(matrices[z]),
            residual=_residual(z, measured.pairs, matrices),
            error=None if np.isnan(solution.errors[z]) else round(float(solution.errors[z]), 4),
            inliers=_inliers(z, measured.pairs),
            flags=tuple(flags[z]),
        )
        for z in range(frames)
    ]
    found = _deal_with(found, refused, matrices, options, names)
    return Alignment(
        shape, options.reference, tuple(found), options.pair.model, options.pair.method, options.mode
    )


def _transform(matrix: np.ndarray) -> Transform:
    return IDENTITY if np.array_equal(matrix, np.eye(3)) else Transform.of(matrix)


def _solved(
    pairs: dict[tuple[int, int], PairFit], frames: int, shape: tuple[int, int], options: RegisterOptions
) -> Solution:
    trusted = [Pair(i, j, fit.matrix, fit.information) for (i, j), fit in pairs.items() if fit.trusted]
    motions, reference = options.pair.motions, options.reference
    solution = solve_global(trusted, frames, reference, motions, shape)
    if options.mode != "global":
        # The same pairs, with nothing to reconcile: composed as they are, bit for bit.
        solution = replace(solution, matrices=solve_chain(trusted, frames, reference))
    if options.smooth_scale and "scale" in motions:
        held = {"scale": _smooth_scale(solution, reference, shape)}
        solution = solve_global(trusted, frames, reference, motions, shape, held=held)
    return solution


def _smooth_scale(solution: Solution, reference: int, shape: tuple[int, int]) -> np.ndarray:
    """Logarithms of the frames' scales, in pixels at a corner, on a smooth curve through z.

    How smooth is told by the frames' errors (the discrepancy principle): generalised cross-validation follows
    every wiggle of a dozen frames.
    """
    radius = corner_radius(shape)
    known = np.flatnonzero(np.isfinite(solution.matrices[:, 0, 0]))
    scale = np.array([np.log(decompose(solution.matrices[z], shape)["scale"]) * radius for z in known])
    smooth = np.zeros(len(solution.matrices))
    smooth[known] = scale
    if len(known) >= 5:
        curve = _smoothest(known.astype(float), scale, np.maximum(solution.errors[known], 0.02))
        smooth[known] = curve(known) - curve(reference)
    return smooth


def _smoothest(z: np.ndarray, values: np.ndarray, errors: np.ndarray) -> Callable[[Any], Any]:
    """The stiffest cubic smoothing spline that stays within half the errors, root mean square."""
    weights = 1 / errors**2
    low, high = -6.0, 8.0
    for _ in range(40):
        middle = (low + high) / 2
        curve = make_smoothing_spline(z, values, w=weights, lam=10.0**middle)
        within = np.sqrt(np.mean(weights * (curve(z) - values) ** 2)) <= 0.5
        low, high = (middle, high) if within else (low, middle)
    return make_smoothing_spline(z, values, w=weights, lam=10.0**low)


def _is_still(
    measured: Measured,
    solution: Solution,
    shape: tuple[int, int],
    motions: tuple[str, ...],
) -> bool:
    """True when leaving all frames where they are is as good as moving them.

    Blur that changes looks a little like motion, the same way in every pair, and adds up over a stack;
    patches that are sharp in both frames are free of it. So only they decide: from frame to frame, and in
    sum.
    """
    matrices, pairs = solution.matrices, measured.pairs
    known = np.flatnonzero(np.isfinite(matrices[:, 0, 0]))
    if len(known) < min(len(matrices), max(2, len(matrices) / 3)):
        return measured.blank
    moved = np.array([corner_distance(matrices[z], np.eye(3), shape) for z in known])
    if (moved <= np.maximum(STILL, np.minimum(solution.errors[known], 5 * STILL))).all():
        return True
    if moved.max() > _STILL_AT_MOST or not motions:
        return False
    steps = [pairs.get((int(i), int(j))) for i, j in pairwise(known)]
    if any(fit is None or not fit.trusted for fit in steps):
        return False
    if all(fit.share is None for fit in steps if fit is not None):
        return bool((moved <= np.maximum(STILL, np.minimum(3 * solution.errors[known], 5 * STILL))).all())
    return _adds_up_to_nothing([_sharp_motion(fit, shape, motions) for fit in steps if fit is not None])


def _adds_up_to_nothing(steps: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    """True when no run of motions, each with its covariance, adds up to more than chance would."""
    way = np.cumsum([np.zeros_like(steps[0][0]), *(move for move, _ in steps)], axis=0)
    variance = np.cumsum([np.zeros_like(steps[0][1]), *(spread for _, spread in steps)], axis=0)
    first, last = np.triu_indices(len(way), 1)
    moved, spread = way[last] - way[first], variance[last] - variance[first]
    return bool((np.einsum("ni,nij,nj->n", moved, np.linalg.inv(spread), moved) < _CERTAIN).all())


def _sharp_motion(
    fit: PairFit, shape: tuple[int, int], motions: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Motion between neighbours by patches that are sharp in both, and its covariance."""
    vague = np.eye(len(motions))
    if fit.share is None or fit.certainty is None:
        return logarithm(fit.matrix, motions, shape), np.linalg.inv(fit.information + 1e-3 * vague)
    sharp = fit.share >= _SHARP
    if 2 * sharp.sum() < len(motions) + 4:
        return np.zeros(len(motions)), vague
    found = fit_transform(fit.first[sharp], fit.second[sharp], fit.certainty[sharp], motions, shape)
    covariance = np.linalg.inv(found.information + 1e-3 * vague) + STILL**2 / 100 * vague
    return logarithm(found.matrix, motions, shape), covariance


def _judged(
    measured: Measured, matrices: np.ndarray, shape: tuple[int, int], options: RegisterOptions
) -> tuple[dict[int, str], list[list[str]]]:
    """Frames that are refused, with the reason, and the flags of all frames."""
    flags: list[list[str]] = [[] for _ in matrices]
    refused: dict[int, str] = {}
    jumped = jumps(matrices, shape)
    for z, matrix in enumerate(matrices):
        if measured.empty[z]:
            flags[z].append("no structure")
        if measured.blurred[z]:
            flags[z].append("blurred")
        if z == options.reference:
            continue
        if np.isnan(matrix).any():
            flags[z].append("no match")
            refused[z] = ", ".join(flags[z])
            continue
        if jumped[z]:
            flags[z].append("jump")
        reasons = implausible(matrix, shape, options.limits)
        inliers = _inliers(z, measured.pairs)
        by_points = all(fit.offered for pair, fit in measured.pairs.items() if z in pair and fit.trusted)
        if by_points and inliers < options.limits.inliers:
            reasons.append(f"{inliers} inliers, fewer than {options.limits.inliers}")
        if reasons:
            flags[z] += reasons
            refused[z] = ", ".join(reasons)
    return refused, flags


def _inliers(z: int, pairs: dict[tuple[int, int], PairFit]) -> int:
    """Most patches, or key points, of the frame that agree with one other frame."""
    return max((len(fit.first) for pair, fit in pairs.items() if z in pair and fit.trusted), default=0)


def _residual(z: int, pairs: dict[tuple[int, int], PairFit], matrices: np.ndarray) -> float | None:
    """Median distance in pixels of what was matched nearby from where the solution puts it."""
    touching = {pair: fit for pair, fit in pairs.items() if z in pair and fit.trusted and len(fit.first)}
    if not touching:
        return None
    nearest = min(abs(i - j) for i, j in touching)
    misses = []
    for (i, j), fit in touching.items():
        if abs(i - j) == nearest and np.isfinite(matrices[[i, j]]).all():
            between = matrices[j] @ inverse(matrices[i])
            misses.append(np.hypot(*(fit.second - map_points(between, fit.first)).T))
    return round(float(np.median(np.concatenate(misses))), 4) if misses else None


def _deal_with(
    found: list[FrameAlignment],
    refused: dict[int, str],
    matrices: np.ndarray,
    options: RegisterOptions,
    names: Sequence[str],
) -> list[FrameAlignment]:
    """Refuse, interpolate or drop the frames that cannot be believed."""
    if not refused:
        return found
    if options.on_misaligned == "error":
        listed = "; ".join(f"{names[z]}: {why}" for z, why in sorted(refused.items()))
        raise InputError(
            f"{len(refused)} of {len(found)} frames cannot be aligned: {listed}. Leave them out "
            "(on_misaligned='drop'), give them their neighbours' transform ('interpolate'), or allow more "
            "(another model, method or limits)"
        )
    for z in refused:
        measured = np.isfinite(matrices[z]).all()
        if options.on_misaligned == "interpolate" and not measured:
            found[z] = replace(found[z], transform=_between(z, refused, matrices))
        else:
            # A frame that was seen to be out of bounds does not come right by a guess at where it is.
            found[z] = replace(found[z], dropped=True)
    return found


def _between(z: int, refused: dict[int, str], matrices: np.ndarray) -> Transform:
    """The transform that a frame would have on the straight way between its neighbours."""
    good = [k for k in range(len(matrices)) if k not in refused]
    before, after = [k for k in good if k < z], [k for k in good if k > z]
    if not before or not after:
        return _transform(matrices[before[-1] if before else after[0]])
    low, high = before[-1], after[0]
    share = (z - low) / (high - low)
    return _transform((1 - share) * matrices[low] + share * matrices[high])

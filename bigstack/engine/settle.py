"""Measured pairs made into an alignment: solved, checked, and frames that cannot be believed dealt with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import make_smoothing_spline

from bigstack.errors import InputError
from bigstack.geometry.alignment import Alignment, FrameAlignment
from bigstack.geometry.transform import IDENTITY, Transform
from bigstack.kernels.registration.coarse import PairFit
from bigstack.kernels.registration.models import (
    corner_distance,
    corner_radius,
    decompose,
    held_still,
    inverse,
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
"""Share of their best sharpness that patches need to tell a still stack from a moving one."""
_LEAST_SHARP = 4
"""Patches of a pair that say something."""
_GAIN = 1.6
"""How much more unmoved patches may miss each other by: stacks that stand still, of microscopes and rendered,
gave 1.0 to 1.53, a drift of one pixel over 12 strongly blurred frames 2.6, a sharp one 6 and more."""


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
    fixed = options.pair.fixed
    still = [m if np.isnan(m).any() else held_still(m, fixed, shape) for m in solution.matrices]
    return replace(solution, matrices=np.array(still))


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
    """True when leaving all frames where they are is as good as moving them."""
    matrices = solution.matrices
    known = np.flatnonzero(np.isfinite(matrices[:, 0, 0]))
    if len(known) < min(len(matrices), max(2, len(matrices) / 3)):
        return measured.blank
    moved = np.array([corner_distance(matrices[z], np.eye(3), shape) for z in known])
    if (moved <= np.maximum(STILL, np.minimum(solution.errors[known], 5 * STILL))).all():
        return True
    if moved.max() > _STILL_AT_MOST or not motions:
        return False
    return _as_good_unmoved(measured.pairs, matrices, shape)


def _as_good_unmoved(
    pairs: dict[tuple[int, int], PairFit], matrices: np.ndarray, shape: tuple[int, int]
) -> bool:
    """True when patches that are sharp in both frames of a pair miss each other by hardly less once moved.

    Blur that changes looks a little like motion, and so do the slices of a round body under a microscope,
    whose outlines wander from one to the next. Such motion explains little of what patches miss each other
    by; a camera's explains nearly all of it. Near and distant pairs have to agree, lest a slow drift pass.
    """
    misses: dict[int, list[tuple[float, float]]] = {}
    for (i, j), fit in pairs.items():
        if not fit.trusted or not np.isfinite(matrices[[i, j]]).all():
            continue
        found = _misses(fit, matrices[j] @ inverse(matrices[i]))
        if found is not None:
            misses.setdefault(abs(i - j), []).append(found)
        elif not len(fit.first) and corner_distance(fit.matrix, np.eye(3), shape) > max(STILL, 3 * fit.error):
            return False
    sums = [np.sum(group, axis=0) for group in misses.values()]
    return all(still <= _GAIN**2 * moving for still, moving in sums)


def _misses(fit: PairFit, between: np.ndarray) -> tuple[float, float] | None:
    """Squares of what sharp patches miss each other by, unmoved and moved, weighted; None for too few."""
    if fit.share is None or fit.certainty is None:
        return None
    sharp = fit.share >= _SHARP
    if sharp.sum() < _LEAST_SHARP:
        return None
    first, second = fit.first[sharp], fit.second[sharp]
    weight = np.trace(fit.certainty[sharp], axis1=1, axis2=2)
    still, moving = (
        float((weight * (move**2).sum(axis=1)).sum())
        for move in (second - first, second - map_points(between, first))
    )
    return still, moving


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
            flags[z].append(_no_match(z, measured.refused))
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


def _no_match(z: int, refused: dict[tuple[int, int], str]) -> str:
    """Why nothing ties the frame down."""
    reasons = [(abs(i - j), j if i == z else i, why) for (i, j), why in refused.items() if z in (i, j)]
    if not reasons:
        return "no match"
    _, other, why = min(reasons)
    return f"no match within the limits, with frame {other} {why}"


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
            "(on_misaligned='drop', --on-misaligned drop), give them their neighbours' transform "
            "('interpolate'), or allow more (another model, method or limits)"
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

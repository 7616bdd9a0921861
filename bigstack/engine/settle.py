"""Measured pairs made into an alignment: solved, checked, and frames that cannot be believed dealt with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

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
    inverse,
    map_points,
)
from bigstack.kernels.registration.plausible import implausible, jumps
from bigstack.kernels.registration.solve import Pair, Solution, solve_chain, solve_global

if TYPE_CHECKING:
    from bigstack.engine.register import Measured, RegisterOptions

STILL = 0.1
"""Pixels at a corner that a stack may seem to move and still be left alone: resampling costs more sharpness than
that misplaces."""
_STILL_AT_MOST = 0.5
"""However uncertain the measurement, a corner that seems to move more than this is moved."""
_CERTAIN = 3.0


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
    if _is_still(solution, shape) and not np.isnan(matrices).any():
        matrices = np.broadcast_to(np.eye(3), matrices.shape).copy()
    refused, flags = _judged(measured, matrices, shape, options)
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

    A cubic smoothing spline weighted by the frames' errors, its stiffness by generalised cross-validation
    (Craven and Wahba 1978, doi:10.1007/BF01404567).
    """
    radius = corner_radius(shape)
    known = np.flatnonzero(np.isfinite(solution.matrices[:, 0, 0]))
    scale = np.array([np.log(decompose(solution.matrices[z], shape)["scale"]) * radius for z in known])
    smooth = np.zeros(len(solution.matrices))
    smooth[known] = scale
    if len(known) >= 5:
        weights = 1 / np.maximum(solution.errors[known], 0.02) ** 2
        curve = make_smoothing_spline(known.astype(float), scale, w=weights)
        smooth[known] = curve(known) - curve(reference)
    return smooth


def _is_still(solution: Solution, shape: tuple[int, int]) -> bool:
    """True when doing nothing is as good: no frame moves by more than is certain, or than matters."""
    for matrix, error in zip(solution.matrices, solution.errors, strict=True):
        if np.isnan(matrix).any():
            continue
        allowed = max(STILL, min(_CERTAIN * float(error), _STILL_AT_MOST))
        if corner_distance(matrix, np.eye(3), shape) > allowed:
            return False
    return True


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
        counted = any(len(f.first) for f in measured.pairs.values())
        if counted and inliers < options.limits.inliers:
            reasons.append(f"{inliers} inliers, fewer than {options.limits.inliers}")
        if reasons:
            flags[z] += reasons
            refused[z] = ", ".join(reasons)
    return refused, flags


def _inliers(z: int, pairs: dict[tuple[int, int], PairFit]) -> int:
    """Most patches, or key points, of the frame that agree with one other frame."""
    return max((len(fit.first) for pair, fit in pairs.items() if z in pair and fit.trusted), default=0)


def _residual(z: int, pairs: dict[tuple[int, int], PairFit], matrices: np.ndarray) -> float | None:
    """Median distance in pixels of what was matched with the nearest frames from where the solution puts it."""
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

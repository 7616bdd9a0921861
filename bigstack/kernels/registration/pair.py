"""Two frames: from nothing to a transform good to hundredths of a pixel.

Coarse: a few guesses (no motion, one handed in, phase correlation with scale and rotation) are compared on images
of at most 384 px, and the best is climbed by ECC. Where that does not hold, key points are matched. Fine: patches
that are textured in both frames are measured, on the reduced frames first and at full resolution in the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigstack.kernels.registration.ecc import correlation_at, ecc_levels
from bigstack.kernels.registration.features import FeatureOptions, detect, fit_matches, match
from bigstack.kernels.registration.fit import corner_error, fit_transform
from bigstack.kernels.registration.models import map_points, rescaled
from bigstack.kernels.registration.patches import MARGIN, REACH, Displacements, doubted, measure_patches
from bigstack.kernels.registration.phase import phase_shift, phase_similarity
from bigstack.kernels.registration.texture import BLOCK, at_blocks, choose_patches
from bigstack.kernels.registration.view import View

import os
EXPO=float(os.environ.get('EXPO','2'))
_RATIO, _STEP = 4, 8
"""From one level to the next among reduced frames, and at most from those to full resolution: a patch follows
several pixels, and is off by a tenth of one when the next level takes over."""


@dataclass(frozen=True)
class PairFit:
    """A measured pair."""

    matrix: np.ndarray
    """3x3, first frame to second, in pixels of the full frames."""
    information: np.ndarray
    """Inverse covariance of its motions, in 1/px^2 at a corner."""
    first: np.ndarray
    """Patches' or key points' places (n, 2) in the first frame, those that agree."""
    second: np.ndarray
    """The same places in the second frame."""
    offered: int
    """How many were measured."""
    error: float
    """Standard error in pixels at the corners."""
    trusted: bool
    """True when enough of the measurements agree."""


@dataclass(frozen=True)
class PairOptions:
    """How a pair is measured."""

    model: str = "similarity"
    motions: tuple[str, ...] = ("shift_x", "shift_y", "scale", "rotation")
    size: int = 48
    """Side in pixels of a patch."""
    count: int = 64
    """Most patches a level."""
    features: FeatureOptions = FeatureOptions()


def coarse_matrix(
    first: View, second: View, options: PairOptions, guesses: list[np.ndarray]
) -> tuple[np.ndarray, float]:
    """The best of some guesses and of phase correlation, climbed by ECC: matrix and correlation."""
    factor = first.coarse_factor
    a, b = first.levels, second.levels
    level = min(1, len(a) - 1)
    found = phase_similarity if options.model != "translation" else phase_shift
    starts = [rescaled(m, factor) for m in guesses] + [found(a[0], b[0]).matrix]
    scores = [correlation_at(a[level], b[level], rescaled(m, 2.0**level)) for m in starts]
    best = starts[int(np.argmax(scores))]
    climbed = ecc_levels(a[:2], b[:2], options.motions, start=best, iterations=12, tolerance=0.02)
    return rescaled(climbed.matrix, 1 / factor), climbed.correlation


def measure_level(
    first: View, second: View, matrix: np.ndarray, level: int, options: PairOptions, iterations: int = 4
) -> Displacements | None:
    """Measure patches on the frames reduced by `level`; places are in full pixels."""
    shape = first.shape[0] // level, first.shape[1] // level
    size = patch_size(shape, options.size)
    if size is None:
        return None
    small = rescaled(matrix, level)
    block = BLOCK if level >= first.factor else BLOCK / level
    origins = choose_patches(
        first.texture_at(level),
        second.texture_at(level),
        block,
        small,
        shape,
        size=size,
        margin=MARGIN,
        count=options.count,
        focus=_focus(first, second, small, level, block),
    )
    if not len(origins):
        return None
    side = size + 2 * MARGIN
    reach = int(np.ceil(side * _stretch(small, shape))) + 2 * REACH
    reach = min(reach, *shape)
    centres = map_points(small, origins + (side - 1) / 2)
    there = np.clip(np.rint(centres - (reach - 1) / 2), 0, np.array(shape)[::-1] - reach).astype(int)
    found = measure_patches(
        first.windows(origins, side, level),
        second.windows(there, reach, level),
        origins,
        there,
        small,
        size=size,
        iterations=iterations,
    )
    share = np.ones(len(found.first))
    focus = _focus(first, second, small, level, block)
    if focus is not None:
        share = at_blocks(focus, found.first, block)[0]
    found = doubted(found, share**-EXPO)
    shift = (level - 1) / 2
    return Displacements(
        found.first * level + shift,
        found.second * level + shift,
        found.information / level**2,
        found.common * level,
        found.correlation,
        found.grain * level,
    )


def patch_size(shape: tuple[int, int], size: int) -> int | None:
    """The side of a patch that frames of `shape` have room for, None for none."""
    while size >= 16:
        if min(shape) >= 2 * (size + 2 * MARGIN):
            return size
        size -= 8
    return 16 if min(shape) >= 16 + 2 * (MARGIN + REACH) else None


def _focus(
    first: View, second: View, matrix: np.ndarray, level: int, block: float
) -> np.ndarray | None:
    """The lesser of both frames' shares of focus, on the first frame's blocks."""
    if level not in first.focus or level not in second.focus:
        return None
    here = first.focus[level]
    y, x = np.mgrid[: here.shape[0], : here.shape[1]]
    places = map_points(matrix, (np.stack([x, y], axis=-1) + 0.5) * block - 0.5)
    return np.minimum(here, at_blocks(second.focus[level], places, block)[0])


def _stretch(matrix: np.ndarray, shape: tuple[int, int]) -> float:
    """How much larger than itself an upright square can get under a transform."""
    height, width = shape
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    places = [map_points(matrix, points * 32 + (x, y)) for x in (0, width - 32) for y in (0, height - 32)]
    return max(float(np.ptp(p, axis=0).max()) / 32 for p in places)


def register_pair(
    first: View,
    second: View,
    options: PairOptions,
    *,
    guesses: list[np.ndarray] | None = None,
    near: np.ndarray | None = None,
) -> PairFit:
    """Measure the transform from a first to a second frame.

    Parameters
    ----------
    first, second
        The frames; where both can read their pixels, full resolution is used in the end.
    options
        Model and patches.
    guesses
        Transforms worth trying, the identity besides.
    near
        A transform known to be right within a few pixels of the reduced frame: then nothing else is tried.
    """
    if near is not None:
        return _refine(first, second, near, options)
    matrix, _ = coarse_matrix(first, second, options, [np.eye(3), *(guesses or [])])
    found = _refine(first, second, matrix, options)
    if found.trusted:
        return found
    by_points = register_features(first, second, options)
    if by_points is None:
        return found
    again = _refine(first, second, by_points.matrix, options)
    return again if again.trusted else found


def register_features(first: View, second: View, options: PairOptions) -> PairFit | None:
    """Key points of the reduced frames alone."""
    points = [detect(view.small, options.features) for view in (first, second)]
    pairs = match(points[0], points[1], options.features)
    a, b = points[0].points[pairs[:, 0]], points[1].points[pairs[:, 1]]
    fit = fit_matches(a, b, options.model, options.motions, first.small.shape, options.features)
    if fit is None:
        return None
    f = first.factor
    shift = (f - 1) / 2
    inliers = fit.weights > 0
    information = fit.information / f**2
    return PairFit(
        rescaled(fit.matrix, 1 / f),
        information,
        a[inliers] * f + shift,
        b[inliers] * f + shift,
        len(a),
        corner_error(information, options.motions, first.shape),
        True,
    )


def levels_of(shape: tuple[int, int], factor: int, full: bool) -> list[int]:
    """Reductions to measure on, coarse to fine: what is blurred in both frames is sharp on a coarse one.

    Examples
    --------
    >>> levels_of((4000, 6000), 4, True)
    [16, 4, 1]
    """
    levels = [factor]
    while min(shape) // (levels[0] * _RATIO) >= 128:
        levels.insert(0, levels[0] * _RATIO)
    while full and levels[-1] > 1:
        levels.append(max(1, levels[-1] // _STEP))
    return levels


def _refine(first: View, second: View, matrix: np.ndarray, options: PairOptions) -> PairFit:
    full = first.pixels is not None and second.pixels is not None
    seen: list[Displacements] = []
    fit, agreed = None, False
    points = targets = np.zeros((0, 2))
    for level in levels_of(first.shape, first.factor, full):
        measured = measure_level(first, second, matrix, level, options)
        if measured is None:
            continue
        seen.append(measured)
        points, targets, information, common = (
            np.concatenate([getattr(s, name) for s in seen])
            for name in ("first", "second", "information", "common")
        )
        some = np.trace(information, axis1=1, axis2=2) > 0
        if 2 * some.sum() < len(options.motions) + 4:
            continue
        fit = fit_transform(
            points[some],
            targets[some],
            information[some],
            options.motions,
            first.shape,
            common=common[some],
            start=matrix,
        )
        agreed = agreed or _agreed(measured, fit.matrix, level)
        if level <= first.factor and not agreed:
            break
        matrix = fit.matrix
    if fit is None or not agreed:
        return PairFit(
            matrix, np.zeros((len(options.motions),) * 2), points[:0], targets[:0], 0, np.inf, False
        )
    inliers = np.flatnonzero(some)[fit.weights > 0]
    error = corner_error(fit.information, options.motions, first.shape)
    return PairFit(fit.matrix, fit.information, points[inliers], targets[inliers], len(points), error, True)


def _agreed(measured: Displacements, matrix: np.ndarray, level: int) -> bool:
    """True when more patches agree with the transform to a pixel than chance would have."""
    misses = np.hypot(*(measured.second - map_points(matrix, measured.first)).T) / level
    followed = np.trace(measured.information, axis1=1, axis2=2) > 0
    close = followed & (misses < 1.0)
    return bool(close.sum() >= 6 and close.sum() >= 0.35 * len(misses))

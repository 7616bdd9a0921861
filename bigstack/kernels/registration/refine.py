"""Two frames of which a coarse transform is known: patches that are textured in both, coarse to fine.

What is blurred in both frames is sharp on a reduced one, so every level counts, with what its patches are
worth. A patch that is far from the sharpest that any frame has of it is doubted: its blurred edges move
with the blur.
"""

from __future__ import annotations

import numpy as np

from bigstack.kernels.registration.coarse import PairFit, PairOptions, shift_pair, unmatched
from bigstack.kernels.registration.fit import corner_error, fit_transform
from bigstack.kernels.registration.models import map_points, rescaled
from bigstack.kernels.registration.patches import (
    MARGIN,
    REACH,
    Displacements,
    doubted,
    enlarged,
    followed,
    joined,
    measure_patches,
    unresolved,
)
from bigstack.kernels.registration.texture import at_blocks, choose_patches
from bigstack.kernels.registration.view import View

_RATIO = 4
"""From one level to the next: a patch follows several pixels, and is then off by a tenth."""

_FEW = 16
"""Fewer patches than this say nothing by disagreeing: frames without room for more are compared as wholes."""


def _measured(
    first: View, second: View, matrix: np.ndarray, level: int, options: PairOptions, *, coarsest: bool
) -> Displacements | None:
    """Measure patches on the frames reduced by `level`; places are in full pixels."""
    shape = first.shape[0] // level, first.shape[1] // level
    size = patch_size(shape, options.size)
    if size is None:
        return None
    small = rescaled(matrix, level)
    block = first.block_at(level)
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
    )
    if not coarsest:
        found = unresolved(found)
    share = np.ones(len(found.first))
    focus = _focus(first, second, small, level, block)
    if focus is not None:
        share = at_blocks(focus, found.first, block)[0]
    found = doubted(found, share)
    return enlarged(found, level)


def patch_size(shape: tuple[int, int], size: int) -> int | None:
    """The side of a patch that frames of `shape` have room for several of, None for none."""
    while size >= 16:
        if min(shape) >= 3 * size + 2 * MARGIN:
            return size
        size -= 8
    return None


def _focus(first: View, second: View, matrix: np.ndarray, level: int, block: float) -> np.ndarray | None:
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
        levels.append(levels[-1] // _RATIO if levels[-1] > 2 * _RATIO else 1)
    return levels


def fine_pair(first: View, second: View, near: np.ndarray, options: PairOptions) -> PairFit:
    """Measure the transform from a first to a second frame by patches.

    Parameters
    ----------
    first, second
        The frames; where both can read their pixels, full resolution is used in the end.
    near
        A transform known to be right within a few pixels of the coarsest level.
    options
        Model and patches.
    """
    full = first.pixels is not None and second.pixels is not None
    seen: list[Displacements] = []
    fit, agreed, matrix = None, False, near
    levels = levels_of(first.shape, first.factor, full)
    for level in levels:
        measured = _measured(first, second, matrix, level, options, coarsest=level == levels[0])
        if measured is None:
            continue
        seen.append(measured)
        together = followed(joined(seen))
        if 2 * len(together.first) < len(options.motions) + 4:
            continue
        fit = fit_transform(
            together.first,
            together.second,
            together.information,
            options.motions,
            first.shape,
            common=together.common,
            start=matrix,
        )
        agreed = agreed or _agreed(measured, fit.matrix, level)
        if level <= first.factor and not agreed:
            break
        matrix = fit.matrix
    if fit is None or not agreed:
        few = sum(len(s.first) for s in seen) < _FEW
        return shift_pair(first, second, near, options) if few else unmatched(options, matrix)
    inliers = fit.weights > 0
    return PairFit(
        fit.matrix,
        fit.information,
        together.first[inliers],
        together.second[inliers],
        sum(len(s.first) for s in seen),
        corner_error(fit.information, options.motions, first.shape),
        True,
        together.information[inliers],
        together.share[inliers],
    )


def _agreed(measured: Displacements, matrix: np.ndarray, level: int) -> bool:
    """True when more patches agree with the transform to a pixel than chance would have."""
    misses = np.hypot(*(measured.second - map_points(matrix, measured.first)).T) / level
    followed = np.trace(measured.information, axis1=1, axis2=2) > 0
    close = followed & (misses < 1.0)
    return bool(close.sum() >= 6 and close.sum() >= 0.35 * len(misses))

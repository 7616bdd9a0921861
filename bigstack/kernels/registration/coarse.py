"""Two frames: a first transform from nothing, by the method that is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from bigstack.kernels.registration.ecc import correlation_at, ecc_information, ecc_levels
from bigstack.kernels.registration.features import FeatureOptions, detect, fit_matches, match
from bigstack.kernels.registration.fit import corner_error
from bigstack.kernels.registration.models import decompose, held_still, rescaled
from bigstack.kernels.registration.phase import phase_shift, phase_similarity
from bigstack.kernels.registration.view import View

Method = Literal["auto", "features", "ecc", "phase"]
METHODS: tuple[str, ...] = get_args(Method)
_ENOUGH = 0.35
"""Correlation of the equalised images of two frames that belong together: right ones gave 0.5 to 1 on all
stacks tried, of focus, noise and modality of every kind, wrong ones up to 0.2."""
_UNSURE = 0.7
"""Correlation below which key points are asked for their opinion."""
_GAIN, _MISSING = 0.01, 0.3
"""Correlation that a transform has to gain over none at all, and the share of what correlation lacks that
it has to make up: microscope
stacks, which do not move, gained up to 0.03 where 0.09 was lacking, from defocus that looks like scale;
half a pixel of motion is worth 0.04 and a pixel 0.14."""
_UNSEEN = 0.3
_PEAK = 8.0
_LEAST = 8
_PHASE_ERROR = 1.0
"""Standard error of phase correlation at the corners, in pixels of the reduced frames."""


@dataclass(frozen=True)
class PairOptions:
    """How a pair is measured."""

    method: Method = "auto"
    model: str = "similarity"
    motions: tuple[str, ...] = ("shift_x", "shift_y", "scale", "rotation")
    fixed: tuple[str, ...] = ()
    """Motions that no frame makes."""
    refine: bool = True
    """Measure patches after the method."""
    size: int = 48
    """Side in pixels of a patch."""
    count: int = 64
    """Most patches a level."""
    features: FeatureOptions = field(default_factory=FeatureOptions)


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
    """True when what was measured agrees with itself."""
    certainty: np.ndarray | None = None
    """Inverse covariance (n, 2, 2) of `second` in 1/px^2, of patches."""
    share: np.ndarray | None = None
    """How near (n,) patches are to the sharpest that any frame has of them, 0 to 1."""


def coarse_pair(
    first: View, second: View, options: PairOptions, guesses: list[np.ndarray] | None = None
) -> PairFit:
    """Measure the transform from a first to a second frame by the method, on the reduced frames.

    Parameters
    ----------
    first, second
        The frames.
    options
        Method and model.
    guesses
        Transforms worth trying, the identity besides; phase correlation and key points need none.
    """
    if min(first.small.shape) < _LEAST:
        return unmatched(options)
    if options.method == "features":
        found = _by_features(first, second, options)
        return unmatched(options) if found is None else found
    if options.method == "phase":
        return _by_phase(first, second, options)
    return _by_correlation(first, second, options, [np.eye(3), *(guesses or [])])


def unmatched(options: PairOptions, matrix: np.ndarray | None = None) -> PairFit:
    """What is known of two frames that do not match: nothing."""
    count = len(options.motions)
    empty = np.zeros((0, 2))
    return PairFit(
        np.eye(3) if matrix is None else matrix, np.zeros((count, count)), empty, empty, 0, np.inf, False
    )


def _by_correlation(first: View, second: View, options: PairOptions, guesses: list[np.ndarray]) -> PairFit:
    """The best guess, climbed by ECC; for `auto` also of phase correlation and, in doubt, of key points."""
    levels = first.levels(), second.levels()
    factor = first.coarse_factor
    if options.method == "auto":
        find = phase_shift if options.model == "translation" else phase_similarity
        guesses = [*guesses, rescaled(find(levels[0][0], levels[1][0]).matrix, 1 / factor)]
    matrix, correlation = _climbed(first, levels, options, guesses)
    if options.method == "auto" and correlation < _UNSURE:
        points = _by_features(first, second, options)
        if points is not None:
            other, again = _climbed(first, levels, options, [points.matrix])
            if again > correlation:
                matrix, correlation = other, again
    if correlation < _ENOUGH:
        return unmatched(options, matrix)
    if _gains_nothing(levels[0][0], levels[1][0], correlation):
        matrix = np.eye(3)
    if not options.refine:
        return ecc_pair(first, second, matrix, options)
    return _plain(matrix, 0.3 * factor, first.shape, options)


def _gains_nothing(first: np.ndarray, second: np.ndarray, correlation: float) -> bool:
    """True when two equalised images correlate about as well as they are."""
    needed = _GAIN + _MISSING * (1 - correlation)
    return correlation_at(first, second, np.eye(3)) > correlation - needed


def _plain(matrix: np.ndarray, error: float, shape: tuple[int, int], options: PairOptions) -> PairFit:
    """A pair without points, all of whose motions are known to about `error` pixels."""
    information = np.eye(len(options.motions)) / error**2
    empty = np.zeros((0, 2))
    at_corners = corner_error(information, options.motions, shape)
    return PairFit(matrix, information, empty, empty, 0, at_corners, True)


def _climbed(
    view: View,
    levels: tuple[list[np.ndarray], list[np.ndarray]],
    options: PairOptions,
    guesses: list[np.ndarray],
) -> tuple[np.ndarray, float]:
    """The best of some matrices by correlation, and what ECC makes of it on the two finest levels."""
    factor = view.coarse_factor
    a, b = levels
    level = min(1, len(a) - 1)
    starts = [rescaled(held_still(m, options.fixed, view.shape), factor) for m in guesses]
    scores = [correlation_at(a[level], b[level], rescaled(m, 2.0**level)) for m in starts]
    best = starts[int(np.argmax(scores))]
    climbed = ecc_levels(a[:2], b[:2], options.motions, start=best, iterations=15, tolerance=0.02)
    return rescaled(climbed.matrix, 1 / factor), climbed.correlation


def ecc_pair(first: View, second: View, matrix: np.ndarray, options: PairOptions) -> PairFit:
    """ECC from a guess on the reduced frames as they are kept, and what that is worth."""
    a, b = first.small_levels(), second.small_levels()
    factor = first.factor
    start = rescaled(matrix, factor)
    found = ecc_levels(a[:3], b[:3], options.motions, start=start, tolerance=0.002)
    if found.correlation < _ENOUGH:
        return unmatched(options, matrix)
    small = found.matrix
    if correlation_at(a[0], b[0], start) >= found.correlation:
        small = start  # frames blurred all over hold only noise here
    elif np.array_equal(matrix, np.eye(3)) and _gains_nothing(a[0], b[0], found.correlation):
        small = np.eye(3)
    information = ecc_information(a[0], b[0], small, options.motions) / factor**2
    error = corner_error(information, options.motions, first.shape)
    empty = np.zeros((0, 2))
    return PairFit(rescaled(small, 1 / factor), information, empty, empty, 0, error, True)


def shift_pair(first: View, second: View, matrix: np.ndarray, options: PairOptions) -> PairFit:
    """The shift alone, of frames that have no room or structure for patches.

    Their scale and rotation cannot be told from a change of blur: a blob out of focus grows. They are taken
    to be none, give or take a third of a pixel at the corners.
    """
    shifts = tuple(name for name in options.motions if name.startswith("shift"))
    others = tuple(name for name in ("scale", "rotation", "stretch", "shear", "tilt_x", "tilt_y"))
    start = np.eye(3)
    parts = decompose(matrix, first.shape)
    start[:2, 2] = [parts[name] if name in shifts else 0.0 for name in ("shift_x", "shift_y")]
    found = ecc_pair(first, second, start, replace(options, motions=shifts))
    count = len(options.motions)
    if not found.trusted:
        return unmatched(options, matrix)
    information = np.zeros((count, count))
    chosen = [n for n, name in enumerate(options.motions) if name in shifts]
    information[np.ix_(chosen, chosen)] = found.information
    for n, name in enumerate(options.motions):
        if name in others:
            information[n, n] = 1 / _UNSEEN**2
    error = corner_error(information, options.motions, first.shape)
    return replace(found, information=information, error=error)


def _by_phase(first: View, second: View, options: PairOptions) -> PairFit:
    find = phase_shift if options.model == "translation" else phase_similarity
    found = find(first.small_levels()[0], second.small_levels()[0])
    matrix = held_still(rescaled(found.matrix, 1 / first.factor), options.fixed, first.shape)
    if found.response < _PEAK:
        return unmatched(options, matrix)
    return _plain(matrix, _PHASE_ERROR * first.factor, first.shape, options)


def _by_features(first: View, second: View, options: PairOptions) -> PairFit | None:
    """Key points of the reduced frames."""
    points = [_detected(view, options.features) for view in (first, second)]
    pairs = match(points[0], points[1], options.features)
    a, b = points[0].points[pairs[:, 0]], points[1].points[pairs[:, 1]]
    fit = fit_matches(a, b, options.model, options.motions, first.small.shape, options.features)
    if fit is None:
        return None
    factor = first.factor
    shift = (factor - 1) / 2
    inliers = fit.weights > 0
    information = fit.information / factor**2
    return PairFit(
        rescaled(fit.matrix, 1 / factor),
        information,
        a[inliers] * factor + shift,
        b[inliers] * factor + shift,
        len(a),
        corner_error(information, options.motions, first.shape),
        True,
    )


def _detected(view: View, options: FeatureOptions):  # type: ignore[no-untyped-def]
    if view.features is None or view.features[0] != options:
        view.features = options, detect(view.small, options)
    return view.features[1]

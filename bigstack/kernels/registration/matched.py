"""Two frames that are far apart in focus: patches all over them, brought to the same blur.

A window cut from a blurred picture does not end where its structure ends, so a change of blur alone moves
the peak of the correlation of two windows, by up to a pixel over some tens of frames, and much the same
way all over a frame. Here the sharper window of two is blurred until both agree best, and what is left of
the difference, a blur that changes across the window, is fitted beside the shift. So a stack of hundreds
of frames is tied from end to end, although what is sharp in the first is a smear in the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.kernels.registration.coarse import PairFit, PairOptions, unmatched
from bigstack.kernels.registration.fit import corner_error, fit_transform
from bigstack.kernels.registration.models import map_points, rescaled
from bigstack.kernels.registration.patches import (
    REACH,
    Displacements,
    band_pass,
    enlarged,
    followed,
    gradient,
    joined,
    limited,
    mapped,
    seen_at,
    trust,
    unit,
    unresolved,
    window_of,
)
from bigstack.kernels.registration.view import View, area_reduced

SIGMAS = (0.0, 0.5, 0.75, 1.05, 1.4, 1.8, 2.4)
"""Standard deviations in pixels, of each level, by which the sharper window may be blurred."""
_MOST_PIXELS = 1 << 17
"""Pixels of the finest level that is looked at: nearer pairs, at full resolution, know what lies between."""
_LEVELS = {8: 1 / 4, 4: 5 / 12, 2: 1 / 2, 1: 5 / 6}
"""Reductions of the finest level, coarse to fine, and their patches' share of the side asked for."""
_EDGE = 2
"""Pixels between a patch and the border of a frame."""
_LEAST, _AGREED = 12, 0.25
"""Patches that have to agree on a pair, and their share of all: frames 384 apart had half, those of different
scenes a tenth."""
_PULL = 1e-3
"""Faint pull of every fitted value towards none, relative to its weight."""


def distant_pair(first: View, second: View, near: np.ndarray, options: PairOptions) -> PairFit:
    """Measure the transform from a first to a second frame whose focus is far apart.

    Parameters
    ----------
    first, second
        The frames; only their reduced images are looked at.
    near
        A transform known to be right within a few pixels of the coarsest level.
    options
        Model and patches.
    """
    base = _finest(first)
    seen: list[Displacements] = []
    offered, fit, matrix = 0, None, near
    for level, share in _LEVELS.items():
        whole, size = level * base, round(options.size * share)
        if min(first.shape) // whole < size + 2 * _EDGE:
            continue
        bands = [_Bands.of(area_reduced(view.small, whole // view.factor)) for view in (first, second)]
        found = _measured(bands[0], bands[1], rescaled(matrix, whole), size, 2 * options.count)
        if found is None:
            continue
        offered += len(found.first)
        seen.append(enlarged(found if not seen else unresolved(found), whole))
        together = followed(joined(seen))
        if len(together.first) < _LEAST:
            continue
        fit = fit_transform(
            together.first, together.second, together.information, options.motions, first.shape,
            common=together.common, start=matrix,
        )  # fmt: skip
        matrix = fit.matrix
    if fit is None or (fit.weights > 0).sum() < max(_LEAST, _AGREED * offered):
        return unmatched(options, near)
    inliers = fit.weights > 0
    return PairFit(
        fit.matrix,
        fit.information,
        together.first[inliers],
        together.second[inliers],
        offered,
        corner_error(fit.information, options.motions, first.shape),
        True,
        together.information[inliers],
    )


def _finest(view: View) -> int:
    """The finest reduction to look at."""
    level = view.factor
    while view.shape[0] * view.shape[1] / level**2 > _MOST_PIXELS:
        level *= 2
    return level


@dataclass(frozen=True)
class _Bands:
    """A frame band-passed, and blurred by each of SIGMAS, one above the other."""

    tall: np.ndarray
    height: int

    @classmethod
    def of(cls, image: np.ndarray) -> _Bands:
        band = band_pass(image[None])[0]
        blurred = [cv2.GaussianBlur(band, (0, 0), sigma) if sigma else band for sigma in SIGMAS]
        return cls(np.concatenate(blurred), image.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.tall.shape[1]


def _measured(
    first: _Bands, second: _Bands, matrix: np.ndarray, size: int, count: int
) -> Displacements | None:
    """Where patches of a first frame lie in a second one, in pixels of this level."""
    origins = _origins(first, matrix, size, count)
    if not len(origins):
        return None
    windows = _Windows(first, second, origins, matrix, size)
    windows.follow(2)
    windows.match()
    windows.follow(3)
    information, common, correlation, grain = trust(windows.modelled(), windows.seen(), windows.weights)
    lost = (np.abs(windows.offset) >= REACH).any(axis=1) | (correlation <= 0.6)
    information[lost] = 0
    centres = origins + (size - 1) / 2
    return Displacements(
        centres,
        map_points(matrix, centres) + windows.offset,
        information,
        common=common,
        correlation=correlation,
        share=np.ones(len(centres)),
        grain=grain,
    )


def _origins(frame: _Bands, matrix: np.ndarray, size: int, count: int) -> np.ndarray:
    """Top left pixels (n, 2) of patches that overlap by half and lie in both frames, the strongest."""
    height, width = frame.shape
    axes = [np.arange(_EDGE, side - size - _EDGE + 1, max(1, size // 2)) for side in (width, height)]
    origins = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    there = map_points(matrix, origins + (size - 1) / 2)
    reach = size / 2 + 1
    origins = origins[((there >= reach) & (there <= (width - 1 - reach, height - 1 - reach))).all(axis=1)]
    energy = [np.square(frame.tall[y : y + size, x : x + size]).mean(dtype=np.float64) for x, y in origins]
    return origins[np.sort(np.argsort(-np.array(energy), kind="stable")[:count])]


class _Windows:
    """Patches of two frames on their way to agreement: where, how blurred, and how the blur slopes."""

    def __init__(
        self, first: _Bands, second: _Bands, origins: np.ndarray, matrix: np.ndarray, size: int
    ) -> None:
        self.first, self.second, self.origins, self.size = first, second, origins, size
        self.weights = window_of(size)
        self.x, self.y = (v.astype(np.float32) for v in mapped(origins - 1.0, size + 2, matrix))
        self.offset = np.zeros((len(origins), 2))
        self.blurs = np.zeros((2, len(origins)), int)
        self.blur = np.zeros((len(origins), 3))
        ramp = np.linspace(-1, 1, size, dtype=np.float32)
        self.slopes = np.stack(np.broadcast_arrays(np.float32(1), ramp[None, :], ramp[:, None]))
        self.template = self._cut(self.blurs[0])

    def _cut(self, blurs: np.ndarray) -> np.ndarray:
        """Patches (n, size + 2, size + 2) of the first frame."""
        side, height = self.size + 2, self.first.height
        corners = zip(self.origins - 1, blurs * height, strict=True)
        cut = [self.first.tall[y + down : y + down + side, x : x + side] for (x, y), down in corners]
        return unit(np.stack(cut), self.weights)

    def seen(self, blurs: np.ndarray | None = None) -> np.ndarray:
        """The same places of the second frame."""
        down = (self.blurs[1] if blurs is None else blurs) * self.second.height
        y = self.y + down[:, None, None].astype(np.float32)
        return seen_at(self.second.tall, self.x, y, self.offset, self.weights)

    def match(self) -> None:
        """Blur one patch of each two so that they agree best."""
        none = np.zeros(len(self.origins), int)
        template, seen = self._cut(none), self.seen(none)
        best = self._agreement(template, seen)
        for n in range(1, len(SIGMAS)):
            for frame, (one, other) in enumerate(
                ((self._cut(none + n), seen), (template, self.seen(none + n)))
            ):
                agreement = self._agreement(one, other)
                better = agreement > best
                self.blurs[frame, better], self.blurs[1 - frame, better] = n, 0
                best = np.maximum(best, agreement)
        self.template = self._cut(self.blurs[0])

    def _agreement(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.einsum("ij,nij,nij->n", self.weights, one[:, 1:-1, 1:-1], other[:, 1:-1, 1:-1])

    def follow(self, iterations: int) -> None:
        """Gauss-Newton on the shift and on the blur that is left, level and sloping (n, 3)."""
        slope = gradient(self.template)
        for _ in range(iterations):
            seen = self.seen()
            ways = np.concatenate([(slope + gradient(seen)) / 2, self._blurring(seen)])
            weighted = ways * self.weights
            normal = np.einsum("anij,bnij->nab", weighted, ways, optimize=True).astype(float)
            error = (seen - self.template)[:, 1:-1, 1:-1]
            right = np.einsum("anij,nij->na", weighted, error, optimize=True).astype(float)
            pull = np.repeat([normal[:, 0, 0] + normal[:, 1, 1], normal[:, 2, 2]], (2, 3), axis=0).T
            normal += (_PULL * pull + 1e-12)[:, :, None] * np.eye(5)
            found = np.linalg.solve(normal, right[..., None])[..., 0]
            self.offset -= limited(found[:, :2])
            self.blur = found[:, 2:]

    def _blurring(self, seen: np.ndarray) -> np.ndarray:
        """What a little more blur does to the patches (3, n, size, size): everywhere, and across."""
        both = (_laplacian(self.template) + _laplacian(seen)) / 2
        return np.asarray(self.slopes[:, None] * both)

    def modelled(self) -> np.ndarray:
        """Patches of the first frame, blurred as those of the second are."""
        model = self.template.copy()
        model[:, 1:-1, 1:-1] += np.einsum("nk,knij->nij", self.blur, self._blurring(self.seen()))
        return unit(model.astype(np.float32), self.weights)


def _laplacian(patches: np.ndarray) -> np.ndarray:
    across = patches[:, 1:-1, 2:] + patches[:, 1:-1, :-2]
    down = patches[:, 2:, 1:-1] + patches[:, :-2, 1:-1]
    return np.asarray(across + down - 4 * patches[:, 1:-1, 1:-1])

"""How far small windows of two frames are apart, to hundredths of a pixel, although their focus differs.

Each window is band-passed, brought to zero mean and unit energy, and moved by Gauss-Newton steps with the
mean of both frames' gradients (Lucas and Kanade 1981; Benhimane and Malis 2004,
doi:10.1109/IROS.2004.1389474). The mean makes the answer odd in the order of the frames, so that a chain of
them has no direction to drift in. Defocus is symmetric: it lowers the correlation of two windows but does
not move its peak, so that a window seen with different sharpness costs weight (its residual is larger) and
not truth.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.registration.models import map_points

MARGIN = 8
"""Pixels that a window needs around the patch in the first frame: the blur's reach and the gradient's."""
REACH = 6
"""Pixels by which the second window may be off and still be followed."""
_FINE, _COARSE = 1.0, 4.0
"""Standard deviations in pixels of the band-pass: noise and interpolation below, shading and haze above."""
_MOST_ROWS = 30_000
"""Rows of windows on top of one another: remap takes 32767."""
_CORRELATED = 12.6
"""Pixels that share one independent error after a blur of 1 px: 4 pi."""
_BLUR_ERROR = 0.003
"""Error in pixels, a fourth power of grain and a root of lost correlation, that does not average out: the
edge between sharp and blurred moves with the focus, and so do the places where a lens blurred twice over
reverses contrast. Found on rendered slopes of 0.6 and 1.2 px of blur a frame, frames 1 and 4 apart, whole
and reduced by 4:
over grains of 2.2 to 5.6 px and correlations of 0.86 to 0.9995 it is right within a factor of two."""


_RESOLVED = 4.0
"""Largest grain in pixels of patches that have structure of their own to show at their resolution."""


@dataclass(frozen=True)
class Displacements:
    """Where the patches of a first frame were found in a second one."""

    first: np.ndarray
    """Centres (n, 2), x before y, in the first frame."""
    second: np.ndarray
    """The same places (n, 2) in the second frame."""
    information: np.ndarray
    """Inverse covariance (n, 2, 2) of `second` in 1/px^2; zero where nothing was found."""
    common: np.ndarray
    """Part (n,) in pixels of the standard error that patches may have in common, from blur that changes."""
    correlation: np.ndarray
    """Correlation coefficient (n,) of the two band-passed patches."""
    share: np.ndarray
    """How near (n,) the patches are to the sharpest that any frame has of them, 0 to 1; 1 when not known."""
    grain: np.ndarray
    """Size in pixels (n,) of the finest structure that both share: 1 / rms spatial angular frequency."""


def measure_patches(
    first: np.ndarray,
    second: np.ndarray,
    first_origin: np.ndarray,
    second_origin: np.ndarray,
    matrix: np.ndarray,
    *,
    size: int,
    iterations: int = 4,
) -> Displacements:
    """Measure where `size` x `size` patches of a first frame lie in a second one.

    Parameters
    ----------
    first
        Windows (n, size + 2 MARGIN, size + 2 MARGIN) float32 of the first frame.
    second
        Windows (n, s, s) float32 of the second frame about where `matrix` says that the patches are, with
        s at least size + 2 MARGIN + 2 REACH (more where the transform enlarges).
    first_origin, second_origin
        Coordinates (n, 2), x before y, of the top left pixels of the windows.
    matrix
        3x3, from the first frame to the second: the guess to start from.
    size
        Side of a patch.
    iterations
        Gauss-Newton steps.
    """
    most = max(1, _MOST_ROWS // second.shape[1])
    if len(first) > most:
        cuts = range(most, len(first), most)
        arrays: Any = (np.split(a, cuts) for a in (first, second, first_origin, second_origin))
        return joined(
            [
                measure_patches(a, b, c, d, matrix, size=size, iterations=iterations)
                for a, b, c, d in zip(*arrays, strict=True)
            ]
        )
    band = band_pass(first)
    inset = MARGIN - 1
    template = band[:, inset : inset + size + 2, inset : inset + size + 2]
    window = window_of(size)
    template = unit(template, window)
    tall = band_pass(second).reshape(-1, second.shape[2])
    x, y = mapped(first_origin + inset, size + 2, matrix)
    x -= second_origin[:, 0, None, None]
    y -= second_origin[:, 1, None, None] - (np.arange(len(first)) * second.shape[1])[:, None, None]
    offset, seen = _follow(template, tall, x.astype(np.float32), y.astype(np.float32), window, iterations)
    information, blurred, correlation, grain = trust(template, seen, window)
    followed = (np.abs(offset) < REACH).all(axis=1) & (correlation > 0.6)
    information[~followed] = 0
    centres = first_origin + MARGIN + (size - 1) / 2
    return Displacements(
        centres,
        map_points(matrix, centres) + offset,
        information,
        common=blurred,
        correlation=correlation,
        share=np.ones(len(centres)),
        grain=grain,
    )


def _follow(
    template: np.ndarray, tall: np.ndarray, x: np.ndarray, y: np.ndarray, window: np.ndarray, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Newton: how far (n, 2) the patches lie from where `x` and `y` sample, and what is seen there."""
    offset = np.zeros((len(template), 2))
    slope = gradient(template)
    seen = seen_at(tall, x, y, offset, window)
    for _ in range(iterations):
        ways = (slope + gradient(seen)) / 2
        weighted = ways * window
        normal = np.einsum("anij,bnij->nab", weighted, ways, optimize=True).astype(float)
        error = (template - seen)[:, 1:-1, 1:-1]
        right = np.einsum("anij,nij->na", weighted, error, optimize=True).astype(float)
        offset += limited(_solve2(normal, right))
        seen = seen_at(tall, x, y, offset, window)
    return offset, seen


def seen_at(
    tall: np.ndarray, x: np.ndarray, y: np.ndarray, offset: np.ndarray, window: np.ndarray
) -> np.ndarray:
    """Patches (n, side, side) of unit energy at places shifted by `offset`."""
    there = [v + offset[:, n, None, None].astype(np.float32) for n, v in ((0, x), (1, y))]
    across, down = (v.reshape(-1, x.shape[2]) for v in there)
    # Not cubic: OpenCV's kernel (a = -0.75) does not reproduce a slope, and moves structure by up to
    # 0.04 px towards whole pixels. Linear does 0.004; what it blurs, the normalisation evens out.
    seen = cv2.remap(tall, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return unit(np.asarray(seen).reshape(x.shape), window)


def trust(
    template: np.ndarray, seen: np.ndarray, window: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Information, error by blur, correlation and grain of aligned patches.

    Both come from products of one frame with the other, in which the noise of the two does not meet itself:
    the squared gradient of a patch that holds nothing but noise looks like excellent texture.
    """
    slope, slope_seen = gradient(template), gradient(seen)
    first, second = template[:, 1:-1, 1:-1], seen[:, 1:-1, 1:-1]
    correlation = np.einsum("ij,nij,nij->n", window, first, second).astype(float)
    noise = np.einsum("ij,nij->n", window, (first - second) ** 2).astype(float)
    common = np.einsum("anij,bnij->nab", slope * window, slope_seen, optimize=True).astype(float)
    common = _positive((common + common.transpose(0, 2, 1)) / 2)
    trace = np.maximum(np.trace(common, axis1=1, axis2=2), 1e-9)
    grain = np.sqrt(2 * np.maximum(correlation, 1e-3) / trace)
    independent = 1 / (_CORRELATED * float((window**2).sum()))
    information = common * independent / (noise[:, None, None] + 1e-6)
    blurred = _BLUR_ERROR * np.minimum(grain, 8) ** 4 * np.sqrt(np.clip(1 - correlation, 0, 1))
    information = information @ np.linalg.inv(np.eye(2) + blurred[:, None, None] ** 2 * information)
    return information, blurred, correlation, grain


def joined(parts: list[Displacements]) -> Displacements:
    """The patches of several measurements."""
    names = [field.name for field in fields(Displacements)]
    return Displacements(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def doubted(found: Displacements, share: np.ndarray) -> Displacements:
    """The same where patches have a share (n,) of the sharpness they have elsewhere: errors grow."""
    more = found.common**2 * (1 / share**2 - 1)
    information = found.information @ np.linalg.inv(np.eye(2) + more[:, None, None] * found.information)
    return replace(found, information=information, common=found.common / share, share=share)


def followed(found: Displacements) -> Displacements:
    """The patches that were found."""
    sure = np.trace(found.information, axis1=1, axis2=2) > 0
    return Displacements(**{field.name: getattr(found, field.name)[sure] for field in fields(Displacements)})


def enlarged(found: Displacements, level: int) -> Displacements:
    """The same in pixels of the full frame, from those of the frame reduced by `level`."""
    shift = (level - 1) / 2
    return replace(
        found,
        first=found.first * level + shift,
        second=found.second * level + shift,
        information=found.information / level**2,
        common=found.common * level,
        grain=found.grain * level,
    )


def unresolved(found: Displacements) -> Displacements:
    """The same without patches that hold nothing as fine as this level could show.

    What is left of a blurred edge in the band is the two ends of its ramp, and they move with the blur
    radius, all alike along the edge. A reduced frame, whose patches are larger than the ramp, tells better.
    """
    blind = found.grain > _RESOLVED
    return replace(found, information=np.where(blind[:, None, None], 0.0, found.information))


def _positive(matrices: np.ndarray) -> np.ndarray:
    """The nearest 2x2 matrices without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrices)
    return (vectors * np.maximum(values, 0)[:, None, :]) @ vectors.transpose(0, 2, 1)


def window_of(size: int) -> np.ndarray:
    """Weights of a patch's pixels, falling to nothing at its edge, with sum 1."""
    ramp = np.hanning(size + 2)[1:-1]
    window = np.sqrt(np.outer(ramp, ramp))
    return (window / window.sum()).astype(np.float32)


def band_pass(windows: np.ndarray) -> np.ndarray:
    """Difference of two Gaussians of every window; the first MARGIN pixels are not to be used."""
    tall = np.ascontiguousarray(windows, dtype=np.float32).reshape(-1, windows.shape[2])
    fine = cv2.GaussianBlur(tall, (0, 0), _FINE)
    box = cv2.blur(cv2.blur(tall, (9, 9)), (7, 7))
    return (fine - box).reshape(windows.shape)


def unit(patches: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Zero weighted mean and unit weighted energy; a patch without any contrast becomes zero."""
    inner = patches[:, 1:-1, 1:-1]
    mean = np.einsum("ij,nij->n", window, inner, optimize=True)
    energy = np.einsum("ij,nij,nij->n", window, inner, inner, optimize=True) - mean**2
    scale = np.where(energy > 0, 1 / np.sqrt(np.maximum(energy, 1e-30)), 0)
    return (patches - mean[:, None, None]) * scale[:, None, None].astype(np.float32)


def gradient(patches: np.ndarray) -> np.ndarray:
    """Central differences (2, n, y, x) in x, then in y."""
    across = (patches[:, 1:-1, 2:] - patches[:, 1:-1, :-2]) / 2
    down = (patches[:, 2:, 1:-1] - patches[:, :-2, 1:-1]) / 2
    return np.stack([across, down])


def mapped(origin: np.ndarray, side: int, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of the patches lie in the second frame, x and y (n, side, side)."""
    axis = np.arange(side, dtype=float)
    x = origin[:, 0, None, None] + axis[None, None, :]
    y = origin[:, 1, None, None] + axis[None, :, None]
    across, down = (row[0] * x + row[1] * y + row[2] for row in matrix[:2])
    if matrix[2, 0] == 0 and matrix[2, 1] == 0:
        return across, down
    weight = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    return across / weight, down / weight


def _solve2(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve many 2x2 systems; a window with an edge only moves across it."""
    pull = 1e-3 * np.trace(normal, axis1=1, axis2=2) + 1e-12
    return np.linalg.solve(normal + pull[:, None, None] * np.eye(2), right[..., None])[..., 0]


def limited(move: np.ndarray) -> np.ndarray:
    """Steps (n, 2) of at most a pixel and a half."""
    length = np.hypot(*move.T)
    return move * np.minimum(1, 1.5 / np.maximum(length, 1e-9))[:, None]

"""Which transforms to believe: limits that a stack of one scene keeps to, and odd frames."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.registration.models import corner_radius, decompose, map_points
from bigstack.kernels.registration.texture import at_blocks

_JUMP = 0.15
_JUMP_SPREAD = 8.0


@dataclass(frozen=True)
class Limits:
    """How far a frame may be from the reference; 0 holds a motion still, of the first four.

    Examples
    --------
    >>> Limits(rotation=0).fixed
    ('rotation',)
    """

    shift_x: float = 0.5
    """Of the frame's width, either way."""
    shift_y: float = 0.5
    """Of the frame's height."""
    scale: float = 2.0
    """Largest ratio of sizes, and its inverse the smallest; 1 holds the scale still."""
    rotation: float = 45.0
    """Degrees, either way."""
    shear: float = 0.1
    """Relative difference of the scales in two directions."""
    perspective: float = 0.1
    """Relative change of scale from the centre to a corner."""
    overlap: float = 0.4
    """Least share of the output that the frame covers."""
    inliers: int = 6
    """Least number of patches, or key points, that agree on a pair of frames."""

    def checked(self) -> Limits:
        """The same; InputError for what has no meaning."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < float("inf"):
                raise InputError(f"limit {field.name} must be a number from 0 up, got {value!r}")
        if self.scale < 1:
            raise InputError(f"limit scale is a ratio of at least 1, got {self.scale!r}")
        if self.overlap > 1:
            raise InputError(f"limit overlap is a share from 0 to 1, got {self.overlap!r}")
        return self

    @property
    def fixed(self) -> tuple[str, ...]:
        """Motions that are not allowed at all."""
        still = {
            "shift_x": self.shift_x == 0,
            "shift_y": self.shift_y == 0,
            "scale": self.scale == 1,
            "rotation": self.rotation == 0,
        }
        return tuple(name for name, held in still.items() if held)


def implausible(matrix: np.ndarray, shape: tuple[int, int], limits: Limits) -> list[str]:
    """What about a transform is beyond the limits, as texts; empty for nothing.

    Examples
    --------
    >>> [text for text in implausible(np.diag([3.0, 3.0, 1.0]), (64, 64), Limits()) if "scale" in text]
    ['scale 3.000 beyond 2']
    """
    parts = decompose(matrix, shape)
    size = {"shift_x": shape[1], "shift_y": shape[0]}
    found = []
    for name, side in size.items():
        share = abs(parts[name]) / side
        if share > max(getattr(limits, name), 1e-6):
            found.append(f"{name} {parts[name]:+.1f} px beyond {100 * getattr(limits, name):g}% of the frame")
    larger = max(parts["scale"], 1 / max(parts["scale"], 1e-12))
    if larger > limits.scale * (1 + 1e-6):
        found.append(f"scale {parts['scale']:.3f} beyond {limits.scale:g}")
    if abs(parts["rotation"]) > limits.rotation + 1e-4:
        found.append(f"rotation {parts['rotation']:+.2f} degrees beyond {limits.rotation:g}")
    for name in ("shear", "perspective"):
        limit = getattr(limits, name)
        found += [f"{name} {parts[name]:.4f} beyond {limit:g}"] if parts[name] > limit + 1e-6 else []
    covered = _overlap(matrix, shape)
    if covered < limits.overlap:
        found.append(f"overlap {covered:.0%} below {limits.overlap:.0%}")
    return found


def _overlap(matrix: np.ndarray, shape: tuple[int, int]) -> float:
    y, x = np.meshgrid(*(np.linspace(0, size - 1, 65) for size in shape), indexing="ij")
    places = map_points(matrix, np.stack([x, y], axis=-1))
    return float(((places >= 0) & (places <= (shape[1] - 1, shape[0] - 1))).all(axis=-1).mean())


def jumps(matrices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Frames (frames,) bool that lie far from where their neighbours say; NaN matrices are left out.

    Far is more than 15 % of half the diagonal, and more than 8 times what the other frames deviate by.
    """
    known = np.flatnonzero(np.isfinite(matrices[:, 0, 0]))
    flagged = np.zeros(len(matrices), bool)
    if len(known) < 4:
        return flagged
    radius = corner_radius(shape)
    rows = []
    for z in known:
        p = decompose(matrices[z], shape)
        rows.append(
            [p["shift_x"], p["shift_y"], np.log(p["scale"]) * radius, np.radians(p["rotation"]) * radius]
        )
    path = np.array(rows)
    away = np.zeros(len(known))
    for i in range(len(known)):
        near = [k for k in range(max(0, i - 3), min(len(known), i + 4)) if k != i]
        away[i] = np.hypot.reduce(path[i] - _line_through(known[near], path[near], known[i]))
    usual = 1.4826 * float(np.median(away))
    flagged[known] = away > max(_JUMP * radius, _JUMP_SPREAD * usual)
    return flagged


def _line_through(z: np.ndarray, values: np.ndarray, at: int) -> np.ndarray:
    """What a robust line through the neighbours gives: median slope, then median height (Theil and Sen)."""
    slopes = [(values[j] - values[i]) / (z[j] - z[i]) for i in range(len(z)) for j in range(i + 1, len(z))]
    slope = np.median(slopes, axis=0)
    return np.asarray(np.median(values + slope * (at - z)[:, None], axis=0))


def blurred_frames(textures: list[np.ndarray], matrices: np.ndarray, block: float) -> np.ndarray:
    """Frames (frames,) bool that are less sharp than frames on both sides of them, everywhere.

    While the focus moves through a scene, sharpness at a place rises, then falls: no frame has less than
    both an earlier and a later one. The first and the last two frames can't be told.

    Parameters
    ----------
    textures
        Texture (rows, columns) of the frames.
    matrices
        (frames, 3, 3), from a common plane to the frames; NaN leaves a frame out.
    block
        Side of a block in pixels.
    """
    rows, columns = textures[0].shape
    y, x = np.mgrid[:rows, :columns]
    plane = (np.stack([x, y], axis=-1) + 0.5) * block - 0.5
    known = [z for z in range(len(textures)) if np.isfinite(matrices[z]).all()]
    seen = {z: at_blocks(textures[z], map_points(matrices[z], plane), block)[0] for z in known}
    flagged = np.zeros(len(textures), bool)
    if len(known) < 3:
        return flagged
    ceiling = np.max([seen[z] for z in known], axis=0)
    telling = ceiling >= np.median(ceiling)
    for i, z in enumerate(known):
        before, after = known[max(0, i - 3) : i], known[i + 1 : i + 4]
        if not before or not after:
            continue
        around = np.minimum(
            np.max([seen[k] for k in before], axis=0), np.max([seen[k] for k in after], axis=0)
        )
        near = telling & (around > 0.4 * ceiling)
        flagged[z] = near.any() and float(np.mean(seen[z][near] < 0.6 * around[near])) > 0.9
    return flagged


def empty_frames(textures: list[np.ndarray]) -> np.ndarray:
    """Frames (frames,) bool with hardly any structure against the others: black, white, a lens cap."""
    strongest = np.array([float(np.percentile(t, 99)) for t in textures])
    return strongest < 0.05 * float(np.median(strongest))

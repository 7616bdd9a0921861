"""Where all frames of a stack have data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from bigstack.errors import InputError
from bigstack.geometry.tile import Tile
from bigstack.geometry.transform import Transform
from bigstack.kernels.warp import valid_region

_NEAR = 1e-6
_NOTHING = "the aligned frames have no area in common: keep the canvas, or drop frames that are far off"


def largest_rectangle(transforms: Sequence[Transform], shape: tuple[int, int]) -> Tile:
    """The upright rectangle of largest area in which every frame has data.

    Parameters
    ----------
    transforms
        Output to frame.
    shape
        Height and width of the frames, and of the output.

    Raises
    ------
    InputError
        When the frames have nothing in common.

    Examples
    --------
    >>> move = Transform.of([[1, 0, 2.5], [0, 1, 0], [0, 0, 1]])
    >>> largest_rectangle([Transform.identity(), move], (100, 200))
    Tile(y0=0, y1=100, x0=0, x1=197)
    """
    moving = [t for t in transforms if not t.is_identity]
    if not moving:
        return Tile(0, shape[0], 0, shape[1])
    sides = _sides(moving, shape)
    low, high = 0.0, float(shape[1] - 1)
    # The height that fits is concave in the width, so the area's logarithm is concave too.
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _area(sides, shape, left) < _area(sides, shape, right):
            low = left
        else:
            high = right
    found = _tallest(sides, shape, low)
    if found is None:
        raise InputError(_NOTHING)
    x0, y0, height = found
    edges = [
        np.ceil(y0 - _NEAR),
        np.floor(y0 + height + _NEAR) + 1,
        np.ceil(x0 - _NEAR),
        np.floor(x0 + low + _NEAR) + 1,
    ]
    return _shrunk([int(edge) for edge in edges], moving, shape)


def _shrunk(edges: list[int], transforms: Sequence[Transform], shape: tuple[int, int]) -> Tile:
    """Move in the sides that have a pixel without data: warps round places by up to 1/1024 px."""
    while edges[0] < edges[1] and edges[2] < edges[3]:
        y0, y1, x0, x1 = edges
        strips = [(y0, y0 + 1, x0, x1), (y1 - 1, y1, x0, x1), (y0, y1, x0, x0 + 1), (y0, y1, x1 - 1, x1)]
        bad = [
            side
            for side, strip in enumerate(strips)
            if any(valid_region(shape, t.matrix, strip, "linear") is not None for t in transforms)
        ]
        if not bad:
            return Tile(y0, y1, x0, x1)
        for side in bad:
            edges[side] += 1 if side in (0, 2) else -1
    raise InputError(_NOTHING)


def overlap(transform: Transform, shape: tuple[int, int], samples: int = 65) -> float:
    """Share of the output, 0 to 1, that a frame has data for."""
    y, x = np.meshgrid(*(np.linspace(0, size - 1, samples) for size in shape), indexing="ij")
    places = transform.apply(np.stack([x, y], axis=-1))
    return float(((places >= 0) & (places <= (shape[1] - 1, shape[0] - 1))).all(axis=-1).mean())


def _sides(transforms: Sequence[Transform], shape: tuple[int, int]) -> np.ndarray:
    """Rows (a, b, c) of half planes a x + b y + c >= 0 of the output, the frames' four sides each."""
    rows = []
    for transform in transforms:
        x, y, w = transform.matrix
        rows += [x, y]
        rows += [(shape[1] - 1) * w - x, (shape[0] - 1) * w - y]
    sides = np.array(rows)
    return sides / np.hypot(sides[:, 0], sides[:, 1])[:, None]


def _tallest(sides: np.ndarray, shape: tuple[int, int], width: float) -> tuple[float, float, float] | None:
    """Left, top and height of the tallest rectangle of a width, or None when none fits."""
    a, b, c = sides.T
    # The corner of the rectangle that comes nearest to a side decides.
    upper = np.stack([-a, -b, -np.minimum(b, 0)], axis=1)
    room = c + np.minimum(a, 0) * width
    bounds = [(0, shape[1] - 1 - width), (0, shape[0] - 1), (0, shape[0] - 1)]
    upper = np.vstack([upper, [0, 1, 1]])
    room = np.append(room, shape[0] - 1)
    found = linprog([0, 0, -1], A_ub=upper, b_ub=room, bounds=bounds, method="highs")
    return tuple(float(v) for v in found.x) if found.status == 0 else None  # type: ignore[return-value]


def _area(sides: np.ndarray, shape: tuple[int, int], width: float) -> float:
    found = _tallest(sides, shape, width)
    return -1.0 - width if found is None else (width + 1) * (found[2] + 1)

"""Where in a frame the pixels of a region of the output are read from.

Places are computed from absolute positions in float64 and rounded, so that they are the same whatever the
regions are.
"""

from __future__ import annotations

import numpy as np

from bigstack.kernels.registration.models import map_points

Region = tuple[int, int, int, int]
"""y0, y1, x0, x1 in absolute pixels."""
_STEPS = {"linear": 1024, "cubic": 1024, "lanczos": 32}
"""Parts of a pixel that places are rounded to; OpenCV has its Lanczos kernel in a table of 32."""


def is_split(matrix: np.ndarray, interpolation: str) -> bool:
    """True when places are sums of a part by row and a part by column."""
    return bool(matrix[2, 0] == 0 and matrix[2, 1] == 0 and _STEPS[interpolation] == 1024)


def split_places(
    matrix: np.ndarray, region: Region, maps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Places of an affine transform, relative to `base`, as sums of a part by row and a part by column.

    Each part is rounded by itself, so a place is off by at most 1/1024 px, and the sums are exact in
    float32: ten times as fast as rounding every pixel's.
    """
    size = region[1] - region[0], region[3] - region[2]
    found, base = [], []
    for (a, b, c), room in zip(matrix[:2], maps, strict=True):
        across, down = _parts((a, b, c), region, 1024)
        low_across, low_down = np.floor(across.min()), np.floor(down.min())
        base.append(int(low_across + low_down))
        down, across = (down - low_down).astype(np.float32), (across - low_across).astype(np.float32)
        found.append(np.add.outer(down, across, out=room[: size[0] * size[1]].reshape(size)))
    return found[0], found[1], (base[1], base[0])


def _parts(
    row: tuple[float, float, float] | np.ndarray, region: Region, step: int
) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = row
    y0, y1, x0, x1 = region
    across = np.rint(np.arange(x0, x1, dtype=float) * a * step) / step
    down = np.rint((np.arange(y0, y1, dtype=float) * b + c) * step) / step
    return across, down


def places_of(matrix: np.ndarray, region: Region, interpolation: str) -> tuple[np.ndarray, np.ndarray]:
    """Absolute places (y, x) float64 in the frame, x and y."""
    step = _STEPS[interpolation]
    if is_split(matrix, interpolation):
        across_x, down_x = _parts(matrix[0], region, step)
        across_y, down_y = _parts(matrix[1], region, step)
        return np.add.outer(down_x, across_x), np.add.outer(down_y, across_y)
    y0, y1, x0, x1 = region
    x, y = np.arange(x0, x1, dtype=float)[None, :], np.arange(y0, y1, dtype=float)[:, None]
    weight = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    rounded = []
    for a, b, c in matrix[:2]:
        place = (a * x + b * y + c) / weight
        # A point behind the camera of a homography is nowhere.
        place = np.where(weight > 0, place, -1e9)
        rounded.append(np.rint(np.clip(place, -1e9, 1e9) * step) / step)
    return rounded[0], rounded[1]


def surely_inside(shape: tuple[int, int], matrix: np.ndarray, region: Region) -> bool:
    """True when all places lie inside with room for rounding; a frame's quadrangle is convex."""
    y0, y1, x0, x1 = region
    square = np.array([[x0, y0], [x1 - 1, y0], [x1 - 1, y1 - 1], [x0, y1 - 1]], dtype=float)
    if ((square @ matrix[2, :2] + matrix[2, 2]) <= 0).any():
        return False
    places = map_points(matrix, square)
    room = 1 / 256
    return bool(((places >= room) & (places <= np.array([shape[1], shape[0]]) - 1 - room)).all())


def edge_of(region: Region) -> np.ndarray:
    """Points (n, 2) all along the edge of a region: what they map to bounds what the region maps to."""
    y0, y1, x0, x1 = region
    x, y = np.linspace(x0, x1 - 1, 17), np.linspace(y0, y1 - 1, 17)
    return np.concatenate(
        [np.stack(np.broadcast_arrays(x, top), axis=-1) for top in (y0, y1 - 1)]
        + [np.stack(np.broadcast_arrays(left, y), axis=-1) for left in (x0, x1 - 1)]
    ).astype(float)


def folded(places: np.ndarray, size: int, border: str) -> np.ndarray:
    """Bring places outside the frame back into it."""
    if border != "reflect":
        return np.clip(places, 0, size - 1)
    if size == 1:
        return np.zeros_like(places)
    around = np.mod(places, 2 * (size - 1))
    return np.where(around > size - 1, 2 * (size - 1) - around, around)


def mirrored_range(low: np.ndarray, high: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What part of 0 to `last` a range covers when it is mirrored at both ends."""
    lows, highs = [], []
    for a, b, end in zip(low, high, last, strict=True):
        if a < -end or b > 2 * end or end == 0:
            lows.append(0.0)
            highs.append(float(end))
            continue
        covered = [max(a, 0.0), min(b, float(end))]
        if a < 0:
            covered += [0.0, min(-a, float(end))]
        if b > end:
            covered += [max(2 * end - b, 0.0), float(end)]
        covered = [v for v in covered if 0 <= v <= end]
        lows.append(min(covered))
        highs.append(max(covered))
    return np.array(lows), np.array(highs)

"""Resampling a frame through a transform, a region at a time, to the same bits whatever the regions are.

The place in the frame that an output pixel is read from is computed from the pixel's absolute position in
float64 and rounded to 1/1024 px; relative to the whole-numbered corner of the region in hand it is then
exact in float32. Only `cv2.remap` is used (its warpAffine depends on where a window starts), on regions of
at most `BLOCK` pixels of output, so that frames beyond its limit of 32767 px are no matter.

An output pixel is valid where its place lies between the centres of the frame's outermost pixels. There it
does not depend on the border rule: neighbours that the kernel would want beyond the frame's edge are
mirrored. All other pixels are made up by the border rule and are to be kept out of any decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from bigstack.errors import InputError, choose
from bigstack.kernels.registration.models import map_points

Interpolation = Literal["linear", "cubic", "lanczos"]
Border = Literal["constant", "replicate", "replicate-blur", "reflect"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)
BORDERS: tuple[str, ...] = get_args(Border)
BLOCK = 1024
"""Side in output pixels of the pieces that are sampled at a time."""
_FLAGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
SUPPORT = {"linear": 1, "cubic": 2, "lanczos": 4}
"""Pixels on either side of a place that the kernel reads."""
_STEPS = {"linear": 1024, "cubic": 1024, "lanczos": 32}
"""Parts of a pixel that places are rounded to; OpenCV has its Lanczos kernel in a table of 32."""

Region = tuple[int, int, int, int]
"""y0, y1, x0, x1 in absolute pixels."""


@dataclass(frozen=True)
class WarpOptions:
    """How a frame is resampled.

    Examples
    --------
    >>> WarpOptions(border="reflect").checked().interpolation
    'cubic'
    """

    interpolation: Interpolation = "cubic"
    border: Border = "replicate"
    value: float = 0.0
    """What `constant` fills with, in the units of the pixels."""
    blur: float = 50.0
    """Standard deviation in pixels of the blur of `replicate-blur`."""

    def checked(self) -> WarpOptions:
        """The same; InputError for what has no meaning."""
        choose(self.interpolation, INTERPOLATIONS, "interpolation")
        choose(self.border, BORDERS, "border")
        if not 0 < self.blur <= 1000:
            raise InputError(
                f"the border's blur must be more than 0 and at most 1000 pixels, got {self.blur}"
            )
        return self


def warp(
    pixels: np.ndarray,
    corner: tuple[int, int],
    shape: tuple[int, int],
    matrix: np.ndarray,
    region: Region,
    options: WarpOptions,
) -> np.ndarray:
    """Resample one region of the output.

    Parameters
    ----------
    pixels
        (y, x, channel) uint8, uint16 or float32 of the frame, at least `source_region` of it.
    corner
        Absolute y and x of the first of `pixels`.
    shape
        Height and width of the whole frame.
    matrix
        3x3, output to frame.
    region
        Of the output, absolute.
    options
        Interpolation and border.

    Returns
    -------
    ndarray
        (y, x, channel) of the region, in the dtype of `pixels`.
    """
    y0, y1, x0, x1 = region
    out = np.empty((y1 - y0, x1 - x0, pixels.shape[2]), pixels.dtype)
    # One pair of maps for all blocks: fresh ones cost as much in page faults as the sampling.
    maps = np.empty((2, min(BLOCK, y1 - y0) * min(BLOCK, x1 - x0)), np.float32)
    for part in blocks(region):
        into = out[part[0] - y0 : part[1] - y0, part[2] - x0 : part[3] - x0]
        _warp_block(pixels, corner, shape, matrix, part, options, into, maps)
    return out


def valid_region(
    shape: tuple[int, int], matrix: np.ndarray, region: Region, interpolation: str
) -> np.ndarray | None:
    """Where a region of the output has data (y, x) bool, or None when all of it has."""
    if _surely_inside(shape, matrix, region):
        return None
    y0, y1, x0, x1 = region
    out = np.empty((y1 - y0, x1 - x0), bool)
    for part in blocks(region):
        into = out[part[0] - y0 : part[1] - y0, part[2] - x0 : part[3] - x0]
        x, y = _places(matrix, part, interpolation)
        into[:] = (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)
    return None if out.all() else out


def source_region(shape: tuple[int, int], matrix: np.ndarray, region: Region, options: WarpOptions) -> Region:
    """The part of a frame, absolute, that a region of the output is made from; never empty."""
    edge = _edge(region)
    places = map_points(matrix, edge)
    reach = SUPPORT[options.interpolation] + 1
    size = np.array([shape[1], shape[0]])
    places = np.nan_to_num(places, posinf=1e9, neginf=-1e9)
    if options.border == "reflect":
        low, high = _mirrored_range(places.min(axis=0) - 1, places.max(axis=0) + 1, size - 1)
    else:
        low, high = np.clip([places.min(axis=0) - 1, places.max(axis=0) + 1], 0, size - 1)
    if options.border == "replicate-blur" and not _surely_inside(shape, matrix, region):
        reach += _reach(options.blur)
    x0, y0 = np.clip(np.floor(low).astype(int) - reach, 0, size - 1)
    x1, y1 = np.clip(np.ceil(high).astype(int) + reach + 1, 1, size)
    return int(y0), int(y1), int(x0), int(x1)


def blocks(region: Region) -> list[Region]:
    """Cut a region into pieces of at most BLOCK pixels a side."""
    y0, y1, x0, x1 = region
    return [
        (y, min(y + BLOCK, y1), x, min(x + BLOCK, x1))
        for y in range(y0, y1, BLOCK)
        for x in range(x0, x1, BLOCK)
    ]


def _warp_block(
    pixels: np.ndarray,
    corner: tuple[int, int],
    shape: tuple[int, int],
    matrix: np.ndarray,
    region: Region,
    options: WarpOptions,
    out: np.ndarray,
    maps: np.ndarray,
) -> None:
    inside = _surely_inside(shape, matrix, region)
    if _is_split(matrix, options.interpolation):
        x, y, base = _split_places(matrix, region, maps)
        invalid = None if inside else _bring_back(x, y, base, shape, options.border)
    else:
        far = _places(matrix, region, options.interpolation)
        near = [_folded(v, n, options.border) for v, n in zip(far, shape[::-1], strict=True)]
        outside = (near[0] != far[0]) | (near[1] != far[1])
        invalid = outside if outside.any() else None
        base = int(np.floor(near[1].min())), int(np.floor(near[0].min()))
        x, y = ((v - b).astype(np.float32) for v, b in zip(near, base[::-1], strict=True))
    view, moved = _view(pixels, corner, base, x, y, SUPPORT[options.interpolation])
    x += np.float32(moved[1])
    y += np.float32(moved[0])
    _remap(view, x, y, options.interpolation, out)
    if invalid is not None and options.border == "constant":
        out[invalid] = _cast(options.value, out.dtype)
    if invalid is not None and options.border == "replicate-blur":
        _fill_blurred(
            pixels, corner, shape, _places(matrix, region, options.interpolation), options.blur, out
        )


def _is_split(matrix: np.ndarray, interpolation: str) -> bool:
    """True when places are sums of a part by row and a part by column."""
    return bool(matrix[2, 0] == 0 and matrix[2, 1] == 0 and _STEPS[interpolation] == 1024)


def _bring_back(
    x: np.ndarray, y: np.ndarray, base: tuple[int, int], shape: tuple[int, int], border: str
) -> np.ndarray | None:
    """Fold places relative to `base` into the frame, in place; where they were outside, None for nowhere."""
    outside = np.zeros(x.shape, bool)
    for places, start, size in ((x, base[1], shape[1]), (y, base[0], shape[0])):
        low, high = np.float32(-start), np.float32(size - 1 - start)
        if places.min() >= low and places.max() <= high:
            continue
        outside |= (places < low) | (places > high)
        if border == "reflect":
            places[:] = _folded(places.astype(float) + start, size, border) - start
        else:
            np.clip(places, low, high, out=places)
    return outside if outside.any() else None


def _split_places(
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


def _places(matrix: np.ndarray, region: Region, interpolation: str) -> tuple[np.ndarray, np.ndarray]:
    """Absolute places (y, x) float64 in the frame, x and y."""
    step = _STEPS[interpolation]
    if _is_split(matrix, interpolation):
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


def _surely_inside(shape: tuple[int, int], matrix: np.ndarray, region: Region) -> bool:
    """True when all places lie inside with room for rounding; a frame's quadrangle is convex."""
    y0, y1, x0, x1 = region
    square = np.array([[x0, y0], [x1 - 1, y0], [x1 - 1, y1 - 1], [x0, y1 - 1]], dtype=float)
    if ((square @ matrix[2, :2] + matrix[2, 2]) <= 0).any():
        return False
    places = map_points(matrix, square)
    room = 1 / 256
    return bool(((places >= room) & (places <= np.array([shape[1], shape[0]]) - 1 - room)).all())


def _edge(region: Region) -> np.ndarray:
    """Points (n, 2) all along the edge of a region: what they map to bounds what the region maps to."""
    y0, y1, x0, x1 = region
    x, y = np.linspace(x0, x1 - 1, 17), np.linspace(y0, y1 - 1, 17)
    return np.concatenate(
        [np.stack(np.broadcast_arrays(x, top), axis=-1) for top in (y0, y1 - 1)]
        + [np.stack(np.broadcast_arrays(left, y), axis=-1) for left in (x0, x1 - 1)]
    ).astype(float)


def _folded(places: np.ndarray, size: int, border: str) -> np.ndarray:
    """Bring places outside the frame back into it."""
    if border != "reflect":
        return np.clip(places, 0, size - 1)
    if size == 1:
        return np.zeros_like(places)
    around = np.mod(places, 2 * (size - 1))
    return np.where(around > size - 1, 2 * (size - 1) - around, around)


def _mirrored_range(low: np.ndarray, high: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def _view(
    pixels: np.ndarray,
    corner: tuple[int, int],
    base: tuple[int, int],
    x: np.ndarray,
    y: np.ndarray,
    support: int,
) -> tuple[np.ndarray, tuple[int, int]]:
    """The least part of `pixels` that the kernel reads, and what to add to places relative to `base`."""
    slices, moved = [], []
    for axis, places in enumerate((y, x)):
        start = max(base[axis] + int(np.floor(places.min())) - support + 1, corner[axis])
        stop = min(base[axis] + int(np.floor(places.max())) + support + 1, corner[axis] + pixels.shape[axis])
        slices.append(slice(start - corner[axis], stop - corner[axis]))
        moved.append(base[axis] - start)
    return pixels[slices[0], slices[1]], (moved[0], moved[1])


def _remap(view: np.ndarray, x: np.ndarray, y: np.ndarray, interpolation: str, out: np.ndarray) -> None:
    """Sample with mirrored neighbours; remap takes 1 to 4 channels."""
    flag = _FLAGS[interpolation]
    if 3 <= view.shape[2] <= 4:
        cv2.remap(view, x, y, flag, dst=out, borderMode=cv2.BORDER_REFLECT_101)
        return
    for first in range(0, view.shape[2], 4):
        group = slice(first, first + 4)
        seen = cv2.remap(view[..., group], x, y, flag, borderMode=cv2.BORDER_REFLECT_101)
        out[..., group] = seen.reshape(*x.shape, -1)


def _cast(value: float, dtype: np.dtype) -> np.generic:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return dtype.type(np.clip(np.rint(value), limits.min, limits.max))
    return dtype.type(value)


def _reach(blur: float) -> int:
    return int(np.ceil(3 * blur))


def _fill_blurred(
    pixels: np.ndarray,
    corner: tuple[int, int],
    shape: tuple[int, int],
    places: tuple[np.ndarray, np.ndarray],
    blur: float,
    out: np.ndarray,
) -> None:
    """Fill what lies outside with the frame's blurred rim, each pixel from the nearest point of it."""
    x, y = places
    beside = (x < 0) | (x > shape[1] - 1)
    above = (y < 0) | (y > shape[0] - 1)
    total = np.zeros(out.shape, np.float64)
    for axis, off, along in ((1, beside, y), (0, above, x)):
        last = shape[1 - axis] - 1
        for end, side in ((0, (x, y)[1 - axis] < 0), (1, off & ~((x, y)[1 - axis] < 0))):
            chosen = side & off
            if chosen.any():
                at = np.clip(along[chosen], 0, last)
                total[chosen] += _rim(pixels, corner, shape, axis, end, at, blur)
    outside = beside | above
    total[beside & above] /= 2
    values = total[outside]
    if np.issubdtype(out.dtype, np.integer):
        values = np.clip(np.rint(values), 0, np.iinfo(out.dtype).max)
    out[outside] = values


def _rim(
    pixels: np.ndarray,
    corner: tuple[int, int],
    shape: tuple[int, int],
    axis: int,
    end: int,
    at: np.ndarray,
    blur: float,
) -> np.ndarray:
    """Values (n, channel) of a side of the frame at places along it, blurred across and along it.

    Sums run in a fixed order, pixel by pixel of the kernel, so that every tile gets the same bits.
    """
    reach, length = _reach(blur), shape[1 - axis]
    turned = pixels if axis == 1 else pixels.transpose(1, 0, 2)
    corner = corner if axis == 1 else (corner[1], corner[0])
    weights = np.exp(-((np.arange(reach + 1) / blur) ** 2) / 2)
    low, high = int(np.floor(at.min())), min(int(np.floor(at.max())) + 1, length - 1)
    numbers = _folded(np.arange(low - reach, high + reach + 1, dtype=float), length, "reflect").astype(int)
    lines = turned[numbers - corner[0]]
    across = np.zeros((len(numbers), pixels.shape[2]))
    depth = min(reach + 1, shape[axis])
    for k in range(depth):
        place = k if end == 0 else shape[axis] - 1 - k
        across += weights[k] * lines[:, place - corner[1]]
    across /= weights[:depth].sum()
    count = high - low + 1
    line = np.zeros((count, pixels.shape[2]))
    for k in range(-reach, reach + 1):
        line += weights[abs(k)] * across[reach + k : reach + k + count]
    line /= weights[0] + 2 * weights[1:].sum()
    whole = np.floor(at).astype(int)
    share = (at - whole)[:, None]
    after = np.minimum(whole + 1, length - 1)
    return line[whole - low] * (1 - share) + line[np.minimum(after - low, count - 1)] * share

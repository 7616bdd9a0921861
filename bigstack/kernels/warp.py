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
from bigstack.kernels.warp_places import (
    Region,
    edge_of,
    folded,
    is_split,
    mirrored_range,
    places_of,
    split_places,
    surely_inside,
)
from bigstack.kernels.warp_rim import fill_blurred, rim_reach

Interpolation = Literal["linear", "cubic", "lanczos"]
Border = Literal["constant", "replicate", "replicate-blur", "reflect"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)
BORDERS: tuple[str, ...] = get_args(Border)
BLOCK = 1024
"""Side in output pixels of the pieces that are sampled at a time."""
_FLAGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
SUPPORT = {"linear": 1, "cubic": 2, "lanczos": 4}
"""Pixels on either side of a place that the kernel reads."""


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
    if surely_inside(shape, matrix, region):
        return None
    y0, y1, x0, x1 = region
    out = np.empty((y1 - y0, x1 - x0), bool)
    for part in blocks(region):
        into = out[part[0] - y0 : part[1] - y0, part[2] - x0 : part[3] - x0]
        x, y = places_of(matrix, part, interpolation)
        into[:] = (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)
    return None if out.all() else out


def source_region(shape: tuple[int, int], matrix: np.ndarray, region: Region, options: WarpOptions) -> Region:
    """The part of a frame, absolute, that a region of the output is made from; never empty."""
    edge = edge_of(region)
    places = map_points(matrix, edge)
    reach = SUPPORT[options.interpolation] + 1
    size = np.array([shape[1], shape[0]])
    places = np.nan_to_num(places, posinf=1e9, neginf=-1e9)
    if options.border == "reflect":
        low, high = mirrored_range(places.min(axis=0) - 1, places.max(axis=0) + 1, size - 1)
    else:
        low, high = np.clip([places.min(axis=0) - 1, places.max(axis=0) + 1], 0, size - 1)
    if options.border == "replicate-blur" and not surely_inside(shape, matrix, region):
        reach += rim_reach(options.blur)
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
    inside = surely_inside(shape, matrix, region)
    if is_split(matrix, options.interpolation):
        x, y, base = split_places(matrix, region, maps)
        invalid = None if inside else _bring_back(x, y, base, shape, options.border)
    else:
        far = places_of(matrix, region, options.interpolation)
        near = [folded(v, n, options.border) for v, n in zip(far, shape[::-1], strict=True)]
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
        fill_blurred(
            pixels, corner, shape, places_of(matrix, region, options.interpolation), options.blur, out
        )


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
            places[:] = folded(places.astype(float) + start, size, border) - start
        else:
            np.clip(places, low, high, out=places)
    return outside if outside.any() else None


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

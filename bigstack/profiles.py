"""Height profiles along lines across a map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine.maps import as_map, masked
from bigstack.errors import InputError
from bigstack.geometry import PixelSize
from bigstack.io.units import in_micrometers
from bigstack.io.writers.spec import spec_of
from bigstack.kernels.roughness.line import sample

PIECE = 512
"""Places that are read at a time: of a long slanting line never more than the pixels around a piece of it."""

MOST_WIDTH = 1000


def profile(
    depth: xr.DataArray | np.ndarray,
    start: tuple[float, float],
    stop: tuple[float, float],
    *,
    width: int = 1,
    valid: xr.DataArray | np.ndarray | None = None,
    pixel_size: float | Sequence[float] | PixelSize | None = None,
) -> xr.DataArray:
    """Depth along a straight line, computed at once from the pixels around it.

    Parameters
    ----------
    depth
        Depth, or another map (y, x), lazy or not; NaN where there is none.
    start, stop
        Ends of the line, x and y in pixels; the first pixel's centre is (0, 0).
    width
        Parallel lines a pixel apart that are averaged, against noise; those with a value count.
    valid
        Mask (y, x): no depth where it is 0.
    pixel_size
        Micrometres of a pixel, one number or (y, x), instead of what the map says.

    Returns
    -------
    DataArray
        Values (distance,), float64, a pixel apart, between pixels bilinear; micrometres where the map is in a
        unit of length (`unit` of the attributes), else as they are. Coordinates: `distance` from the start,
        in micrometres, or in pixels where these have no known size; `x` and `y` in pixels.

    Raises
    ------
    InputError
        For a line that leaves the map, has no length or no known depth.

    Examples
    --------
    >>> slope = np.fromfunction(lambda y, x: 2 * x, (5, 9))
    >>> profile(slope, (1, 2), (4, 2)).values.tolist()
    [2.0, 4.0, 6.0, 8.0]
    """
    found = as_map(depth)
    _check(found.shape, start, stop, width)
    factor = in_micrometers(1.0, str(found.attrs.get("unit", "")))
    values = masked(found, valid)
    length = math.dist(start, stop)
    share = np.linspace(0, 1, math.ceil(length - 1e-9) + 1)
    x, y = (a + (b - a) * share for a, b in zip(start, stop, strict=True))
    across = np.array([-(stop[1] - start[1]), stop[0] - start[0]]) / length
    parts = [slice(i, i + PIECE) for i in range(0, len(share), PIECE)]
    heights = np.concatenate([_piece(values, x[part], y[part], across, width) for part in parts])
    if not np.isfinite(heights).any():
        raise InputError("no pixel along the line has a depth")
    size = PixelSize.of(_plain(pixel_size)) if pixel_size is not None else spec_of(found).pixel_size
    step = (size.y, size.x, size.unit) if size is not None else (1.0, 1.0, "pixel")
    distance = np.hypot((y - start[1]) * step[0], (x - start[0]) * step[1])
    unit = "micrometer" if factor is not None else str(found.attrs.get("unit", ""))
    return xr.DataArray(
        heights * (factor or 1.0),
        dims="distance",
        name="depth",
        coords={
            "distance": ("distance", distance, {"units": step[2]}),
            "x": ("distance", x),
            "y": ("distance", y),
        },
        attrs={"unit": unit} if unit else {},
    )


def _check(shape: tuple[int, ...], start: Sequence[float], stop: Sequence[float], width: int) -> None:
    if not 1 <= width <= MOST_WIDTH:
        raise InputError(f"width must be 1 to {MOST_WIDTH} lines, got {width}")
    for x, y in (start, stop):
        if not (0 <= x <= shape[1] - 1 and 0 <= y <= shape[0] - 1):
            raise InputError(
                f"({x:g}, {y:g}) is not on the map: x goes from 0 to {shape[1] - 1}, "
                f"y from 0 to {shape[0] - 1}"
            )
    if tuple(start) == tuple(stop):
        raise InputError(f"a line from ({start[0]:g}, {start[1]:g}) to itself has no length")


def _plain(value: float | Sequence[float] | PixelSize) -> float | tuple[float, ...] | PixelSize:
    return value if isinstance(value, PixelSize | int | float) else tuple(value)


def _piece(values: da.Array, x: np.ndarray, y: np.ndarray, across: np.ndarray, width: int) -> np.ndarray:
    """Means over parallel lines; places beyond the map have no value."""
    offsets = np.arange(width) - (width - 1) / 2
    columns, rows = x[:, None] + across[0] * offsets, y[:, None] + across[1] * offsets
    limits = [
        (max(0, math.floor(place.min())), min(size, math.floor(place.max()) + 2))
        for place, size in zip((rows, columns), values.shape, strict=True)
    ]
    (top, bottom), (left, right) = limits
    window = np.asarray(values[top:bottom, left:right].compute())
    inside = (rows >= 0) & (rows <= values.shape[0] - 1) & (columns >= 0) & (columns <= values.shape[1] - 1)
    found = np.full(rows.shape, np.nan)
    found[inside] = sample(window, rows[inside] - top, columns[inside] - left)
    known = np.isfinite(found)
    total, count = np.where(known, found, 0).sum(axis=1), known.sum(axis=1)
    return np.divide(total, count, out=np.full(len(x), np.nan), where=count > 0)

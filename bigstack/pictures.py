"""Pictures of maps: grey or coloured previews, and relief in slanting light."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine.maps import as_map, masked, scale_of
from bigstack.engine.windows import constant, map_windows, packed
from bigstack.errors import InputError, choose
from bigstack.geometry import PixelSize, Tile
from bigstack.kernels import colormap as colours
from bigstack.kernels import hillshade as light
from bigstack.names import ColorMap, choices

SHOWN = (0.1, 99.9)
"""Percentiles of a map that are shown darkest and brightest."""

STEEP = 95
"""Percentile of the slopes that is shown at 45 degrees, where no exaggeration is asked for."""

STRIP = 256
"""Rows that are lit at a time."""

SAMPLES = 1 << 22
"""Pixels, evenly spaced, that percentiles are taken of: all of maps up to this size."""


def colorize(
    values: xr.DataArray | np.ndarray,
    *,
    colormap: ColorMap = "viridis",
    bits: int = 8,
    low: float | None = None,
    high: float | None = None,
    valid: xr.DataArray | np.ndarray | None = None,
) -> xr.DataArray:
    """Show a map's numbers in grey or in colours, lazily.

    Parameters
    ----------
    values
        Map (y, x); NaN is shown black.
    colormap
        ``"grey"``, or a map of colours.
    bits
        8, or 16 for grey.
    low, high
        Numbers shown darkest and brightest; the 0.1st and 99.9th percentile of the map when not given, of
        larger ones of four million evenly spaced pixels.
    valid
        Mask (y, x): black where it is 0.

    Returns
    -------
    DataArray
        uint8 or uint16 (y, x) for grey, else uint8 (y, x, channel), RGB. A region computes to the same bits
        as in the whole.

    Raises
    ------
    InputError
        For an unknown map of colours, other bits, or a range that is none.

    Examples
    --------
    >>> colorize(np.array([[0.0, 5.0, 10.0]]), colormap="grey", low=0, high=10).values.tolist()
    [[0, 128, 255]]
    """
    choose(colormap, choices(ColorMap), "colormap")
    if bits not in ((8, 16) if colormap == "grey" else (8,)):
        raise InputError(f"bits must be 8, or 16 for grey, got {bits} for {colormap}")
    found = as_map(values, "a map")
    array = masked(found, valid)
    _check_span(low, high)
    known = [packed([_ends(array)])] if None in (low, high) else []
    how: dict[str, Any] = {"name": colormap, "bits": bits, "low": low, "high": high}
    dtype = np.uint16 if bits == 16 else np.uint8 if colormap == "grey" else np.uint32
    return _picture(map_windows(_colour_window, array[None], 0, *known, dtype=dtype, **how)[0], found)


def hillshade(
    depth: xr.DataArray | np.ndarray,
    *,
    azimuth: float = 315.0,
    altitude: float = 45.0,
    exaggeration: float | None = None,
    invert: bool = False,
    colormap: ColorMap | None = None,
    low: float | None = None,
    high: float | None = None,
    valid: xr.DataArray | np.ndarray | None = None,
    pixel_size: float | Sequence[float] | PixelSize | None = None,
    z_scale: float | None = None,
) -> xr.DataArray:
    """Show a depth map as a surface in slanting light, lazily.

    Slopes are those of Horn 1981 (doi:10.1109/PROC.1981.11918), light is given back as by chalk.

    Parameters
    ----------
    depth
        Depth (y, x); what is not known (NaN) is shown black.
    azimuth, altitude
        Where light comes from, in degrees: clockwise from the top of the picture, and above its plane.
    exaggeration
        How much steeper than they are slopes are shown; it needs a calibrated map. When not given, one in
        twenty is shown steeper than 45 degrees, whatever the units.
    invert
        Larger depths are nearer to the viewer; they are farther away when not set.
    colormap
        Colours of the depth under the light, chalk when not given.
    low, high
        Depths at the ends of the colours; see `colorize`.
    valid
        Mask (y, x): black where it is 0.
    pixel_size, z_scale
        What a pixel and a unit of depth measure, as for `bigstack.surface`.

    Returns
    -------
    DataArray
        uint8 (y, x), or RGB (y, x, channel) with a map of colours. A region computes to the same bits as in
        the whole.

    Raises
    ------
    InputError
        For light from nowhere, or an exaggeration of a map that nothing relates to pixels.

    Examples
    --------
    >>> slope = np.fromfunction(lambda y, x: x, (5, 5))
    >>> hillshade(slope, exaggeration=1.0, z_scale=1.0, azimuth=90).values[2].tolist()
    [242, 255, 255, 255, 242]
    """
    if not 0 < altitude <= 90:
        raise InputError(f"altitude must be more than 0 and at most 90 degrees, got {altitude}")
    if colormap is not None:
        choose(colormap, choices(ColorMap), "colormap")
    found = as_map(depth)
    array = masked(found, valid)[None]
    _check_span(low, high)
    ends = [] if colormap is None or None not in (low, high) else [packed([_ends(array[0])])]
    if exaggeration is None:
        factors = packed([_usual_factors(array[0])])
    else:
        factors = constant(_true_factors(found, exaggeration, pixel_size, z_scale))
    how: dict[str, Any] = {"azimuth": azimuth, "altitude": altitude, "sign": 1.0 if invert else -1.0}
    how |= {"name": colormap, "low": low, "high": high}
    dtype = np.uint8 if colormap in (None, "grey") else np.uint32
    pixels = map_windows(_shade_window, array, light.HILLSHADE_HALO, factors, *ends, dtype=dtype, **how)
    return _picture(pixels[0], found)


def _check_span(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and not low < high:
        raise InputError(f"low must be less than high, got {low} and {high}")


def _ends(array: da.Array) -> da.Array:
    """Percentiles of evenly spaced pixels of the map (y, x)."""
    step = ceil(sqrt(array.size / SAMPLES))
    return _summary(array[::step, ::step], _ends_of, 2)


def _ends_of(sample: np.ndarray) -> np.ndarray:
    known = sample[~np.isnan(sample)]
    return np.percentile(known.astype(np.float64), SHOWN) if known.size else np.zeros(2)


def _usual_factors(array: da.Array) -> da.Array:
    """One over the slope, of evenly spaced pixels, that is shown at 45 degrees."""
    step = ceil(sqrt(9 * array.size / SAMPLES))
    height, width = (max(0, -(-(size - 2) // step)) for size in array.shape)
    if not height * width:
        return da.ones(1)
    parts = [array[j::step, i::step][:height, :width] for j in range(3) for i in range(3)]
    return _summary(da.stack([part.rechunk(-1) for part in parts]), _factors_of, 1)


def _factors_of(sample: np.ndarray) -> np.ndarray:
    steep = light.steepness_of(dict(zip(np.ndindex(3, 3), sample, strict=True)))
    # Flat ground, however much of it there is, has no say in what is steep.
    steep = steep[steep > 0]
    return 1 / np.percentile(steep.astype(np.float64), [STEEP]) if steep.size else np.ones(1)


def _summary(sample: da.Array, function: Any, count: int) -> da.Array:
    """What a function gives of a small array as a whole."""
    whole = sample.rechunk(-1)
    axes = list(range(whole.ndim))
    return whole.map_blocks(function, drop_axis=axes, new_axis=[0], chunks=((count,),), dtype=np.float64)


def _colour_window(
    window: np.ndarray,
    z: int,
    tile: Tile,
    outer: Tile,
    ends: np.ndarray | None = None,
    *,
    name: str,
    bits: int,
    low: float | None,
    high: float | None,
) -> np.ndarray:
    first, last = _given(ends, low, high)
    if name == "grey":
        return colours.stretched(window, first, last, bits)
    return _packed_colours(colours.coloured(window, first, last, name))


def _given(ends: np.ndarray | None, low: float | None, high: float | None) -> tuple[float, float]:
    found = (0.0, 1.0) if ends is None else ends.reshape(-1).tolist()
    return (found[0] if low is None else low), (found[1] if high is None else high)


def _true_factors(
    depth: xr.DataArray, exaggeration: float, pixel_size: Any, z_scale: float | None
) -> np.ndarray:
    """What slopes of one unit a pixel are, down and to the right."""
    if not 0 < exaggeration < float("inf"):
        raise InputError(f"exaggeration must be a positive number, got {exaggeration!r}")
    scale = scale_of(depth, pixel_size=pixel_size, z_scale=z_scale)
    return np.array([scale.z / scale.y, scale.z / scale.x]) * exaggeration


def _shade_window(
    window: np.ndarray,
    z: int,
    tile: Tile,
    outer: Tile,
    factors: np.ndarray,
    ends: np.ndarray | None = None,
    *,
    azimuth: float,
    altitude: float,
    sign: float,
    name: str | None,
    low: float | None,
    high: float | None,
) -> np.ndarray:
    how = {"azimuth": azimuth, "altitude": altitude}
    factor = factors.reshape(-1).tolist()
    span = _given(ends, low, high)
    found = np.empty(tile.shape, np.uint8 if name in (None, "grey") else np.uint32)
    # In strips, as slopes take ten times the room of their heights.
    for part in tile.split(STRIP, tile.shape[1]):
        around = part.pad(light.HILLSHADE_HALO, within=(outer.y1, outer.x1))
        rows = window[max(around.y0, outer.y0) - outer.y0 : around.y1 - outer.y0]
        below = part.y0 - max(around.y0, outer.y0)
        inner = slice(below, below + part.shape[0]), tile.inside(outer)[1]
        share = light.hillshade(rows * np.float32(sign), factor[0], factor[-1], **how)[inner]
        found[part.inside(tile)] = _lit(rows[inner], share, name, span)
    return found


def _lit(values: np.ndarray, share: np.ndarray, name: str | None, span: tuple[float, float]) -> np.ndarray:
    """Chalk, or colours of the values, in the light."""
    if name is None:
        return np.floor(np.nan_to_num(share, nan=0.0) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    if name == "grey":
        return light.shaded(colours.stretched(values, *span, 8)[..., None], share)[..., 0]
    return _packed_colours(light.shaded(colours.coloured(values, *span, name), share))


def _packed_colours(rgb: np.ndarray) -> np.ndarray:
    """Colours as one number a pixel, as windows give them."""
    found = np.zeros((*rgb.shape[:2], 4), np.uint8)
    found[..., :3] = rgb
    return found.view(np.uint32)[..., 0]


def _unpacked_colours(numbers: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(numbers).view(np.uint8).reshape(*numbers.shape, 4)[..., :3]


def _picture(pixels: da.Array, like: xr.DataArray) -> xr.DataArray:
    """The picture with the map's pixel size, but not its unit."""
    kept = {name: like.attrs[name] for name in ("pixel_size", "units") if name in like.attrs}
    flat = {name: like.coords[name] for name in ("y", "x") if name in like.coords}
    if pixels.dtype != np.uint32:
        return xr.DataArray(pixels, dims=("y", "x"), coords=flat, attrs=kept)
    chunks = (*pixels.chunks, (3,))
    rgb = da.map_blocks(_unpacked_colours, pixels, dtype=np.uint8, new_axis=2, chunks=chunks)
    named = {**flat, "channel": ["R", "G", "B"]}
    return xr.DataArray(rgb, dims=("y", "x", "channel"), coords=named, attrs=kept)

"""Pictures of maps: grey or coloured previews, and relief in slanting light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine import statistics
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
        Numbers shown darkest and brightest; the 0.1st and 99.9th percentile of the whole map, found exactly,
        when not given.
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
    levels = _levels(array, low, high, bits)
    if colormap == "grey":
        return _picture(levels, found)
    return _picture(_painted(levels, array, colormap), found)


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
    if exaggeration is None:
        factors = [_usual_factor(array)]
    else:
        factors = [_true_factors(found, exaggeration, pixel_size, z_scale)]
    how: dict[str, Any] = {"azimuth": azimuth, "altitude": altitude, "sign": 1.0 if invert else -1.0}
    share = map_windows(_shade_window, array, light.HILLSHADE_HALO, *factors, **how)[0]
    if colormap is None:
        return _picture(share.map_blocks(_chalk, dtype=np.uint8), found)
    levels = _levels(array[0], low, high, 8)
    return _picture(_painted(levels, array[0], colormap, share), found)


def _levels(array: da.Array, low: float | None, high: float | None, bits: int) -> da.Array:
    """Grey levels of a map (y, x)."""
    if low is not None and high is not None and not low < high:
        raise InputError(f"low must be less than high, got {low} and {high}")
    known = [] if None not in (low, high) else [packed([_ends(array)])]
    dtype = np.uint8 if bits == 8 else np.uint16
    return map_windows(_level_window, array[None], 0, *known, dtype=dtype, low=low, high=high, bits=bits)[0]


def _ends(array: da.Array) -> da.Array:
    return statistics.percentile(array, list(SHOWN), where=~da.isnan(array))


def _level_window(
    window: np.ndarray,
    z: int,
    tile: Tile,
    outer: Tile,
    ends: np.ndarray | None = None,
    *,
    low: float | None,
    high: float | None,
    bits: int,
) -> np.ndarray:
    found = (low, high) if ends is None else ends.reshape(-1).tolist()
    first, last = (end if given is None else given for given, end in zip((low, high), found, strict=True))
    return colours.stretched(window, first, last, bits)


def _painted(levels: da.Array, array: da.Array, name: str, share: da.Array | None = None) -> da.Array:
    """Levels in colours, in the light where there is some."""
    more = [] if share is None else [share[..., None]]
    grey = name == "grey"
    return da.map_blocks(
        _paint,
        levels[..., None],
        array[..., None],
        *more,
        name=None,
        dtype=np.uint8,
        chunks=(*levels.chunks, (1 if grey else 3,)),
        table=None if grey else colours.colour_table(name),
    )


def _paint(
    levels: np.ndarray, values: np.ndarray, share: np.ndarray | None = None, *, table: np.ndarray | None
) -> np.ndarray:
    found = levels if table is None else table[levels[..., 0]]
    found = np.where(np.isnan(values), np.uint8(0), found)
    return found if share is None else light.shaded(found, share[..., 0])


def _chalk(share: np.ndarray) -> np.ndarray:
    return np.floor(np.nan_to_num(share, nan=0.0) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _true_factors(depth: xr.DataArray, exaggeration: float, pixel_size: Any, z_scale: float | None) -> Any:
    if not 0 < exaggeration < float("inf"):
        raise InputError(f"exaggeration must be a positive number, got {exaggeration!r}")
    scale = scale_of(depth, pixel_size=pixel_size, z_scale=z_scale)
    return constant(np.array([scale.z / scale.y, scale.z / scale.x]) * exaggeration)


def _usual_factor(array: da.Array) -> da.Array:
    """One over the slope that is shown at 45 degrees; flat ground has no say in what is steep."""
    steep = map_windows(_steepness_window, array, light.HILLSHADE_HALO)
    return packed([da.reciprocal(statistics.percentile(steep, [STEEP], above=0.0))], missing=1.0)


def _shade_window(
    window: np.ndarray,
    z: int,
    tile: Tile,
    outer: Tile,
    factors: np.ndarray,
    *,
    azimuth: float,
    altitude: float,
    sign: float,
) -> np.ndarray:
    found = factors.reshape(-1).tolist()
    share = light.hillshade(window * np.float32(sign), found[0], found[-1], azimuth, altitude)
    return share[tile.inside(outer)]


def _steepness_window(window: np.ndarray, z: int, tile: Tile, outer: Tile) -> np.ndarray:
    return np.nan_to_num(light.steepness(window)[tile.inside(outer)], nan=0.0)


def _picture(pixels: da.Array, like: xr.DataArray) -> xr.DataArray:
    """The picture with the map's pixel size, but not its unit."""
    kept = {name: like.attrs[name] for name in ("pixel_size", "units") if name in like.attrs}
    flat = {name: like.coords[name] for name in ("y", "x") if name in like.coords}
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 2:
        return xr.DataArray(pixels, dims=("y", "x"), coords=flat, attrs=kept)
    named = {**flat, "channel": ["R", "G", "B"]}
    return xr.DataArray(pixels, dims=("y", "x", "channel"), coords=named, attrs=kept)

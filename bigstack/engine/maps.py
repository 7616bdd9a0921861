"""What operations on depth maps share: checking them, and what their pixels and values measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.errors import InputError
from bigstack.geometry import PixelSize
from bigstack.geometry.map_scale import MapScale
from bigstack.io.units import in_micrometers
from bigstack.io.writers.spec import spec_of

TILE = 2048


def as_map(values: xr.DataArray | np.ndarray, what: str = "a depth map") -> xr.DataArray:
    """A map as a lazy DataArray (y, x) of real numbers; one channel is taken for none.

    Raises
    ------
    InputError
        For other dims, or numbers that are no heights.
    """
    if isinstance(values, np.ndarray):
        values = xr.DataArray(values, dims=("y", "x", "channel")[: values.ndim] if values.ndim < 4 else None)
    if not isinstance(values, xr.DataArray):
        raise InputError(f"{what} is a DataArray or a NumPy array (y, x), got {type(values).__name__}")
    if "channel" in values.dims and values.sizes["channel"] == 1:
        values = values.isel(channel=0, drop=True)
    if values.dims != ("y", "x"):
        raise InputError(f"{what} has dims (y, x), got {dict(values.sizes)}")
    if values.dtype.kind not in "buif" or 0 in values.shape:
        raise InputError(f"{what} holds real numbers, got {values.dtype} of shape {values.shape}")
    array = values.data if isinstance(values.data, da.Array) else da.from_array(values.data, chunks=TILE)
    return values.copy(data=array)


def masked(values: xr.DataArray, valid: xr.DataArray | np.ndarray | None) -> da.Array:
    """The numbers as float32, NaN where they are infinite or `valid` is 0; lazy."""
    numbers = values.data.astype(np.float32)
    known = da.isfinite(numbers)
    if valid is not None:
        mask = as_map(valid, "valid")
        if mask.shape != values.shape:
            raise InputError(f"valid is {mask.shape} and the map {values.shape}; they must have one size")
        known &= mask.data.rechunk(numbers.chunks) != 0
    return da.where(known, numbers, np.float32(np.nan))


def scale_of(
    values: xr.DataArray,
    *,
    pixel_size: float | Sequence[float] | PixelSize | None = None,
    z_scale: float | None = None,
) -> MapScale:
    """Find what pixels and values measure.

    Parameters
    ----------
    pixel_size
        Micrometres of a pixel, one number or (y, x), instead of what the map says.
    z_scale
        What one unit of the values is, in micrometres or, where pixels have no known size, in pixels; for
        values in micrometres, how much heights are exaggerated. 1 where both are known.

    Raises
    ------
    InputError
        Where the map does not say, and nor does `z_scale`.
    """
    size = PixelSize.of(_tuple(pixel_size)) if pixel_size is not None else _own_size(values)
    own = in_micrometers(1.0, str(values.attrs.get("unit", "")))
    if z_scale is not None and not 0 < z_scale < float("inf"):
        raise InputError(f"z_scale must be a positive number, got {z_scale!r}")
    if size is not None and own is not None:
        return MapScale(size.y, size.x, own * (z_scale or 1.0))
    if z_scale is None:
        raise InputError(_unknown(size, values))
    return MapScale(1.0, 1.0, z_scale, "pixel") if size is None else MapScale(size.y, size.x, z_scale)


def _unknown(size: PixelSize | None, values: xr.DataArray) -> str:
    unit = values.attrs.get("unit", "unit")
    if size is None:
        return (
            f"nothing says how large a pixel is compared with the map's values (in {unit}); give z_scale "
            f"(--z-scale), the pixels that one {unit} is, or pixel_size (--pixel-size), the micrometres of a "
            "pixel, for a map in micrometres"
        )
    return (
        f"the map's values are in {unit}, which is no length; give z_scale (--z-scale), the micrometres that "
        f"one {unit} is"
    )


def _tuple(value: Any) -> Any:
    return value if isinstance(value, PixelSize | int | float) else tuple(value)


def _own_size(values: xr.DataArray) -> PixelSize | None:
    """The map's own pixel size in micrometres."""
    size = spec_of(values).pixel_size
    if size is None:
        return None
    y, x = in_micrometers(size.y, size.unit), in_micrometers(size.x, size.unit)
    return PixelSize(None, y, x) if y is not None and x is not None else None

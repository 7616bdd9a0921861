"""A smaller stack to look at first: a coarser level where the file has one, else means of pixels."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from bigstack.errors import InputError


def reduced(stack: xr.DataArray, max_pixels: int) -> xr.DataArray:
    """Reduce frames to `max_pixels` at most, lazily.

    Parameters
    ----------
    stack
        Stack (z, y, x, channel). One just opened from an OME-Zarr is read from the file's own coarser
        level, which costs next to nothing; of any other all pixels are read, tile by tile.
    max_pixels
        Pixels of a frame that are wanted.

    Returns
    -------
    DataArray
        Stack of the same dtype with the same z; y and x are the middles of what a pixel stands for.
    """
    if max_pixels < 1:
        raise InputError(f"max_pixels must be at least 1, got {max_pixels}")
    if stack.sizes["y"] * stack.sizes["x"] <= max_pixels:
        return stack
    stack = _coarser_level(stack, max_pixels)
    factor = math.ceil(math.sqrt(stack.sizes["y"] * stack.sizes["x"] / max_pixels))
    if factor == 1:
        return stack
    means = stack.coarsen(y=factor, x=factor, boundary="trim").mean(keep_attrs=True)  # type: ignore[attr-defined]
    pixels = means if stack.dtype == np.float32 else means.round()
    attrs = dict(stack.attrs)
    if attrs.get("pixel_size"):
        z, y, x = attrs["pixel_size"]
        attrs["pixel_size"] = [z, y * factor, x * factor]
    return pixels.astype(stack.dtype).assign_attrs(attrs)


def _coarser_level(stack: xr.DataArray, max_pixels: int) -> xr.DataArray:
    """The coarsest level of the stack's file that has at least `max_pixels`, frames as in `stack`."""
    from bigstack.io.info import describe
    from bigstack.io.lazy import source_of
    from bigstack.io.open import open_stack

    path = stack.attrs.get("source")
    source = source_of(stack.data) if hasattr(stack.data, "dask") else None
    if path is None or source is None or not str(path).lower().rstrip("/").endswith(".zarr"):
        return stack
    levels = describe(path)["levels"]
    if not levels or tuple(levels[0]) != (stack.sizes["y"], stack.sizes["x"]):
        return stack  # a level, scene or region of its own
    fit = [n for n, (height, width) in enumerate(levels) if height * width >= max_pixels]
    if not fit or fit[-1] == 0:
        return stack
    coarse = open_stack(path, level=fit[-1])
    same = coarse.sizes["z"] == stack.sizes["z"] and bool((coarse.z.values == stack.z.values).all())
    channels = coarse.channel.values.tolist() == stack.channel.values.tolist()
    return coarse if same and channels else stack

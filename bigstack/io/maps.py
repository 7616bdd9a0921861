"""Open a map of numbers, such as a depth map, lazily."""

from __future__ import annotations

import os
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.errors import StackError
from bigstack.io.open import open_stack
from bigstack.io.places import place_of
from bigstack.io.remote import RemotePath


def open_map(path: str | os.PathLike[str] | RemotePath, what: str = "depth map") -> xr.DataArray:
    """Open what bigstack wrote a map to (TIFF, OME-TIFF, OME-Zarr, PNG, NPY) as a lazy DataArray (y, x).

    Attributes are those of `open_stack`: `unit` of the values and `pixel_size`, where the file has them.

    Raises
    ------
    StackError
        For a file that is missing or damaged, or holds several frames or channels.
    """
    image = open_image(path, what)
    if image.sizes["channel"] != 1:
        raise StackError(
            f"{path} has {image.sizes['channel']} channels, a {what} has one; give the numbers, not a picture"
        )
    return image.isel(channel=0, drop=True)


def open_image(path: str | os.PathLike[str] | RemotePath, what: str = "image") -> xr.DataArray:
    """Open one image as a lazy DataArray (y, x, channel), a TIFF's pages its channels; see `open_map`."""
    place = place_of(path)
    if isinstance(place, Path) and place.name.lower().endswith(".npy"):
        return _open_npy(place, what)
    stack = open_stack(place)
    if stack.sizes["channel"] == 1 and isinstance(place, Path) and place.is_file():
        stack = stack.isel(channel=0, drop=True).rename(z="channel").expand_dims("z")
        stack = stack.transpose("z", "y", "x", "channel")
    if stack.sizes["z"] != 1:
        raise StackError(f"{path} has {stack.sizes['z']} frames, a {what} has one; give what a run wrote")
    return stack.isel(z=0, drop=True)


def _open_npy(path: Path, what: str) -> xr.DataArray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise StackError(f"{path} does not exist; give a {what}") from error
    except ValueError as error:
        raise StackError(f"{path} is damaged, or no array of NumPy: {error}") from error
    if values.ndim not in (2, 3) or values.dtype.kind not in "buif":
        raise StackError(f"{path} holds {values.dtype} of shape {values.shape}, no {what} (y, x)")
    array = da.from_array(values, chunks=(2048, 2048, -1)[: values.ndim])
    return xr.DataArray(array if values.ndim == 3 else array[..., None], dims=("y", "x", "channel"))

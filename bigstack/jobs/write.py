"""Write an image from Python: the writers and the tile-by-tile storing of the command line."""

from __future__ import annotations

import os
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.cluster import open_executor
from bigstack.engine.store import store
from bigstack.errors import InputError
from bigstack.io.remote import RemotePath
from bigstack.io.writers import create_sink, spec_of


def write_image(
    image: xr.DataArray | np.ndarray,
    path: str | os.PathLike[str] | RemotePath,
    *,
    overwrite: bool = False,
    keep_gps: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    **options: Any,
) -> None:
    """Write a lazy or computed image, its format told by the ending of `path`.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel), uint8, uint16 or float32: a variable that `fuse` gave, or an array. A
        lazy one is computed tile by tile and never gathered in memory.
    path
        ``.ome.zarr``, ``.tif``, ``.ome.tif``, ``.png``, ``.jpg`` or ``.npy``; an OME-Zarr also at
        ``s3://bucket/...``.
    overwrite
        Whether an image that is there already may be replaced.
    keep_gps
        Whether EXIF and XMP go on to say where the picture was taken.
    workers
        Threads; one a processor when not given.
    scheduler
        Address of a running Dask scheduler, instead of threads.
    options
        Of the format, such as ``compression`` or ``quality``.

    Raises
    ------
    FormatError
        When the format cannot hold the image; names those that can.
    OutputExistsError
        When the image exists and `overwrite` is false.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_image(np.zeros((8, 8), np.uint8), folder + "/black.png")
    """
    if isinstance(image, np.ndarray):
        image = xr.DataArray(image, dims=("y", "x", "channel")[: image.ndim])
    if not isinstance(image, xr.DataArray):
        raise InputError(f"an image is a DataArray or a NumPy array, got {type(image).__name__}")
    sink = create_sink(path, spec_of(image, keep_gps=keep_gps), overwrite=overwrite, **options)
    array = image.data if isinstance(image.data, da.Array) else da.from_array(image.data)
    with open_executor(workers=workers, scheduler=scheduler) as executor:
        sink.open()
        try:
            store([retiled(array, sink)], [sink], executor)
        except BaseException:
            sink.abort()
            raise
        sink.finish()


def retiled(array: da.Array, sink: Any) -> da.Array:
    """The same array in tiles that the output can take."""
    rows, columns = array.chunks[:2]
    fits = all(
        size % step == 0
        for sizes, step in ((rows, sink.multiple[0]), (columns, sink.multiple[1]))
        for size in sizes[:-1]
    )
    if fits and (len(columns) == 1 or not sink.full_width):
        return array
    sides = []
    for chunk, step, size in zip(array.chunksize, sink.multiple, array.shape, strict=False):
        sides.append(min(size, max(1, round(min(chunk, 4096) / step)) * step))
    if sink.full_width:
        sides[1] = array.shape[1]
    return array.rechunk((*sides, *array.shape[2:]))

"""Write maps of numbers, one a frame: a stack in one OME-Zarr, or a file a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine import statistics
from bigstack.engine.copy import copy_stack
from bigstack.engine.plan import PROCESS
from bigstack.engine.store import Executor, store
from bigstack.engine.windows import FieldSource
from bigstack.errors import MemoryLimitError
from bigstack.io.lazy import lazy_array
from bigstack.io.places import AnyPath
from bigstack.io.source import Source
from bigstack.io.writers import create_sink, create_stack_sink, spec_of, stack_spec_of
from bigstack.io.writers.spec import human
from bigstack.kernels.heatmap import grey_picture, heat_picture, overlay_picture

_BYTES = 64  # of a pixel of a tile in work: focus, impulses, sums in float64 and the result

Watch = Callable[[Any], None]

PICTURES = (".png", ".jpg", ".jpeg")
"""Endings of formats that hold no numbers: maps are shown grey, the largest number of all frames white."""


def fitting_tile(
    source: Source, *, halo: int, tile: int | None, memory_limit: int, workers: int, keep: int = 0
) -> tuple[int | None, int]:
    """Side of the tiles that a job on maps works in, and bytes of the memory limit that this leaves.

    The side is what was asked for, else the largest of at least 1024 pixels that leaves the `keep` bytes that
    are best kept in memory, else the largest that takes no more than half of the limit, else of all of it.
    None leaves frames whole that can only be decoded whole.

    Raises
    ------
    MemoryLimitError
        When even the smallest needs more; the message has the sizes.
    """
    pixel = 2 * source.shape[3] * source.dtype.itemsize + _BYTES
    height, width = source.shape[1:3]
    if source.whole_frames and tile is None:
        sides = [max(height, width)]
    else:
        sides = [tile] if tile is not None else [2048, 1024, 512, 256]
    needs = []
    for side in sides:
        area = min(side + 2 * halo, height) * min(side + 2 * halo, width)
        needs.append(PROCESS + workers * area * pixel)
    for least, limit in ((1024, memory_limit - keep), (0, memory_limit // 2), (0, memory_limit)):
        for side, need in zip(sides, needs, strict=True):
            if side >= least and need <= limit:
                whole_frames = source.whole_frames and tile is None
                return None if whole_frames else side, memory_limit - need
    need = needs[-1]
    whole = ", or first copy the images to tiled storage with: bigstack convert INPUT OUT.zarr"
    raise MemoryLimitError(
        f"this needs {human(need)} with {workers} workers and a halo of {halo} pixels, the limit is "
        f"{human(memory_limit)}; raise --memory-limit or use fewer --workers"
        + (whole if source.whole_frames else "")
    )


def frame_path(output: AnyPath, z: int, frames: int) -> AnyPath:
    """Where frame `z` goes: `output` itself for a single one, else numbered.

    Examples
    --------
    >>> from pathlib import Path
    >>> frame_path(Path("focus.tif"), 3, 20).name, frame_path(Path("focus.ome.tif"), 3, 1).name
    ('focus_0003.tif', 'focus.ome.tif')
    """
    if frames == 1:
        return output
    stem, dot, ending = output.name.partition(".")
    return output.with_name(f"{stem}_{z:04d}{dot}{ending}")


def map_paths(output: AnyPath, frames: int) -> list[AnyPath]:
    """Files that `write_field` makes."""
    if frames > 1 and output.name.endswith(".zarr"):
        return [output]
    return [frame_path(output, z, frames) for z in range(frames)]


def write_field(
    source: FieldSource,
    like: xr.DataArray,
    output: AnyPath,
    executor: Executor,
    *,
    overwrite: bool = False,
    watch: Watch = lambda progress: None,
) -> list[AnyPath]:
    """Write a focus map (z, y, x): several frames to .zarr as one stack, else a file a frame."""
    frames = source.shape[0]
    if frames > 1 and output.name.endswith(".zarr"):
        stack = xr.DataArray(
            lazy_array(source),
            dims=("z", "y", "x", "channel"),
            coords={**like.coords, "channel": ["focus"]},
            attrs=like.attrs,
        )
        sink = create_stack_sink(output, stack_spec_of(stack), overwrite=overwrite)
        sink.open()
        try:
            copy_stack(source, sink, executor, watch=watch)
        except BaseException:
            sink.abort()
            raise
        sink.finish()
        return [output]
    array = lazy_array(source)[..., 0]
    return write_frames(like.copy(data=array), output, executor, overwrite=overwrite, watch=watch)


def write_frames(
    maps: xr.DataArray,
    output: AnyPath,
    executor: Executor,
    *,
    overwrite: bool = False,
    highest: float | None = None,
    watch: Watch = lambda progress: None,
) -> list[AnyPath]:
    """Write maps (z, y, x) a file a frame; formats for pictures get them grey, `highest` white."""
    if output.suffix.lower() in PICTURES:
        if highest is None:
            (highest,) = compute([statistics.maximum(maps.data)], executor)
        maps = maps.copy(data=maps.data.map_blocks(grey_picture, float(highest), dtype=np.uint8))
    paths = map_paths(output, maps.sizes["z"])
    for z, path in enumerate(paths):
        write_by(maps[z], path, executor, overwrite=overwrite, watch=watch)
    return paths


def write_by(
    image: xr.DataArray,
    path: AnyPath,
    executor: Executor,
    *,
    overwrite: bool = False,
    watch: Watch = lambda progress: None,
) -> None:
    """Write one lazy image with an executor that is open already."""
    sink = create_sink(path, spec_of(image), overwrite=overwrite)
    sink.open()
    try:
        store([_retiled(image.data, sink)], [sink], executor, watch=watch)
    except BaseException:
        sink.abort()
        raise
    sink.finish()


def coloured(density: xr.DataArray, highest: float) -> xr.DataArray:
    """A density (y, x) in colours (y, x, channel), red at `highest`; lazy."""
    chunks = (*density.data.chunks, (3,))
    pixels = density.data.map_blocks(heat_picture, highest, dtype=np.uint8, new_axis=2, chunks=chunks)
    return xr.DataArray(pixels, dims=("y", "x", "channel"), attrs=density.attrs)


def overlaid(image: xr.DataArray, density: xr.DataArray, highest: float, executor: Executor) -> xr.DataArray:
    """A density (y, x) laid over its image (y, x, channel), in colours; lazy.

    Integers are shown from 0 to the largest they can be, floats from their smallest to their largest.
    """
    pixels = image.data.rechunk((*density.data.chunks, image.sizes["channel"]))
    if image.dtype.kind == "f":
        low, high = compute([statistics.minimum(image.data), statistics.maximum(image.data)], executor)
    else:
        low, high = 0, np.iinfo(image.dtype).max
    found = da.map_blocks(
        _overlay_block,
        pixels,
        density.data[..., None],
        low=float(low),
        high=float(high),
        highest=highest,
        dtype=np.uint8,
        chunks=(*density.data.chunks, (3,)),
    )
    return xr.DataArray(found, dims=("y", "x", "channel"), attrs=density.attrs)


def _overlay_block(image: np.ndarray, density: np.ndarray, **how: float) -> np.ndarray:
    return overlay_picture(image, density[..., 0], **how)


def compute(values: Sequence[da.Array], executor: Executor) -> list[Any]:
    """Compute arrays of one block each together."""
    keys = [next(iter(flatten(value.__dask_keys__()))) for value in values]
    found: dict[Any, Any] = {}
    graph = HighLevelGraph.merge(*(value.dask for value in values))
    executor.run(graph, keys, found.__setitem__)
    return [found[key] for key in keys]


def _retiled(array: da.Array, sink: Any) -> da.Array:
    """The same array in tiles that the output can take."""
    sides = []
    for chunk, step, size in zip(array.chunksize, sink.multiple, array.shape, strict=False):
        sides.append(min(size, max(1, round(min(chunk, 4096) / step)) * step))
    if sink.full_width:
        sides[1] = array.shape[1]
    return array.rechunk((*sides, *array.shape[2:]))

"""A source as a lazy dask array that remembers where its pixels come from."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.blockwise import blockwise
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep

from bigstack.io.source import Source


def _read_block(where: tuple[slice, ...], source: Source) -> np.ndarray:
    z, y, x, channel = where
    frames = [source.read(i, y, x)[..., channel] for i in range(z.start, z.stop)]
    return np.stack(frames)


def lazy_array(source: Source, tile: int = 2048) -> da.Array:
    """Wrap `source` as a dask array (z, y, x, channel), one frame and about `tile` pixels a side a chunk.

    The array's own Blockwise layer carries the source, so `source_of` finds it again for as long as the
    array is what the source gives; arithmetic and indexing make a new layer and so forget it.
    """
    _, y, x, channel = source.shape
    sides = [_whole_chunks(tile, chunk, size) for chunk, size in zip(source.chunks, (y, x), strict=True)]
    chunks = da.core.normalize_chunks((1, *sides, channel), shape=source.shape, dtype=source.dtype)
    name = f"stack-{tokenize(source, tile)}"
    layer: Any = blockwise(
        _read_block, name, "zyxc", ArraySliceDep(chunks), "zyxc", numblocks={}, source=source
    )
    layer.source = source
    graph = HighLevelGraph({name: layer}, {name: set()})
    return da.Array(graph, name, chunks=chunks, dtype=source.dtype)


def _whole_chunks(tile: int, chunk: int, size: int) -> int:
    """The multiple of the storage chunk nearest to `tile` pixels, at least one chunk."""
    return min(size, max(1, round(tile / chunk)) * chunk)


def source_of(array: da.Array) -> Source | None:
    """Return the source that `lazy_array` wrapped, or None for an array that was changed since."""
    layer = getattr(array.dask, "layers", {}).get(array.name)
    return getattr(layer, "source", None)

"""Second pass over tiles: what a tile's first pass kept, together with a coarser image around it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import List, Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.lazy_layer import LazyLayer
from bigstack.engine.sources import overlapping
from bigstack.engine.tile_work import even_split, pick
from bigstack.engine.tiles import Tiles
from bigstack.geometry import Tile

Function = Callable[[list[np.ndarray], np.ndarray], np.ndarray]
"""Payload arrays of a padded sub-tile and the coarse image (y, x, channel) of it -> its pixels."""


def combine(function: Function, tiles: Tiles, payload: str, coarse: da.Array, *, dtype: np.dtype) -> da.Array:
    """Apply `function` to each tile's `payload` and the part of `coarse` that its padded tile covers.

    `coarse` (y, x, channel) keeps every `fold.grid`-th pixel of the tiles' image. The result
    (y, x, channel) has the tiles as chunks. `function` is a module-level function or a frozen value.
    """
    name = f"combine-{tokenize(function, tiles.name, payload, coarse.name, str(dtype))}"
    layer = LazyLayer(
        name, (len(tiles.rows), len(tiles.columns)), _Tasks(function, tiles, payload, coarse, dtype), (0,)
    )
    graph = HighLevelGraph(
        {**tiles.graph.layers, **coarse.dask.layers, name: layer},
        {**tiles.graph.dependencies, **coarse.dask.dependencies, name: {tiles.name, coarse.name}},
    )
    chunks = (tiles.rows, tiles.columns, (coarse.shape[2],))
    return da.Array(graph, name, chunks=chunks, dtype=dtype)


class _Tasks:
    """Makes the tasks of all tiles, and is what these have in common."""

    def __init__(self, function: Function, tiles: Tiles, payload: str, coarse: da.Array, dtype: Any) -> None:
        self.function = function
        self.job = tiles.job
        self.payload = payload
        self.names = (tiles.name, coarse.name)
        self.bounds = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in (tiles.rows, tiles.columns)]
        """Where tiles begin and end."""
        self.edges = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in coarse.chunks[:2]]
        """Where the blocks of the coarser image begin and end."""
        self.dtype = np.dtype(dtype)

    def __call__(self, key: Any) -> Task:
        (y0, y1), (x0, x1) = (
            (int(edges[i]), int(edges[i + 1])) for edges, i in zip(self.bounds, key[1:3], strict=True)
        )
        tile = Tile(y0, y1, x0, x1)
        above, coarse = self.names
        blocks = List(*(TaskRef((coarse, *at, 0)) for at in self.touched(tile)))
        return Task(key, _combine_tile, self, tile, TaskRef((above, *key[1:3])), blocks)

    def region(self, tile: Tile) -> Tile:
        """What a tile needs of the coarser image."""
        return self.job.outer(tile).reduce(self.job.fold.grid)

    def touched(self, tile: Tile) -> list[tuple[int, ...]]:
        """Blocks of the coarser image that this lies in."""
        parts = zip(self.edges, self.region(tile).slices, strict=True)
        return list(product(*([n for n, _, _ in overlapping(edges, part)] for edges, part in parts)))


def _combine_tile(work: _Tasks, tile: Tile, value: Any, blocks: list[np.ndarray]) -> np.ndarray:
    job, region = work.job, work.region(tile)
    coarse = _assemble(region, work.edges, dict(zip(work.touched(tile), blocks, strict=True)))
    arrays = pick(value, work.payload)
    cores = even_split(tile, job.sub_tile, job.fold.grid)
    if not isinstance(arrays[0], list):
        # Parked as one flat list: as many arrays for each sub-tile.
        each = len(arrays) // len(cores)
        arrays = [arrays[i * each : (i + 1) * each] for i in range(len(cores))]
    out = np.empty((*tile.shape, coarse.shape[2]), work.dtype)
    for core, pieces in zip(cores, arrays, strict=True):
        padded = job.outer(core)
        top = coarse[padded.reduce(job.fold.grid).inside(region)]
        pixels = work.function(pieces, top)[core.inside(padded)]
        out[core.inside(tile)] = pixels.reshape(*core.shape, coarse.shape[2])
    return out


def _assemble(region: Tile, edges: list[np.ndarray], blocks: dict[tuple[int, ...], np.ndarray]) -> np.ndarray:
    first = next(iter(blocks.values()))
    y, x = region.slices
    out = np.empty((*region.shape, first.shape[2]), first.dtype)
    for j, rows, to_y in overlapping(edges[0], y):
        for k, columns, to_x in overlapping(edges[1], x):
            out[to_y, to_x] = blocks[j, k][rows, columns]
    return out

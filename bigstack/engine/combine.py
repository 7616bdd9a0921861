"""Second pass over tiles: what a tile's first pass kept, together with a coarser image around it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.sources import overlapping
from bigstack.engine.tile_work import Job, even_split, pick
from bigstack.engine.tiles import Tiles, spans
from bigstack.geometry import Tile

Function = Callable[[list[np.ndarray], np.ndarray], np.ndarray]
"""Payload arrays of a padded sub-tile and the coarse image (y, x, channel) of it -> its pixels."""


def combine(function: Function, tiles: Tiles, payload: str, coarse: da.Array, *, dtype: np.dtype) -> da.Array:
    """Apply `function` to each tile's `payload` and the part of `coarse` that its padded tile covers.

    `coarse` (y, x, channel) keeps every `fold.grid`-th pixel of the tiles' image. The result
    (y, x, channel) has the tiles as chunks. `function` is a module-level function or a frozen value.
    """
    job = tiles.job
    factor = job.fold.grid
    name = f"combine-{tokenize(function, tiles.name, payload, coarse.name, str(dtype))}"
    edges = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in coarse.chunks[:2]]
    layer: dict[Any, Any] = {}
    for (j, y), (k, x) in product(spans(tiles.rows), spans(tiles.columns)):
        tile = Tile(y.start, y.stop, x.start, x.stop)
        region = job.outer(tile).reduce(factor)
        where = list(
            product(
                [block for block, _, _ in overlapping(edges[0], region.slices[0])],
                [block for block, _, _ in overlapping(edges[1], region.slices[1])],
            )
        )
        keys = [(coarse.name, *at, 0) for at in where]
        layer[name, j, k, 0] = (
            _combine_tile, function, job, tile, (tiles.name, j, k), payload, region, edges, where, keys, dtype
        )  # fmt: skip
    graph = HighLevelGraph(
        {**tiles.graph.layers, **coarse.dask.layers, name: layer},
        {**tiles.graph.dependencies, **coarse.dask.dependencies, name: {tiles.name, coarse.name}},
    )
    chunks = (tiles.rows, tiles.columns, (coarse.shape[2],))
    return da.Array(graph, name, chunks=chunks, dtype=dtype)


def _combine_tile(
    function: Function,
    job: Job,
    tile: Tile,
    value: Any,
    payload: str,
    region: Tile,
    edges: list[np.ndarray],
    where: list[tuple[int, int]],
    blocks: list[np.ndarray],
    dtype: np.dtype,
) -> np.ndarray:
    coarse = _assemble(region, edges, dict(zip(where, blocks, strict=True)))
    arrays = pick(value, payload)
    cores = even_split(tile, job.sub_tile, job.fold.grid)
    if not isinstance(arrays[0], list):
        # Parked as one flat list: as many arrays for each sub-tile.
        each = len(arrays) // len(cores)
        arrays = [arrays[i * each : (i + 1) * each] for i in range(len(cores))]
    out = np.empty((*tile.shape, coarse.shape[2]), dtype)
    for core, pieces in zip(cores, arrays, strict=True):
        padded = job.outer(core)
        top = coarse[padded.reduce(job.fold.grid).inside(region)]
        pixels = function(pieces, top)[core.inside(padded)]
        out[core.inside(tile)] = pixels.reshape(*core.shape, coarse.shape[2])
    return out


def _assemble(region: Tile, edges: list[np.ndarray], blocks: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    first = next(iter(blocks.values()))
    y, x = region.slices
    out = np.empty((*region.shape, first.shape[2]), first.dtype)
    for j, rows, to_y in overlapping(edges[0], y):
        for k, columns, to_x in overlapping(edges[1], x):
            out[to_y, to_x] = blocks[j, k][rows, columns]
    return out

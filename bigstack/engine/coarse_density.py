"""Wide Gaussians of lazy focus maps: tiles are reduced, and each output tile smooths what lies around it."""

from __future__ import annotations

from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.sources import overlapping
from bigstack.engine.tiles import spans
from bigstack.engine.windows import map_windows
from bigstack.geometry import Tile
from bigstack.kernels.density import impulses
from bigstack.kernels.pyramid_density import (
    ENLARGE_HALO,
    MARGIN,
    enlarge,
    levels_of,
    reduce_halo,
    reduce_marks,
    smooth_halo,
    smooth_reduced,
)


def coarse_density(array: da.Array, bandwidth: float, known: list[da.Array]) -> da.Array:
    """Density of a focus map (z, y, x) for a bandwidth above `DIRECT`; bits of `density_by_levels`.

    `known` is the threshold of each frame, and the largest focus of each where impulses have its strength.
    """
    levels = levels_of(bandwidth)
    pieces = map_windows(
        reduce_tile,
        array,
        reduce_halo(levels),
        *known,
        dtype=np.float64,
        grid=1 << levels,
        levels=levels,
        shape=array.shape[1:],
    )
    name = f"density-{tokenize(pieces.name, bandwidth)}"
    edges = [cell_edges(sizes, levels) for sizes in array.chunks[1:]]
    strength = (known[1].name,) if len(known) > 1 else None
    layer: dict[Any, Any] = {}
    for (i, z), (j, y), (k, x) in product(*(spans(sizes) for sizes in array.chunks)):
        tile = Tile(y.start, y.stop, x.start, x.stop)
        rows, columns = (
            _cells_around(part, edge, bandwidth) for part, edge in zip((y, x), edges, strict=True)
        )
        found = [overlapping(edge, part) for edge, part in zip(edges, (rows, columns), strict=True)]
        blocks = [(pieces.name, i, row[0], column[0]) for row, column in product(*found)]
        where = _Where(tile, rows, columns, found)
        layer[name, i, j, k] = (smooth_tile, blocks, where, z.start, bandwidth, strength)
    graph = HighLevelGraph(
        {**pieces.dask.layers, name: layer},
        {**pieces.dask.dependencies, name: {pieces.name, *(value.name for value in known)}},
    )
    return da.Array(graph, name, chunks=array.chunks, dtype=np.float32)


class _Where:
    """Where an output tile's cells lie, and which pieces hold them; a class, so that dask leaves it whole."""

    def __init__(self, tile: Tile, rows: slice, columns: slice, found: list[Any]) -> None:
        self.tile = tile
        self.rows = rows
        self.columns = columns
        self.found = found


def cell_edges(sizes: tuple[int, ...], levels: int) -> np.ndarray:
    """Edges of the chunks in cells, counted from the first cell of the margin."""
    edges = -(-np.concatenate([[0], np.cumsum(sizes)]) // (1 << levels)) + MARGIN
    edges[0], edges[-1] = 0, edges[-1] + MARGIN
    return edges


def reduce_tile(
    window: np.ndarray,
    z: int,
    tile: Tile,
    outer: Tile,
    threshold: np.ndarray,
    strength: np.ndarray | None = None,
    *,
    levels: int,
    shape: tuple[int, int],
) -> np.ndarray:
    """Cells of a tile's impulses, with those of the margin where the tile lies at the image's border."""
    unit = 1 << levels
    most = 0.0 if strength is None else float(strength[z])
    marks = impulses(window, threshold[z], most)
    pads, cuts = [], []
    for start, stop, low, high, size in (
        (tile.y0, tile.y1, outer.y0, outer.y1, shape[0]),
        (tile.x0, tile.x1, outer.x0, outer.x1, shape[1]),
    ):
        # Zeros wherever the window ends at the image's border, else reducing would mirror it there.
        before = MARGIN if low == 0 else 0
        after = MARGIN if high == size else 0
        pads.append((before * unit, after * unit + -high % unit))
        origin = low // unit - before
        first = 0 if start == 0 else -(-start // unit) - origin
        cuts.append(slice(first, -(-stop // unit) + (MARGIN if stop == size else 0) - origin))
    return reduce_marks(np.pad(marks, pads), levels)[tuple(cuts)]


def smooth_tile(
    blocks: list[np.ndarray], where: _Where, z: int, bandwidth: float, strength: np.ndarray | None
) -> np.ndarray:
    """Density (1, y, x) of an output tile from the cells around it."""
    levels = levels_of(bandwidth)
    cells = np.zeros((where.rows.stop - where.rows.start, where.columns.stop - where.columns.start))
    for ((_, rows, to_y), (_, columns, to_x)), block in zip(product(*where.found), blocks, strict=True):
        cells[to_y, to_x] = block[0][rows, columns]
    tile = where.tile
    cuts, parts = [], []
    for start, stop, around in ((tile.y0, tile.y1, where.rows), (tile.x0, tile.x1, where.columns)):
        # Enlarged is only the tile with the few cells that takes, not all that smoothing took.
        low = max(around.start, (start >> levels) + MARGIN - ENLARGE_HALO)
        high = min(around.stop, -(-stop // (1 << levels)) + MARGIN + ENLARGE_HALO)
        cuts.append(slice(low - around.start, high - around.start))
        origin = (low - MARGIN) << levels
        parts.append(slice(start - origin, stop - origin))
    density = enlarge(smooth_reduced(cells, bandwidth)[tuple(cuts)], levels, *parts)
    most = 1.0 if strength is None else float(strength[z]) or 1.0
    return (density * most).astype(np.float32)[None]


def _cells_around(part: slice, edges: np.ndarray, bandwidth: float) -> slice:
    """Cells that a tile's smoothing and enlargement depend on, counted as `cell_edges` does."""
    unit = 1 << levels_of(bandwidth)
    halo = smooth_halo(bandwidth) + ENLARGE_HALO
    first = part.start // unit + MARGIN - halo
    last = -(-part.stop // unit) + MARGIN + halo
    return slice(max(0, first), min(int(edges[-1]), last))

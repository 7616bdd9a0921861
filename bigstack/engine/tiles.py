"""map_overlap that folds over z: one task makes one tile of the output from all frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import List, Task, TaskRef
from dask.base import tokenize
from dask.blockwise import blockwise
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep

from bigstack.engine.lazy_layer import LazyLayer
from bigstack.engine.sources import BlockSource, as_source, is_persisted, overlapping
from bigstack.engine.tile_work import (
    SUB_TILE,
    Job,
    fold_tile,
    load,
    merge_parts,
    pick,
)
from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.scratch import Scratch
from bigstack.kernels.fold import Fold, Output


@dataclass(frozen=True)
class Tiles:
    """The tile tasks of a fold as a layer of a graph, and what they give."""

    name: str
    graph: HighLevelGraph
    job: Job
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    blocks_of_z: tuple[int, ...]
    partial: str
    """Layer whose tasks hold the outputs with a z dim, one task a block of z; else the same as `name`."""

    def output(self, name: str) -> da.Array:
        """One output as a lazy array whose chunks are the tiles."""
        output = self.job.fold.outputs[name]
        chunks = self._chunks(output)
        dtype = np.dtype(output.dtype or self.job.dtype)
        of_z = "z" in output.dims
        split = of_z and self.partial != self.name
        key = f"{name}-{tokenize(self.name, name)}"
        layer = blockwise(
            load if self.job.scratch is not None and self.job.finish else pick,
            key,
            _letters(output),
            self.partial if split else self.name,
            "zyx" if split else "yx",
            name,
            None,
            numblocks={
                self.partial if split else self.name: (
                    (len(self.blocks_of_z), len(self.rows), len(self.columns))
                    if split
                    else (len(self.rows), len(self.columns))
                )
            },
            new_axes={
                **({"z": 1} if of_z and not split else {}),
                **({"c": 1} if "channel" in output.dims else {}),
            },
        )
        graph = HighLevelGraph.from_collections(key, layer, dependencies=[])
        layers = {**self.graph.layers, **graph.layers}
        dependencies = {**self.graph.dependencies, key: {self.partial if split else self.name}}
        return da.Array(HighLevelGraph(layers, dependencies), key, chunks=chunks, dtype=dtype)

    def _chunks(self, output: Output) -> tuple[tuple[int, ...], ...]:
        sizes = {
            "z": self.blocks_of_z,
            "y": _reduced(self.rows, output.factor),
            "x": _reduced(self.columns, output.factor),
            "channel": (self.job.shape[3],),
        }
        return tuple(sizes[dim] for dim in output.dims)


def map_overlap(
    fold: Fold,
    stack: da.Array,
    *,
    tile: int | tuple[Any, Any] | None = None,
    z_block: int | None = None,
    sub_tile: int | None = SUB_TILE,
    scratch: Scratch | None = None,
    depend: bool | None = None,
    valid: da.Array | None = None,
    known: da.Array | None = None,
    given: Mapping[str, da.Array] | None = None,
) -> Tiles:
    """Fold over the frames of a lazy stack (z, y, x, channel), tile by tile, with halos.

    Parameters
    ----------
    fold
        What is computed; it tells its halo and its outputs.
    stack
        Lazy array. Where it still knows its source, each task reads from it by itself; where its blocks
        are persisted, a task depends on those it touches; any other graph is computed region by region
        inside the task.
    tile
        Height and width of output tiles (one number for both), or the explicit chunks of y and x.
        2048 when not given; `engine.plan` finds the one that fits a memory limit.
    z_block
        Frames a task, for more parallel work than there are tiles; partial results are merged. All
        frames when not given.
    sub_tile
        Side of the pieces a task works on at a time, None for the whole tile. Never changes a result.
    scratch
        Keeps what tiles hand to each other on disk instead of in memory.
    depend
        True makes each task depend on the blocks of `stack` it touches, right for a small array that
        other tasks of the same graph make; found out by itself when not given.
    valid
        Where the pixels of `stack` are real (z, y, x) bool, in the same chunks; with ``depend=True`` only,
        a source knows that by itself.
    known
        0-d array of a value of the whole stack, which ``fold.told(value)`` gives the fold to use.
    given
        Arrays (y, x[, channel]) whose chunks are the tiles: ``fold.start`` finds them in `out`, cut to the
        tile. Folds that take any do not merge.

    Returns
    -------
    Tiles
        ``tiles.output(name)`` is a lazy dask array; outputs computed together share one pass.

    Examples
    --------
    >>> from bigstack.kernels.fusion.average import Average
    >>> stack = da.ones((3, 8, 8, 1), dtype="uint8")
    >>> map_overlap(Average("mean"), stack, tile=4).output("image").compute().sum()
    np.uint64(64)
    """
    source = None if depend else as_source(stack)
    if depend is None and len(stack.chunks[3]) == 1 and is_persisted(stack):
        source = None
    blocks = source is None
    rows, columns = _tile_chunks(tile, stack.shape[1:3])
    if z_block is not None and z_block < 1:
        raise InputError(f"z_block must be at least 1 frame, got {z_block}")
    if z_block is None or not fold.merges(stack.dtype):
        z_block = stack.shape[0]
    of_z = _chunk(z_block, stack.shape[0])
    what = (stack.name, None if valid is None else valid.name) if source is None else source
    told = None if known is None else known.name
    given = given or {}
    whole = [array.name for array in given.values()]
    name = f"fold-{tokenize(fold, what, rows, columns, of_z, sub_tile, scratch, told, whole)}"
    job = Job(
        fold,
        source,
        stack.shape,
        stack.dtype,
        sub_tile=sub_tile,
        scratch=scratch,
        finish=len(of_z) == 1,
        name=name,
        chunks=stack.chunks if blocks else None,
        given=tuple(given),
    )
    first = name if len(of_z) == 1 else f"part-{name}"
    more = [*([] if known is None else [known]), *given.values()]
    graph = _block_layer(first, stack, valid, job, of_z, rows, columns, more) if blocks else None
    if graph is None:
        layer = _source_layer(first, job, of_z, rows, columns, more)
        needs: list[Any] = list(more)
        graph = HighLevelGraph.from_collections(first, layer, dependencies=needs)
    if len(of_z) > 1:
        merged: dict[Any, Any] = {
            (name, j, k): (merge_parts, job, [(first, i, j, k) for i in range(len(of_z))])
            for j, k in product(range(len(rows)), range(len(columns)))
        }
        graph = HighLevelGraph({**graph.layers, name: merged}, {**graph.dependencies, name: {first}})
    return Tiles(name, graph, job, rows, columns, of_z, first)


def _run_source(where: tuple[slice, ...], *more: Any, job: Job) -> Any:
    z, y, x = where if len(where) == 3 else (slice(0, job.shape[0]), *where)
    assert job.source is not None
    return fold_tile(job, job.source, Tile(y.start, y.stop, x.start, x.stop), range(z.start, z.stop), more)


def _source_layer(
    name: str,
    job: Job,
    of_z: Sequence[int],
    rows: Sequence[int],
    columns: Sequence[int],
    given: Sequence[da.Array] = (),
) -> Any:
    chunks = (tuple(rows), tuple(columns)) if job.finish else (tuple(of_z), tuple(rows), tuple(columns))
    letters = "yx" if job.finish else "zyx"
    arguments: list[Any] = [ArraySliceDep(chunks), letters]
    for array in given:
        arguments += [array.name, "yxc"[: array.ndim]]
    numblocks = {array.name: array.numblocks for array in given}
    return blockwise(_run_source, name, letters, *arguments, numblocks=numblocks, job=job)


def _run_blocks(job: Job, tile: Tile, frames: range, blocks: list, masks: list | None, more: list) -> Any:
    keys = _touched(_edges(job.chunks), job, tile, frames)
    held = None if masks is None else dict(zip(keys, masks, strict=True))
    source = BlockSource(dict(zip(keys, blocks, strict=True)), job.chunks, job.dtype, held)
    return fold_tile(job, source, tile, frames, more)


def _block_layer(
    name: str,
    stack: da.Array,
    valid: da.Array | None,
    job: Job,
    of_z: Sequence[int],
    rows: Sequence[int],
    columns: Sequence[int],
    more: Sequence[da.Array] = (),
) -> HighLevelGraph:
    make = _BlockTasks(
        job,
        (of_z, rows, columns),
        stack.name,
        None if valid is None else valid.name,
        [(array.name, array.ndim) for array in more],
    )
    counts = (len(rows), len(columns)) if job.finish else (len(of_z), len(rows), len(columns))
    needs: list[Any] = [stack, *([] if valid is None else [valid]), *more]
    layer: Any = LazyLayer(name, counts, make)
    return HighLevelGraph.from_collections(name, layer, dependencies=needs)


class _BlockTasks:
    """Makes the tasks of tiles that read blocks of other tasks; keys (name[, z], y, x)."""

    def __init__(
        self,
        job: Job,
        sizes: tuple[Sequence[int], ...],
        stack: str,
        valid: str | None,
        more: list[tuple[str, int]],
    ) -> None:
        self.job = job
        self.bounds = _edges(sizes)
        """Where blocks of frames and tiles begin and end."""
        self.edges = _edges(job.chunks)
        self.stack = stack
        self.valid = valid
        self.more = more

    def __call__(self, key: Any) -> Task:
        *z, j, k = key[1:]
        (z0, z1), (y0, y1), (x0, x1) = (
            (int(edges[i]), int(edges[i + 1]))
            for edges, i in zip(self.bounds, (*(z or [0]), j, k), strict=True)
        )
        tile, frames = Tile(y0, y1, x0, x1), range(z0, z1)
        keys = _touched(self.edges, self.job, tile, frames)
        return Task(
            key,
            _run_blocks,
            self.job,
            tile,
            frames,
            List(*(TaskRef((self.stack, *at, 0)) for at in keys)),
            None if self.valid is None else List(*(TaskRef((self.valid, *at)) for at in keys)),
            List(*(TaskRef((name, *(j, k, 0)[:ndim])) for name, ndim in self.more)),
        )


def _edges(chunks: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Where the blocks of z, y and x begin and end."""
    return [np.concatenate([[0], np.cumsum(sizes)]) for sizes in chunks[:3]]


def _touched(edges: list[np.ndarray], job: Job, tile: Tile, frames: range) -> list[tuple[int, int, int]]:
    """Blocks (z, y, x) that a tile with its halo lies in."""
    parts = (slice(frames.start, frames.stop), *job.outer(tile).slices)
    numbers = [[n for n, _, _ in overlapping(e, part)] for e, part in zip(edges, parts, strict=True)]
    return list(product(*numbers))  # type: ignore[arg-type]


def spans(sizes: Sequence[int]) -> list[tuple[int, slice]]:
    """Number and slice of each chunk."""
    edges = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return [(i, slice(edges[i], edges[i + 1])) for i in range(len(sizes))]


def _letters(output: Output) -> str:
    return "".join(dim[0] for dim in output.dims)


def _reduced(sizes: Sequence[int], factor: int) -> tuple[int, ...]:
    edges = np.concatenate([[0], np.cumsum(sizes)])
    return tuple(np.diff(-(-edges // factor)).tolist())


def _chunk(size: int, total: int) -> tuple[int, ...]:
    return da.core.normalize_chunks((size,), shape=(total,))[0]


def _tile_chunks(tile: Any, shape: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks of y and x from a side, a pair of sides, or chunks themselves."""
    pair = (2048, 2048) if tile is None else (tile, tile) if isinstance(tile, int) else tuple(tile)
    chunks = []
    for want, size in zip(pair, shape, strict=True):
        if isinstance(want, int):
            if want < 1:
                raise InputError(f"a tile needs at least 1 pixel a side, got {want}")
            chunks.append(_chunk(min(want, size), size))
        elif min(want, default=0) < 1:
            raise InputError(f"a tile needs at least 1 pixel a side, got chunks {want}")
        elif sum(want) == size:
            chunks.append(tuple(want))
        else:
            raise InputError(f"tile chunks {want} add up to {sum(want)}, the image has {size} pixels")
    return chunks[0], chunks[1]

"""map_overlap that folds over z: one task makes one tile of the output from all frames."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.blockwise import blockwise
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep

from bigstack.engine.sources import BlockSource, as_source, is_persisted, overlapping
from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.scratch import Parked, Scratch
from bigstack.io.source import Source
from bigstack.kernels.fold import Fold, Output, Window

SUB_TILE = 1024
"""Pixels a side that a task works on at a time: a larger piece leaves the caches (measured 182 against
228 Mpix/s of RGB at 2048 and 512), a smaller one spends more on its halo."""


class Job:
    """What a tile task is told; one object, so that dask does not take it apart."""

    def __init__(
        self,
        fold: Fold,
        source: Source | None,
        shape: tuple[int, int, int, int],
        dtype: np.dtype,
        *,
        sub_tile: int | None,
        scratch: Scratch | None,
        finish: bool,
        name: str,
        chunks: Any = None,
    ) -> None:
        self.fold = fold
        self.source = source
        self.shape = shape
        self.dtype = dtype
        self.sub_tile = sub_tile
        self.scratch = scratch
        self.finish = finish
        self.name = name
        self.chunks = chunks

    def __dask_tokenize__(self) -> object:
        return ("Job", self.name)

    def telling(self, *known: Any) -> Job:
        """The same job with a fold that has been told what is known of the whole stack."""
        if not known:
            return self
        told = copy(self)
        told.fold = self.fold.told(known[0])  # type: ignore[attr-defined]
        return told

    def outer(self, tile: Tile) -> Tile:
        """The tile with its halo."""
        within = self.shape[1:3]
        whole = tile.pad(0, within=within, grid=block_of(self.fold)) if block_of(self.fold) else tile
        return whole.pad(self.fold.halo, within=within, grid=self.fold.grid)


@dataclass
class Part:
    """A sub-tile at work."""

    core: Tile
    padded: Tile
    state: Any


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
            pick,
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
    name = f"fold-{tokenize(fold, what, rows, columns, of_z, sub_tile, scratch, told)}"
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
    )
    first = name if len(of_z) == 1 else f"part-{name}"
    graph = _block_layer(first, stack, valid, job, of_z, rows, columns, known) if blocks else None
    if graph is None:
        layer = _source_layer(first, job, of_z, rows, columns, told)
        needs: list[Any] = [] if known is None else [known]
        graph = HighLevelGraph.from_collections(first, layer, dependencies=needs)
    if len(of_z) > 1:
        merged: dict[Any, Any] = {
            (name, j, k): (_merge, job, [(first, i, j, k) for i in range(len(of_z))])
            for j, k in product(range(len(rows)), range(len(columns)))
        }
        graph = HighLevelGraph({**graph.layers, name: merged}, {**graph.dependencies, name: {first}})
    return Tiles(name, graph, job, rows, columns, of_z, first)


def fold_tile(job: Job, source: Source, tile: Tile, frames: range) -> Any:
    """Run the fold over `frames` of one tile: its outputs, or its state when it is to be merged."""
    key = f"{job.name}-{frames.start}-{tile.y0}-{tile.x0}"
    if job.scratch is not None and (found := job.scratch.find(key)) is not None:
        return found
    unparked = job.scratch.begin(key) if job.scratch is not None and job.finish else None
    outer = job.outer(tile)
    tall = tall_outputs(job, tile, frames, unparked)
    parts = _start_parts(job, tile, frames, tall)
    work: dict = {}
    for number in range(rounds_of(job.fold)):
        for part in parts if number else []:
            job.fold.turn(part.state)  # type: ignore[attr-defined]
        _go_through(job, source, outer, frames, parts, work)
    if not job.finish:
        return {"parts": parts, **tall}
    return finish_tile(job, tile, parts, tall, unparked)


def _go_through(job: Job, source: Source, outer: Tile, frames: range, parts: list[Part], work: dict) -> None:
    for z in frames:
        pixels = source.read(z, *outer.slices)
        valid = source.valid(z, *outer.slices)
        for part in parts:
            inside = part.padded.inside(outer)
            job.fold.add(part.state, pixels[inside], z, None if valid is None else valid[inside], work)


def _start_parts(job: Job, tile: Tile, frames: range, tall: dict[str, np.ndarray]) -> list[Part]:
    parts = []
    for core in sub_tiles(job.fold, tile, job.sub_tile):
        padded = job.outer(core)
        window = Window(padded.shape, core.inside(padded), frames, job.shape[3], job.dtype)
        views = {
            name: array[(slice(None), *within(core, tile, job.fold.outputs[name].factor))]
            for name, array in tall.items()
        }
        parts.append(Part(core, padded, job.fold.start(window, views)))
    return parts


def block_of(fold: Fold) -> int:
    """Side of a fold's canonical blocks, 0 when it has none (see `Fold`)."""
    return getattr(fold, "block", 0)


def rounds_of(fold: Fold) -> int:
    """How often a fold goes through the frames (see `Fold`)."""
    return getattr(fold, "rounds", 1)


def sub_tiles(fold: Fold, tile: Tile, side: int | None) -> list[Tile]:
    """Pieces of a tile that are worked on at a time: near `side`, or within the fold's canonical blocks."""
    block = block_of(fold)
    if not block:
        return even_split(tile, side, fold.grid)
    rows, columns = (_blocks(*span, block) for span in ((tile.y0, tile.y1), (tile.x0, tile.x1)))
    return [Tile(*y, *x) for y in rows for x in columns]


def _blocks(start: int, stop: int, block: int) -> list[tuple[int, int]]:
    """Cut ``start`` to ``stop`` at the multiples of `block`."""
    edges = [start, *range((start // block + 1) * block, stop, block), stop]
    return list(pairwise(edges))


def even_split(tile: Tile, side: int | None, grid: int) -> list[Tile]:
    """Cut a tile into pieces of about equal size near `side`, on the fold's grid; None keeps it whole."""
    if side is None:
        return [tile]
    sides = []
    for size in tile.shape:
        pieces = max(1, round(size / side))
        sides.append(max(1, -(-size // pieces // grid)) * grid)
    return list(tile.split(*sides))


def tall_outputs(job: Job, tile: Tile, frames: range, unparked: Any) -> dict[str, np.ndarray]:
    """Arrays of the outputs with a z dim, on disk when the run parks."""
    found = {}
    for name, output in job.fold.outputs.items():
        if "z" not in output.dims:
            continue
        size = tuple(len(range(*s)) for s in _bounds(tile, output.factor))
        shape = (len(frames), *size, *((job.shape[3],) if "channel" in output.dims else ()))
        dtype = np.dtype(output.dtype or job.dtype)
        found[name] = np.empty(shape, dtype) if unparked is None else unparked.empty(name, shape, dtype)
    return found


def finish_tile(job: Job, tile: Tile, parts: list[Part], tall: dict[str, np.ndarray], unparked: Any) -> Any:
    """Outputs of a tile whose parts have seen all frames; their states are let go."""
    outputs = job.fold.outputs
    found: dict[str, Any] = dict(tall)
    for part in parts:
        for name, value in job.fold.finish(part.state).items():
            if not outputs[name].dims:
                found.setdefault(name, []).append(value)
                continue
            if name not in found:
                size = tuple(len(range(*s)) for s in _bounds(tile, outputs[name].factor))
                found[name] = np.empty((*size, *value.shape[2:]), value.dtype)
            found[name][within(part.core, tile, outputs[name].factor)] = value
        part.state = None
    if unparked is None:
        return found
    for name, value in found.items():
        if name not in tall:
            unparked.save(name, value if outputs[name].dims else [a for arrays in value for a in arrays])
    tall.clear()
    return unparked.finish()


def _merge(job: Job, partial: list[dict[str, Any]]) -> Any:
    """Merge the states of one tile's blocks of z, earliest first, and finish."""
    parts = partial[0]["parts"]
    for late in partial[1:]:
        for part, other in zip(parts, late["parts"], strict=True):
            part.state = job.fold.merge(part.state, other.state)
    y0, x0 = parts[0].core.y0, parts[0].core.x0
    tile = Tile(y0, parts[-1].core.y1, x0, parts[-1].core.x1)
    return finish_tile(job, tile, parts, {}, None)


def pick(value: Any, name: str) -> Any:
    """One output of a tile."""
    return value.load(name) if isinstance(value, Parked) else value[name]


def _run_source(where: tuple[slice, ...], *known: Any, job: Job) -> Any:
    z, y, x = where if len(where) == 3 else (slice(0, job.shape[0]), *where)
    job = job.telling(*known)
    assert job.source is not None
    return fold_tile(job, job.source, Tile(y.start, y.stop, x.start, x.stop), range(z.start, z.stop))


def _source_layer(
    name: str,
    job: Job,
    of_z: Sequence[int],
    rows: Sequence[int],
    columns: Sequence[int],
    told: str | None = None,
) -> Any:
    chunks = (tuple(rows), tuple(columns)) if job.finish else (tuple(of_z), tuple(rows), tuple(columns))
    letters = "yx" if job.finish else "zyx"
    more, numblocks = ([], {}) if told is None else ([told, ""], {told: ()})
    arguments = [ArraySliceDep(chunks), letters, *more]
    return blockwise(_run_source, name, letters, *arguments, numblocks=numblocks, job=job)


def _run_blocks(
    job: Job,
    tile: Tile,
    frames: range,
    keys: list[tuple[int, int, int]],
    blocks: list,
    masks: list | None,
    known: list,
) -> Any:
    job = job.telling(*known)
    held = None if masks is None else dict(zip(keys, masks, strict=True))
    source = BlockSource(dict(zip(keys, blocks, strict=True)), job.chunks, job.dtype, held)
    return fold_tile(job, source, tile, frames)


def _block_layer(
    name: str,
    stack: da.Array,
    valid: da.Array | None,
    job: Job,
    of_z: Sequence[int],
    rows: Sequence[int],
    columns: Sequence[int],
    known: da.Array | None = None,
) -> HighLevelGraph:
    edges = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in stack.chunks[:3]]
    layer: dict[Any, Any] = {}
    for (i, z), (j, y), (k, x) in product(spans(of_z), spans(rows), spans(columns)):
        tile = Tile(y.start, y.stop, x.start, x.stop)
        outer_y, outer_x = job.outer(tile).slices
        keys = list(
            product(
                [block for block, _, _ in overlapping(edges[0], z)],
                [block for block, _, _ in overlapping(edges[1], outer_y)],
                [block for block, _, _ in overlapping(edges[2], outer_x)],
            )
        )
        key = (name, j, k) if job.finish else (name, i, j, k)
        layer[key] = (
            _run_blocks,
            job,
            tile,
            range(z.start, z.stop),
            keys,
            [(stack.name, *at, 0) for at in keys],
            None if valid is None else [(valid.name, *at) for at in keys],
            [] if known is None else [(known.name,)],
        )
    needs: list[Any] = [array for array in (stack, valid, known) if array is not None]
    return HighLevelGraph.from_collections(name, layer, dependencies=needs)


def spans(sizes: Sequence[int]) -> list[tuple[int, slice]]:
    """Number and slice of each chunk."""
    edges = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return [(i, slice(edges[i], edges[i + 1])) for i in range(len(sizes))]


def _letters(output: Output) -> str:
    return "".join(dim[0] for dim in output.dims)


def _bounds(tile: Tile, factor: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (
        (-(-tile.y0 // factor), -(-tile.y1 // factor)),
        (-(-tile.x0 // factor), -(-tile.x1 // factor)),
    )


def within(core: Tile, tile: Tile, factor: int) -> tuple[slice, slice]:
    """`core` as an index of `tile`'s array, both reduced by `factor`."""
    (y0, _), (x0, _) = _bounds(tile, factor)
    (a, b), (c, d) = _bounds(core, factor)
    return slice(a - y0, b - y0), slice(c - x0, d - x0)


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

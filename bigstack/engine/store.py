"""Write lazy results tile by tile: tasks compute and encode, the driver puts in place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Protocol

import dask.array as da
import numpy as np
from dask._task_spec import List, Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.tiles import spans
from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.sink import Sink


class Executor(Protocol):
    """Runs graphs somewhere; `bigstack.cluster` has them."""

    in_process: bool
    """Whether tasks share the driver's memory."""

    def run(
        self,
        graph: HighLevelGraph,
        keys: list,
        done: Callable[[Any, Any], None],
        tick: Callable[[float], None] = ...,
    ) -> None:
        """Compute `keys`: ``done(key, value)`` as each is there, ``tick(share)`` as work goes on."""
        ...


@dataclass
class Progress:
    """What has been stored so far, told to whoever watches."""

    total: int
    """Tiles to compute in this run."""
    pixels: int
    """Input pixels of this run."""
    skipped: int = 0
    """Tiles that an earlier run had stored."""
    done: int = 0
    """Tiles stored."""
    share: float = 0.0
    """Share of the work that is done, 0 to 1; tiles are stored late where there are two passes."""
    share_read: float | None = None
    """Share of the stack's storage that a pruned run read; None where nothing was pruned."""
    watch: Callable[[Progress], None] = field(default=lambda _: None, repr=False)

    def tick(self, share: float) -> None:
        """Work has gone on."""
        self.share = share
        self.watch(self)


class _Delivery:
    """Puts encoded tiles into their sinks, in row-major order if one needs it, from whatever thread."""

    def __init__(self, sinks: Sequence[Sink], tiles: Sequence[Tile], progress: Progress) -> None:
        self.sinks = sinks
        self.tiles = tiles
        self.progress = progress
        self.lock = threading.Lock()
        self.waiting: dict[int, list[object]] = {}
        self.next = 0
        self.any_order = all(sink.any_order for sink in sinks)

    def __call__(self, number: int, encoded: list[object]) -> None:
        with self.lock:
            if self.any_order:
                self._put(number, encoded)
                return
            self.waiting[number] = encoded
            while self.next in self.waiting:
                self._put(self.next, self.waiting.pop(self.next))
                self.next += 1

    def _put(self, number: int, encoded: list[object]) -> None:
        for sink, piece in zip(self.sinks, encoded, strict=True):
            sink.put(self.tiles[number], piece)
        self.progress.done += 1


def store(
    arrays: Sequence[da.Array],
    sinks: Sequence[Sink],
    executor: Executor,
    *,
    frames: int = 1,
    share: tuple[int, int] | None = None,
    watch: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Compute arrays (y, x[, channel]) of equal tiles in one pass and write each to its sink.

    The sinks are open already; they are finished by the caller, who knows what else has to be in place.
    Tiles that all sinks have from an interrupted run are not computed again. `frames` is how many input
    pixels an output pixel stands for, for who watches. With `share` (i, n) only the i-th of n runs of
    neighbouring tiles is computed, and coarser levels are left to who finishes.
    """
    rows, columns = arrays[0].chunks[:2]
    if any(array.chunks[:2] != (rows, columns) for array in arrays):
        raise InputError(f"outputs stored together need equal tiles, got {[a.chunks[:2] for a in arrays]}")
    _check_borders(sinks, rows, columns)
    kept = frozenset.intersection(*(sink.done_tiles() for sink in sinks))
    places = list(product(spans(rows), spans(columns)))
    if share is not None:
        number, of = share
        places = places[len(places) * (number - 1) // of : len(places) * number // of]
    tiles = {(j, k): Tile(y.start, y.stop, x.start, x.stop) for (j, y), (k, x) in places}
    todo = {at: tile for at, tile in tiles.items() if tile not in kept}
    progress = Progress(
        len(todo), frames * sum(tile.size for tile in todo.values()), len(tiles) - len(todo), watch=watch
    )
    delivery = _Delivery(sinks, list(todo.values()), progress)
    if todo:
        _run_tiles(arrays, sinks, executor, todo, delivery)
    if share is None:
        _build_levels(sinks, executor, progress)
    return progress


def count_missing(arrays: Sequence[da.Array], sinks: Sequence[Sink]) -> int:
    """Tiles of open sinks that no run has stored yet."""
    kept = frozenset.intersection(*(sink.done_tiles() for sink in sinks))
    return sum(
        Tile(y.start, y.stop, x.start, x.stop) not in kept
        for (_, y), (_, x) in product(*map(spans, arrays[0].chunks[:2]))
    )


def _run_tiles(
    arrays: Sequence[da.Array],
    sinks: Sequence[Sink],
    executor: Executor,
    todo: dict[tuple[int, int], Tile],
    delivery: _Delivery,
) -> None:
    name = f"store-{tokenize([array.name for array in arrays])}"
    layer: dict[Any, Any] = {}
    shared, deliver = list(sinks), delivery if executor.in_process else None
    for number, (at, tile) in enumerate(todo.items()):
        blocks = List(*(TaskRef((array.name, *at, *(0,) * (array.ndim - 2))) for array in arrays))
        key = (name, number)
        layer[key] = Task(key, _store_tile, shared, number, tile, deliver, blocks)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=list(arrays))  # type: ignore[arg-type]

    def done(key: Any, encoded: Any) -> None:
        if not executor.in_process:
            delivery(key[1], encoded)

    executor.run(graph, list(layer), done, delivery.progress.tick)


def _store_tile(
    sinks: list[Sink], number: int, tile: Tile, deliver: _Delivery | None, blocks: list[np.ndarray]
) -> list[object] | None:
    encoded = [sink.encode(tile, _with_channel(block)) for sink, block in zip(sinks, blocks, strict=True)]
    if deliver is None:
        return encoded
    deliver(number, encoded)
    return None


_store_tile.gathers = True  # type: ignore[attr-defined]
"""Its arrays are computed in the same task, where nobody else needs them: see `bigstack.cluster.lean`."""


def _with_channel(block: np.ndarray) -> np.ndarray:
    return block[..., None] if block.ndim == 2 else block


def _build_levels(sinks: Sequence[Sink], executor: Executor, progress: Progress) -> None:
    for sink in sinks:
        for level in range(1, sink.levels):
            name = f"level-{tokenize(id(sink), level)}"
            layer: dict[Any, Any] = {
                (name, i): (_build_level, sink, level, tile) for i, tile in enumerate(sink.level_tasks(level))
            }
            if layer:
                graph = HighLevelGraph({name: layer}, {name: set()})
                executor.run(graph, list(layer), lambda key, value: None)


def _build_level(sink: Sink, level: int, tile: Tile) -> None:
    sink.build_level(level, tile)


def _check_borders(sinks: Sequence[Sink], rows: Sequence[int], columns: Sequence[int]) -> None:
    for sink in sinks:
        for sizes, step, side in ((rows, sink.multiple[0], "height"), (columns, sink.multiple[1], "width")):
            if any(size % step for size in sizes[:-1]):
                raise InputError(
                    f"tiles' {side} must be a multiple of {step} for this output, got {sizes[0]}"
                )
        if sink.full_width and len(columns) > 1:
            raise InputError("tiles must span the whole width for this output")

"""Copy a stack into a store, frame by frame and tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.store import Executor, Progress
from bigstack.geometry import Tile, tiles_of
from bigstack.io.source import Source

TILE = 4096
"""Pixels a side, about, that one task reads and writes at a time."""

Piece = tuple[int, Tile]


def copy_stack(
    source: Source,
    sink: Any,
    executor: Executor,
    *,
    tile: int = TILE,
    watch: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Write all frames of `source` to an open stack sink, and its coarser levels.

    A task copies one tile of one frame, or a whole frame of a format that can only be decoded whole.
    Pieces that an interrupted run has stored are left alone.
    """
    height, width = source.shape[1:3]
    sides = [max(1, tile // step) * step for step in sink.multiple]
    tiles = list(tiles_of((height, width), *sides))
    kept = sink.done()
    todo = [(z, tile) for z in range(source.shape[0]) for tile in tiles if (z, tile) not in kept]
    progress = Progress(
        len(todo), sum(tile.size for _, tile in todo), source.shape[0] * len(tiles) - len(todo), watch=watch
    )
    tasks = _by_frame(todo) if source.whole_frames else [[piece] for piece in todo]
    _run(executor, "copy", [(_copy, source, sink, pieces) for pieces in tasks], progress)
    progress.done = len(todo)
    build_levels(sink, executor)
    return progress


def build_levels(sink: Any, executor: Executor) -> None:
    """Build what coarser levels of an open stack sink still lack."""
    for level in range(1, sink.levels):
        calls = [(_build, sink, level, *piece) for piece in sink.level_tasks(level)]
        _run(executor, f"level{level}", calls, None)


def _run(executor: Executor, name: str, calls: list[tuple], progress: Progress | None) -> None:
    if not calls:
        return
    key = f"{name}-{tokenize(name, len(calls), id(calls))}"
    layer: dict[Any, Any] = {(key, i): call for i, call in enumerate(calls)}
    graph = HighLevelGraph({key: layer}, {key: set()})
    tick = progress.tick if progress is not None else lambda share: None
    executor.run(graph, list(layer), lambda key, value: None, tick)


def _by_frame(pieces: list[Piece]) -> list[list[Piece]]:
    frames: dict[int, list[Piece]] = {}
    for piece in pieces:
        frames.setdefault(piece[0], []).append(piece)
    return list(frames.values())


def _copy(source: Source, sink: Any, pieces: list[Piece]) -> None:
    for z, tile in pieces:
        sink.encode(z, tile, source.read(z, *tile.slices))


def _build(sink: Any, level: int, z: int, tile: Tile) -> None:
    sink.build_level(level, (z, tile))

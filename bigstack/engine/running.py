"""A fusion that runs while frames still come: each is added to the folds at once, a result is there any time.

A method asks its layout for folds over the frames, and over what these hand on. This layout keeps the state
of each, so that the method itself, asked again, puts together what the frames so far give. Folds merge to the
bits of one pass and results do not depend on tiles, so the last result is that of the whole stack.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from bigstack.engine.layout import Layout
from bigstack.engine.sources import as_source
from bigstack.engine.tile_work import SUB_TILE, Part, finish_tile, sub_tiles, tall_outputs, within
from bigstack.engine.tiles import Tiles, spans
from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.source import Source
from bigstack.kernels.fold import Fold, Window

Map = Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]]
"""Such as the built-in map, or that of a pool of threads."""

Build = Callable[[xr.DataArray, Layout], xr.Dataset]
"""Gives the Dataset of a stack for a layout, such as `bigstack.fusion.fuse_by` with a method."""


@dataclass
class Stage:
    """A fold with its state: over the frames, or over what an earlier stage hands on of each."""

    tiles: Tiles
    above: int | None
    """Number of that stage; None for the frames."""
    parts: dict[tuple[int, int], list[Part]] = field(default_factory=dict)
    handed: dict[str, np.ndarray] = field(default_factory=dict)
    """What it hands on of the frame that was added last."""

    def places(self) -> Iterator[tuple[tuple[int, int], Tile]]:
        """Number and tile of each task."""
        for (j, y), (k, x) in product(spans(self.tiles.rows), spans(self.tiles.columns)):
            yield (j, k), Tile(y.start, y.stop, x.start, x.stop)

    def begin(self) -> None:
        """Cut the tiles into parts; nothing is computed."""
        job = self.tiles.job
        for at, tile in self.places():
            cores = sub_tiles(job.fold, tile, job.sub_tile)
            self.parts[at] = [Part(core, job.outer(core), None) for core in cores]

    def all_parts(self) -> list[Part]:
        """Every part of every tile."""
        return [part for parts in self.parts.values() for part in parts]

    def add(self, source: Source, z: int, of: int, run: Map) -> None:
        """Add frame `of` of the source as the `z`-th."""
        job = self.tiles.job
        height, width = job.shape[1:3]
        self.handed = tall_outputs(job, Tile(0, height, 0, width), range(1), None)

        scratch = threading.local()

        def work(part: Part) -> None:
            fresh = self.fresh(part, z)
            where = part.padded.slices
            job.fold.add(fresh, source.read(of, *where), z, source.valid(of, *where), vars(scratch))
            part.state = fresh if part.state is None else job.fold.merge(part.state, fresh)

        for _ in run(work, self.all_parts()):
            pass

    def fresh(self, part: Part, z: int) -> Any:
        """The state of a part that has seen nothing and will see the `z`-th frame."""
        job = self.tiles.job
        whole = Tile(0, job.shape[1], 0, job.shape[2])
        views = {
            name: array[(slice(None), *within(part.core, whole, job.fold.outputs[name].factor))]
            for name, array in self.handed.items()
        }
        window = Window(
            part.padded.shape, part.core.inside(part.padded), range(z, z + 1), job.shape[3], job.dtype
        )
        return job.fold.start(window, views)

    def filled(self) -> Tiles:
        """The tiles as a graph that holds what the frames so far give."""
        values: dict[Any, Any] = {}
        for (j, k), tile in self.places():
            copies = [replace(part) for part in self.parts[j, k]]
            values[self.tiles.name, j, k] = finish_tile(self.tiles.job, tile, copies, {}, None)
        graph = HighLevelGraph({self.tiles.name: MaterializedLayer(values)}, {self.tiles.name: set()})
        return replace(self.tiles, graph=graph)


class HandedSource(Source):
    """What a stage hands on of one frame."""

    def __init__(self, handed: dict[str, np.ndarray]) -> None:
        self.pixels = handed["reduced"]
        self.real = handed.get("valid")
        self.shape = self.pixels.shape
        self.dtype = self.pixels.dtype
        self.chunks = self.pixels.shape[1:3]

    def __dask_tokenize__(self) -> object:
        raise TypeError("a HandedSource lives for one frame and has no token")

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """A view of the region."""
        return self.pixels[z, y, x]

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where it is real."""
        return None if self.real is None else self.real[z, y, x]


class RunningFusion(Layout):
    """Folds of a fusion method, kept between frames.

    Parameters
    ----------
    build
        The method.
    first
        Stack (z, y, x, channel) of one frame: all that come are like it.

    Raises
    ------
    InputError
        For a method that needs all frames at once.

    Examples
    --------
    >>> from bigstack.fusion import fuse_by
    >>> frames = xr.DataArray(da.ones((2, 64, 64, 1), dtype="uint8"), dims=("z", "y", "x", "channel"))
    >>> running = RunningFusion(fuse_by, frames[:1])
    >>> running.add(frames[:1])
    >>> running.add(frames[1:])
    >>> bool((running.result(frames).image == 1).all())
    True
    """

    def __init__(self, build: Build, first: xr.DataArray) -> None:
        super().__init__()
        self.build = build
        self.stages: list[Stage] = []
        self.frames = 0
        self.masked = as_source(_array(first)).masked
        self._names: dict[str, int] = {}
        self._asked: int | None = None
        build(first, self)
        for stage in self.stages:
            _check(stage.tiles.job.fold, stage.tiles.job.dtype)
            stage.begin()

    def add(self, frame: xr.DataArray, run: Map = map) -> None:
        """Add a stack of one frame, the next in z."""
        source = as_source(_array(frame))
        for stage in self.stages:
            read = source if stage.above is None else HandedSource(self.stages[stage.above].handed)
            stage.add(read, self.frames, 0, run)
        self.frames += 1

    def result(self, stack: xr.DataArray, build: Build | None = None) -> xr.Dataset:
        """What the frames so far give, lazily: compute it before the next one is added.

        `stack` are those frames, for their z and metadata: no pixel of it is read, unless by what `build`,
        the same method, does to the image in the end.
        """
        self._asked = 0
        try:
            return (build or self.build)(stack, self)
        finally:
            self._asked = None

    def first(self, fold: Fold, stack: da.Array, *, passes: int = 1, known: da.Array | None = None) -> Tiles:
        """The fold over the frames."""
        if known is not None:
            raise InputError("this method has to know all frames before it starts; run bigstack stack")
        return self._asked_for() or self._began(Layout(tile=SUB_TILE).first(fold, stack), stack)

    def below(self, fold: Fold, stack: da.Array, valid: da.Array | None, *, whole: bool) -> Tiles:
        """A fold over what another one hands on."""
        return self._asked_for() or self._began(super().below(fold, stack, valid, whole=whole), stack)

    def _asked_for(self) -> Tiles | None:
        if self._asked is None:
            return None
        self._asked += 1
        return self.stages[self._asked - 1].filled()

    def _began(self, tiles: Tiles, stack: da.Array) -> Tiles:
        above = self._names.get(stack.name)
        if self.stages and above is None:
            raise InputError("this method works on all frames at once; run bigstack stack instead")
        self._names[tiles.output("reduced").name if "reduced" in tiles.job.fold.outputs else tiles.name] = (
            len(self.stages)
        )
        self.stages.append(Stage(tiles, above))
        return tiles

    def bytes(self) -> int:
        """Memory of all states, about."""
        total = 0.0
        for stage in self.stages:
            job = stage.tiles.job
            state, _ = job.fold.bytes_per_pixel(1, job.shape[3], job.dtype)
            total += state * sum(part.padded.size for part in stage.all_parts())
        return int(total)


def _array(stack: xr.DataArray) -> da.Array:
    return stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data)


def _check(fold: Fold, dtype: np.dtype) -> None:
    if getattr(fold, "block", 0) or not fold.merges(dtype):
        raise InputError(
            "this method needs all frames at once, so it cannot run while they come; "
            "run bigstack stack when all are there"
        )

"""The work of one tile: a fold over the frames of a source, in pieces that stay in the caches."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bigstack.geometry import Tile
from bigstack.io.scratch import Parked, Scratch
from bigstack.io.source import Source
from bigstack.kernels.fold import Fold, Window

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
        given: tuple[str, ...] = (),
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
        self.given = given
        """Names of arrays that each task has its tile of."""

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


def fold_tile(job: Job, source: Source, tile: Tile, frames: range, more: Sequence[Any] = ()) -> Any:
    """Run the fold over `frames` of one tile: its outputs, or its state when it is to be merged.

    `more` is what is known of the stack, where the fold has to be told, and its tile of each given array.
    """
    job = job.telling(*more[: len(more) - len(job.given)])
    key = f"{job.name}-{frames.start}-{tile.y0}-{tile.x0}"
    if job.scratch is not None and (found := job.scratch.find(key)) is not None:
        return found
    unparked = job.scratch.begin(key) if job.scratch is not None and job.finish else None
    outer = job.outer(tile)
    tall = tall_outputs(job, tile, frames, unparked)
    given = {
        name: _block(value) for name, value in zip(job.given, more[len(more) - len(job.given) :], strict=True)
    }
    parts = _start_parts(job, tile, frames, tall, given)
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


def _block(value: Any) -> np.ndarray:
    """An array's block; dask hands it on in lists where a task's output has fewer dims."""
    while isinstance(value, list):
        (value,) = value
    return value  # type: ignore[no-any-return]


def _start_parts(
    job: Job, tile: Tile, frames: range, tall: dict[str, np.ndarray], given: dict[str, np.ndarray]
) -> list[Part]:
    parts = []
    for core in sub_tiles(job.fold, tile, job.sub_tile):
        padded = job.outer(core)
        window = Window(padded.shape, core.inside(padded), frames, job.shape[3], job.dtype)
        views = {
            name: array[(slice(None), *within(core, tile, job.fold.outputs[name].factor))]
            for name, array in tall.items()
        }
        views |= {name: array[core.inside(tile)] for name, array in given.items()}
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
        size = tuple(len(range(*s)) for s in bounds_of(tile, output.factor))
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
                size = tuple(len(range(*s)) for s in bounds_of(tile, outputs[name].factor))
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


def merge_parts(job: Job, partial: list[dict[str, Any]]) -> Any:
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


def load(value: Parked, name: str) -> Any:
    """One output of a tile that is on disk."""
    return value.load(name)


load.loads = True  # type: ignore[attr-defined]
"""Costs nothing but reading, so whoever needs it does it: see `bigstack.cluster.lean`."""


def bounds_of(tile: Tile, factor: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a tile starts and stops in y and in x, in an image reduced by `factor`."""
    return (
        (-(-tile.y0 // factor), -(-tile.y1 // factor)),
        (-(-tile.x0 // factor), -(-tile.x1 // factor)),
    )


def within(core: Tile, tile: Tile, factor: int) -> tuple[slice, slice]:
    """`core` as an index of `tile`'s array, both reduced by `factor`."""
    (y0, _), (x0, _) = bounds_of(tile, factor)
    (a, b), (c, d) = bounds_of(core, factor)
    return slice(a - y0, b - y0), slice(c - x0, d - x0)

"""A source of which only those frames are read that may be sharpest; smaller copies stand in for the others.

What is read is decided on squares of the image, the same whatever the tiles, chunks and workers are: results
keep their law. Folds see every frame: means of all frames, and levels of a pyramid so coarse that defocus
does not show in them, are what they are without pruning, up to the noise that copies have less of.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.coarse import REGION, Coarse, coarse_of
from bigstack.engine.sources import as_source
from bigstack.engine.store import Executor
from bigstack.geometry import Tile, tiles_of
from bigstack.io.lazy import lazy_array
from bigstack.io.places import AnyPath
from bigstack.io.ring import MEGABYTE, FrameRing
from bigstack.io.source import Source
from bigstack.kernels.prune import BLOCK, REACH, cells_of, detail, enlarge, sharp_blocks, widen

CELL = 256
"""Pixels a side of the squares in each of which a frame is read or not."""

LOOKS = 13
"""Frames looked at, at least, where each costs as much as it is large; more where focus changes faster."""

FEWEST = 4
"""Frames of a stack that can be pruned."""

SINGLE = 0.5
"""Share of blocks that may be sharp in one of the frames looked at only, before more are looked at: where it
is half, focus midway between two frames looked at is a third of the best, and not missed."""

_FOUND = FrameRing(frames=1 << 20, size=64 * MEGABYTE)


class PrunedSource(Source):
    """Another source, of which frames are read only where they may be sharpest.

    Parameters
    ----------
    source
        All frames.
    coarse
        Smaller copies of them.
    found
        What `survey` found of each region; regions that are not in it are looked at when asked for.
    """

    def __init__(
        self, source: Source, coarse: Coarse, found: dict[tuple[int, int], np.ndarray] | None = None
    ):
        self.source = source
        self.coarse = coarse
        self.found = {} if found is None else found
        self.shape, self.dtype, self.chunks = source.shape, source.dtype, source.chunks
        self._token = tokenize(source, coarse)
        self._last = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source, self.coarse, self.found)

    def __dask_tokenize__(self) -> object:
        return ("PrunedSource", self._token)

    @property
    def masked(self) -> bool:
        """Whether the source has made-up pixels."""
        return self.source.masked

    @property
    def whole_frames(self) -> bool:
        """As the source."""
        return self.source.whole_frames

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data; its copies have it there too."""
        return self.source.valid(z, y, x)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """The region of the frame where it is needed, of its enlarged copy elsewhere."""
        top, left, needed = self._needed(z, y, x)
        if needed.all():
            return self.source.read(z, y, x)
        out = self._stand_in(z, y, x)
        for rows, columns in self._pieces(needed, top, left, y, x):
            pixels = self.source.read(z, rows, columns)
            self._put(out, pixels, needed, (top, left), (rows, columns), (y, x))
        return out

    def reads(self, z: int, y: slice, x: slice) -> list[tuple[slice, slice]]:
        """The parts of the frame that reading the region takes from the source."""
        top, left, needed = self._needed(z, y, x)
        return [(y, x)] if needed.all() else self._pieces(needed, top, left, y, x)

    def _needed(self, z: int, y: slice, x: slice) -> tuple[int, int, np.ndarray]:
        """First cell of the region, and which of its cells need the frame."""
        where = (y.start // CELL, -(-y.stop // CELL), x.start // CELL, -(-x.stop // CELL))
        last: tuple[Any, np.ndarray] = getattr(self._last, "found", (None, np.empty(0)))
        if last[0] != where:
            last = self._last.found = where, self._cells(*where)
        return where[0], where[2], (last[1][..., z // 8] >> np.uint8(z % 8) & np.uint8(1)).astype(bool)

    def _cells(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Bits of the frames that cells need (y, x, byte): their region asks for them, or one beside it."""
        each = REGION // CELL
        out = np.zeros((bottom - top, right - left, -(-self.shape[0] // 8)), np.uint8)
        last = (self.shape[1] - 1) // REGION, (self.shape[2] - 1) // REGION
        for j in range(max(0, (top - 1) // each), min(last[0], bottom // each) + 1):
            for k in range(max(0, (left - 1) // each), min(last[1], right // each) + 1):
                bits = self.region(j, k)[:-1]
                at = j * each - 1, k * each - 1
                y0, y1 = max(top, at[0]), min(bottom, at[0] + bits.shape[0])
                x0, x1 = max(left, at[1]), min(right, at[1] + bits.shape[1])
                if y0 < y1 and x0 < x1:
                    out[y0 - top : y1 - top, x0 - left : x1 - left] |= bits[
                        y0 - at[0] : y1 - at[0], x0 - at[1] : x1 - at[1]
                    ]
        return out

    def region(self, j: int, k: int) -> np.ndarray:
        """Bits of the frames that a region's cells, and a rim of cells around it, need (y, x, byte).

        One row more, at the end, has those of the frames that were looked at.
        """
        if (j, k) not in self.found:
            self.found[j, k] = _FOUND.get((self._token, j, k), partial(self._look, j, k))
        return self.found[j, k]

    def looked_at(self, j: int, k: int) -> list[int]:
        """Frames that were looked at to decide on a region."""
        return _numbers(self.region(j, k)[-1, 0], self.shape[0])

    def _look(self, j: int, k: int) -> np.ndarray:
        side = REGION // self.coarse.factor
        # Levels may lack what did not fill a pixel: then the last of them has to do.
        y, x = (
            slice(min(i * side, size - 1), min(size, (i + 1) * side))
            for i, size in zip((j, k), self.coarse.shape, strict=True)
        )
        frames, needed, telling = self._sharp(y, x)
        cells = cells_of(widen(needed), telling, CELL // self.coarse.factor // BLOCK)
        looked = np.zeros((self.shape[0], 1, cells.shape[2]), bool)
        looked[frames] = True
        cells = np.concatenate([cells, looked], axis=1)
        return np.ascontiguousarray(np.packbits(cells, axis=0, bitorder="little").transpose(1, 2, 0))

    def _sharp(self, y: slice, x: slice) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Frames looked at, frames that blocks need (z, y, x), and blocks that show where they are sharp."""
        count, total = LOOKS, self.shape[0]
        focus: np.ndarray
        while True:
            frames = self.coarse.frames(count)
            focus = np.stack([detail(self.coarse.read(z, y, x, frames)) for z in frames])
            needed, telling, least = sharp_blocks(focus, whole=self.dtype.kind != "f")
            single = (needed.sum(axis=0) == 1)[telling]
            if len(frames) == total or not single.size or single.mean() <= SINGLE:
                break
            # Focus that changes from one frame looked at to the next may be gone between them, too.
            count = 3 * len(frames) // 2
        if len(frames) == total:
            return frames, needed, telling
        places = np.arange(total)
        after = np.clip(np.searchsorted(frames, places), 1, len(frames) - 1)
        low, high = np.array(frames)[after - 1], np.array(frames)[after]
        share = ((places - low) / (high - low))[:, None, None]
        between: np.ndarray = focus[after - 1] * (1 - share) + focus[after] * share
        return frames, (between >= least) & telling, telling

    def _stand_in(self, z: int, y: slice, x: slice) -> np.ndarray:
        """The region of the frame's enlarged copy."""
        out = np.empty((y.stop - y.start, x.stop - x.start, self.shape[3]), self.dtype)
        for tile in _regions(y, x):
            frames = self.looked_at(tile.y0 // REGION, tile.x0 // REGION)
            to = Tile(y.start, y.stop, x.start, x.stop)
            out[tile.inside(to)] = self._enlarged(z, tile, frames)
        return out

    def _enlarged(self, z: int, tile: Tile, frames: list[int]) -> np.ndarray:
        factor = self.coarse.factor
        spans = [
            (start // factor - REACH, -(-stop // factor) + REACH)
            for start, stop in ((tile.y0, tile.y1), (tile.x0, tile.x1))
        ]
        inner = [
            slice(max(0, a), min(size, b)) for (a, b), size in zip(spans, self.coarse.shape, strict=True)
        ]
        copy = self.coarse.read(z, inner[0], inner[1], frames)
        more = [(part.start - a, b - part.stop) for (a, b), part in zip(spans, inner, strict=True)]
        if any(side for pair in more for side in pair):
            copy = np.pad(copy, [*more, (0, 0)], mode="edge")
        wide = enlarge(copy, factor, self.dtype)
        y0, x0 = tile.y0 % factor, tile.x0 % factor
        return wide[y0 : y0 + tile.shape[0], x0 : x0 + tile.shape[1]]

    def _pieces(
        self, needed: np.ndarray, top: int, left: int, y: slice, x: slice
    ) -> list[tuple[slice, slice]]:
        """Rectangles of whole pieces of storage that hold all needed cells, each piece in one of them."""
        if not needed.any():
            return []
        if self.whole_frames:
            return [(y, x)]
        found: list[tuple[slice, slice]] = []
        for rows in _cut(y, self.chunks[0]):
            here = np.asarray(needed[rows.start // CELL - top : -(-rows.stop // CELL) - top].any(axis=0))
            wanted = [
                part
                for part in _cut(x, self.chunks[1])
                if here[part.start // CELL - left : -(-part.stop // CELL) - left].any()
            ]
            found.extend((rows, columns) for columns in _joined(wanted))
        return _stacked(found)

    def _put(
        self,
        out: np.ndarray,
        pixels: np.ndarray,
        needed: np.ndarray,
        first: tuple[int, int],
        where: tuple[slice, slice],
        region: tuple[slice, slice],
    ) -> None:
        """Copy what was read into the cells that need it."""
        rows, columns = where
        for row in _cut(rows, CELL):
            here = needed[row.start // CELL - first[0]]
            for column in _joined([p for p in _cut(columns, CELL) if here[p.start // CELL - first[1]]]):
                out[
                    row.start - region[0].start : row.stop - region[0].start,
                    column.start - region[1].start : column.stop - region[1].start,
                ] = pixels[
                    row.start - rows.start : row.stop - rows.start,
                    column.start - columns.start : column.stop - columns.start,
                ]


def prune(stack: da.Array, folder: AnyPath | None = None) -> da.Array:
    """A lazy stack (z, y, x, channel) of which only frames are read that may be sharpest somewhere near.

    `folder` keeps smaller copies that had to be made by reading frames; in memory when None.
    """
    source = as_source(stack)
    if source.shape[0] < FEWEST or isinstance(source, PrunedSource):
        return stack
    return lazy_array(PrunedSource(source, coarse_of(source, folder)))


def pruned_source(stack: da.Array) -> PrunedSource | None:
    """The pruned source that a lazy stack reads, itself or below the holes that are filled."""
    return _find(as_source(stack))


def unpruned(source: Source) -> Source:
    """A source as it was before it was pruned, and before its holes were filled where it was; else itself."""
    found = _find(source)
    return source if found is None else found.source


def _find(source: Any) -> PrunedSource | None:
    while source is not None and not isinstance(source, PrunedSource):
        source = getattr(source, "source", None)
    return source


def survey(
    source: PrunedSource, executor: Executor, tick: Callable[[float], None] = lambda share: None
) -> None:
    """Look at all regions, so that no task has to, and the share that will be read is known."""
    regions = [(tile.y0 // REGION, tile.x0 // REGION) for tile in tiles_of(source.shape[1:3], REGION, REGION)]
    opaque = _Opaque(source)
    name = f"survey-{tokenize(source)}"
    layer: dict[Any, Any] = {(name, *at): (_look_at, opaque, *at) for at in regions if at not in source.found}

    def done(key: Any, bits: np.ndarray) -> None:
        source.found[key[1], key[2]] = bits

    if layer:
        executor.run(HighLevelGraph({name: layer}, {name: set()}), list(layer), done, tick)


def share_read(source: PrunedSource) -> float:
    """Pieces of storage that are read, those of the smaller copies included, as a share of all.

    Each piece counts once; tiles that do not end where storage's pieces do read some of them again, pruned
    or not. All regions have to have been looked at, or are now.
    """
    frames, height, width = source.shape[:3]
    chunk = (height, width) if source.whole_frames else source.chunks
    read = total = 0
    for band in tiles_of((height, width), max(chunk[0], REGION // chunk[0] * chunk[0]), width):
        y, x = band.slices
        bits = source._cells(y.start // CELL, -(-y.stop // CELL), 0, -(-x.stop // CELL))
        for rows in _cut(y, chunk[0]):
            here = bits[rows.start // CELL - y.start // CELL : -(-rows.stop // CELL) - y.start // CELL]
            for columns in _cut(x, chunk[1]):
                cells = here[:, columns.start // CELL : -(-columns.stop // CELL)]
                union = np.bitwise_or.reduce(cells.reshape(-1, bits.shape[2]), axis=0)
                read += len(_numbers(union, frames))
                total += frames
    looks = 0.0
    for tile in tiles_of((height, width), REGION, REGION):
        seen = len(source.looked_at(tile.y0 // REGION, tile.x0 // REGION))
        looks += source.coarse.cost(seen) * tile.size
    return read / total + looks / (frames * height * width)


class _Opaque:
    """Keeps dask from taking a source apart."""

    def __init__(self, source: PrunedSource) -> None:
        self.source = source


def _look_at(opaque: _Opaque, j: int, k: int) -> np.ndarray:
    return opaque.source.region(j, k)


def _numbers(bits: np.ndarray, count: int) -> list[int]:
    """Numbers of the bits that are set."""
    found = np.unpackbits(np.ascontiguousarray(bits), count=count, bitorder="little")
    return [int(number) for number in np.flatnonzero(found)]


def _regions(y: slice, x: slice) -> list[Tile]:
    return [Tile(r.start, r.stop, c.start, c.stop) for r in _cut(y, REGION) for c in _cut(x, REGION)]


def _cut(part: slice, side: int) -> list[slice]:
    """The part cut at the multiples of `side`."""
    edges = [part.start, *range((part.start // side + 1) * side, part.stop, side), part.stop]
    return [slice(a, b) for a, b in pairwise(edges)]


def _joined(parts: list[slice]) -> list[slice]:
    """Neighbours put together."""
    found: list[slice] = []
    for part in parts:
        if found and found[-1].stop == part.start:
            found[-1] = slice(found[-1].start, part.stop)
        else:
            found.append(part)
    return found


def _stacked(found: list[tuple[slice, slice]]) -> list[tuple[slice, slice]]:
    """Rectangles of the same columns, one below the other, put together."""
    by_columns: dict[tuple[int, int], list[slice]] = {}
    for rows, columns in found:
        by_columns.setdefault((columns.start, columns.stop), []).append(rows)
    return [(rows, slice(*columns)) for columns, parts in by_columns.items() for rows in _joined(parts)]

"""Any lazy array as a source: remembered, made of blocks, or computed region by region."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.blockwise import Blockwise

from bigstack.errors import InputError
from bigstack.io.lazy import source_of
from bigstack.io.source import Source

DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "float32"))


def as_source(array: da.Array) -> Source:
    """The source of a lazy stack (z, y, x, channel): the one it was made from, else its own graph."""
    if array.ndim != 4:
        raise InputError(f"a stack has 4 dims (z, y, x, channel), got {array.ndim} in shape {array.shape}")
    if array.dtype not in DTYPES:
        names = ", ".join(str(dtype) for dtype in DTYPES)
        raise InputError(f"a stack is one of {names}, got {array.dtype}; convert it with .astype(...)")
    if 0 in array.shape:
        raise InputError(f"a stack needs at least one frame, row, column and channel, got {array.shape}")
    found = source_of(array)
    return ArraySource(array) if found is None else found


def is_persisted(array: da.Array) -> bool:
    """True when the array's blocks are there already, in memory or as futures on a cluster."""
    layers = getattr(array.dask, "layers", {})
    # Asking a Blockwise layer for its tasks makes all of them: half a minute where there are a million.
    if len(layers) != 1 or any(isinstance(layer, Blockwise) for layer in layers.values()):
        return False
    return all(_is_data(value) for value in next(iter(layers.values())).values())


def _is_data(value: Any) -> bool:
    from dask._task_spec import Alias, DataNode

    return isinstance(value, np.ndarray | DataNode | Alias) or type(value).__name__ == "Future"


class ArraySource(Source):
    """Reads a region by computing that part of a lazy array's graph, inside the calling task."""

    def __init__(self, array: da.Array) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.chunks = (max(array.chunks[1]), max(array.chunks[2]))
        self._blocks = np.concatenate([[0], np.cumsum(array.chunks[0])])
        self._last = threading.local()

    def __dask_tokenize__(self) -> object:
        return ("ArraySource", tokenize(self.array))

    def __getstate__(self) -> dict[str, Any]:
        return {"array": self.array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["array"])  # type: ignore[misc]

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Compute the region; frames that share a chunk in z are computed once per thread."""
        block = int(np.searchsorted(self._blocks, z, side="right")) - 1
        where = (block, y.start, y.stop, x.start, x.stop)
        if getattr(self._last, "where", None) != where:
            frames = slice(int(self._blocks[block]), int(self._blocks[block + 1]))
            region = self.array[frames, y, x]
            self._last.pixels = np.asarray(region.compute(scheduler="synchronous"))
            self._last.where = where
        return self._last.pixels[z - self._blocks[block]]


class BlockSource(Source):
    """Reads from blocks (z, y, x, channel) that are in hand, and from masks (z, y, x) of their validity."""

    def __init__(
        self,
        blocks: Mapping[tuple[int, int, int], Any],
        chunks: Sequence[Sequence[int]],
        dtype: np.dtype,
        masks: Mapping[tuple[int, int, int], Any] | None = None,
    ) -> None:
        self.blocks = blocks
        self.masks = masks
        self.edges = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in chunks[:3]]
        self.shape = tuple(int(sum(sizes)) for sizes in chunks)  # type: ignore[assignment]
        self.dtype = dtype
        self.chunks = (max(chunks[1]), max(chunks[2]))

    def __dask_tokenize__(self) -> object:
        raise TypeError("a BlockSource lives inside one task and has no token")

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Copy the region out of the blocks it touches."""
        out = np.empty((y.stop - y.start, x.stop - x.start, self.shape[3]), self.dtype)
        return self._copy(self.blocks, z, y, x, out)

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the region is real, None when all of it is."""
        if self.masks is None:
            return None
        out = self._copy(self.masks, z, y, x, np.empty((y.stop - y.start, x.stop - x.start), bool))
        return None if out.all() else out

    def _copy(
        self, blocks: Mapping[tuple[int, int, int], Any], z: int, y: slice, x: slice, out: np.ndarray
    ) -> np.ndarray:
        i, first = _block_at(self.edges[0], z)
        for j, rows, to_y in overlapping(self.edges[1], y):
            for k, columns, to_x in overlapping(self.edges[2], x):
                out[to_y, to_x] = blocks[i, j, k][z - first, rows, columns]
        return out


def _block_at(edges: np.ndarray, position: int) -> tuple[int, int]:
    block = int(np.searchsorted(edges, position, side="right")) - 1
    return block, int(edges[block])


def overlapping(edges: np.ndarray, part: slice) -> list[tuple[int, slice, slice]]:
    """Blocks between `edges` that `part` touches: number, slice of the block, slice of the part."""
    first = int(np.searchsorted(edges, part.start, side="right")) - 1
    found = []
    for block in range(first, len(edges) - 1):
        low, high = int(edges[block]), int(edges[block + 1])
        if low >= part.stop:
            break
        start, stop = max(low, part.start), min(high, part.stop)
        if start < stop:
            found.append(
                (block, slice(start - low, stop - low), slice(start - part.start, stop - part.start))
            )
    return found


class MappedSource(Source):
    """Each frame of a source through a kernel with a halo: a measured, corrected or converted stack.

    `kernel` takes (y, x, channel) pixels of a padded region and gives as many (y, x, channel); it must be
    a module-level function or a frozen value, so that it pickles and has a deterministic token.
    """

    def __init__(
        self,
        source: Source,
        kernel: Callable[[np.ndarray], np.ndarray],
        *,
        halo: int,
        dtype: np.dtype,
        channels: int,
        grid: int = 1,
    ) -> None:
        self.source = source
        self.kernel = kernel
        self.halo = halo
        self.grid = grid
        self.shape = (*source.shape[:3], channels)
        self.dtype = np.dtype(dtype)
        self.chunks = source.chunks

    def __dask_tokenize__(self) -> object:
        return ("MappedSource", tokenize(self.source, self.kernel, self.halo, self.grid, str(self.dtype)))

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Read the region with its halo, apply the kernel, cut the halo off."""
        from bigstack.geometry import Tile

        tile = Tile(y.start, y.stop, x.start, x.stop)
        outer = tile.pad(self.halo, within=self.shape[1:3], grid=self.grid)
        return self.kernel(self.source.read(z, *outer.slices))[tile.inside(outer)]

    @property
    def masked(self) -> bool:
        """Whether the source has made-up pixels."""
        return self.source.masked

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data."""
        return self.source.valid(z, y, x)

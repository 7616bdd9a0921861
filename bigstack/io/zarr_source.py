"""A Zarr array as a source: any axis order, read chunk by chunk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from dask.base import tokenize

from bigstack.io.object_store import ahead
from bigstack.io.ring import THICK_CHUNKS
from bigstack.io.select import as_slice
from bigstack.io.source import Source
from bigstack.io.zarr_chunks import ZarrArray

FETCHED_AT_ONCE = 16
FETCHED_BYTES = 1 << 25
"""Chunks, and bytes of them uncompressed, that a read asks a server for at once."""


class ZarrSource(Source):
    """Reads frames of a Zarr array by the chunks they touch.

    Parameters
    ----------
    array
        The array on disk.
    axes
        What each dim is: "z", "y", "x", "c", or "-" for one that is fixed. y and x must be there.
    fixed
        Index in each dim; used where `axes` has "-".
    frames, channels
        Which to give out, in this order; all when None.
    state
        What tells that the store was changed, for the token.
    """

    def __init__(
        self,
        array: ZarrArray,
        axes: str,
        fixed: tuple[int, ...],
        *,
        frames: tuple[int, ...] | None = None,
        channels: tuple[int, ...] | None = None,
        state: object = None,
    ) -> None:
        self.array = array
        self.axes = axes
        self.fixed = fixed
        self.frames = tuple(range(self._size("z"))) if frames is None else frames
        self.channels = tuple(range(self._size("c"))) if channels is None else channels
        self.state = state
        self.coarser: dict[int, ZarrSource] = {}
        """Smaller copies of the same frames that the store has, by the factor that they are smaller by."""
        self.shape = (len(self.frames), self._size("y"), self._size("x"), len(self.channels))
        self.dtype = array.stored
        self.chunks = (min(self._chunk("y"), self.shape[1]), min(self._chunk("x"), self.shape[2]))

    def __dask_tokenize__(self) -> object:
        which = (self.axes, self.fixed, self.frames, self.channels)
        return ("ZarrSource", tokenize(self.array), which, repr(self.state))

    @property
    def depth(self) -> int:
        """Frames that are decoded together because a chunk holds them all."""
        return self._chunk("z")

    @property
    def whole_frames(self) -> bool:
        """False: chunks are read one by one even when a frame is a single one."""
        return False

    def decoded(self, axis: int, start: int, stop: int) -> int:
        """Whole chunks, those at the border too."""
        side = self._chunk("yx"[axis])
        return (-(-stop // side) - start // side) * side

    @property
    def values(self) -> int:
        """Those of all frames and channels that share a chunk with one that is wanted."""
        deep, wide = self._chunk("z"), self._chunk("c")
        frames, channels = {z // deep for z in self.frames}, {c // wide for c in self.channels}
        return len(frames) * deep * len(channels) * wide

    def take_frames(self, frames: Sequence[int]) -> ZarrSource:
        """The same with these frames only, in this order."""
        return self._with(tuple(self.frames[i] for i in frames), self.channels)

    def take_channels(self, channels: Sequence[int]) -> ZarrSource:
        """The same with these channels only, in this order."""
        return self._with(self.frames, tuple(self.channels[i] for i in channels))

    def _with(self, frames: tuple[int, ...], channels: tuple[int, ...]) -> ZarrSource:
        taken = ZarrSource(
            self.array, self.axes, self.fixed, frames=frames, channels=channels, state=self.state
        )
        taken.coarser = {factor: level._with(frames, channels) for factor, level in self.coarser.items()}
        return taken

    def _size(self, axis: str) -> int:
        return self.array.meta.shape[self.axes.index(axis)] if axis in self.axes else 1

    def _chunk(self, axis: str) -> int:
        return self.array.meta.chunk[self.axes.index(axis)] if axis in self.axes else 1

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Decode the chunks that the region touches and put them together."""
        out = np.empty((y.stop - y.start, x.stop - x.start, len(self.channels)), self.dtype)
        frame = self.frames[z]
        size = self._chunk("y"), self._chunk("x"), self._chunk("c")
        rows = range(y.start // size[0], -(-y.stop // size[0]))
        columns = range(x.start // size[1], -(-x.stop // size[1]))
        wanted = list(itertools.product(rows, columns, self._channel_groups(size[2])))
        chunks = self._chunks_of(frame, [(i, j, k) for i, j, (k, _, _) in wanted])
        for (i, j, (_, to, of)), chunk in zip(wanted, chunks, strict=True):
            top, left = i * size[0], j * size[1]
            y0, y1 = max(y.start, top), min(y.stop, top + size[0])
            x0, x1 = max(x.start, left), min(x.stop, left + size[1])
            part = out[y0 - y.start : y1 - y.start, x0 - x.start : x1 - x.start, to]
            part[...] = (
                self.array.meta.fill
                if chunk is None
                else chunk[y0 - top : y1 - top, x0 - left : x1 - left, of]
            )
        return out

    def _channel_groups(self, size: int) -> list[tuple[int, slice | list[int], slice | list[int]]]:
        """For each chunk along the channels: its number, which channels it fills, which of its own."""
        groups: dict[int, list[int]] = {}
        for i, channel in enumerate(self.channels):
            groups.setdefault(channel // size, []).append(i)
        return [
            (k, as_slice(to), as_slice([self.channels[i] % size for i in to])) for k, to in groups.items()
        ]

    def _chunks_of(self, frame: int, places: Sequence[tuple[int, int, int]]) -> Iterator[np.ndarray | None]:
        """Pixels (y, x, channel) of chunks of the frame, in this order; None for those never written.

        From a server several are fetched at once, as each takes a moment to answer, a few ahead of the one
        that is wanted so that memory stays bounded.
        """
        if not self.array.remote or self.depth > 1:
            for place in places:
                yield self._pixels(frame, self._chunk_at(self._where(frame, *place)))
            return
        wheres = [self._where(frame, *place) for place in places]
        for where, data in zip(wheres, ahead(self.array.fetch, wheres, self._fetched_at_once), strict=True):
            yield self._pixels(frame, self.array.decode(data, where))

    @property
    def _fetched_at_once(self) -> int:
        size = math.prod(self.array.meta.chunk) * self.dtype.itemsize
        return max(1, min(FETCHED_AT_ONCE, FETCHED_BYTES // size))

    def _where(self, frame: int, row: int, column: int, group: int) -> tuple[int, ...]:
        """Number of a chunk along each axis."""
        number = {"z": frame // self._chunk("z"), "y": row, "x": column, "c": group}
        sizes = self.array.meta.chunk
        return tuple(number[a] if a != "-" else self.fixed[i] // sizes[i] for i, a in enumerate(self.axes))

    def _chunk_at(self, where: tuple[int, ...]) -> np.ndarray | None:
        if self.depth == 1:
            return self.array.chunk(where)
        return THICK_CHUNKS.get((self.array.path, repr(self.state), where), partial(self._filled, where))

    def _pixels(self, frame: int, chunk: np.ndarray | None) -> np.ndarray | None:
        """The part of a chunk that is the frame's, as (y, x, channel)."""
        if chunk is None:
            return None
        sizes = self.array.meta.chunk
        index: list[Any] = [
            slice(None) if a in "yxc" else frame % self.depth if a == "z" else self.fixed[i] % sizes[i]
            for i, a in enumerate(self.axes)
        ]
        view = chunk[tuple(index)]
        left = [a for a in self.axes if a in "yxc"]
        view = view.transpose([left.index(a) for a in "yxc" if a in left])
        return view if "c" in left else view[..., None]

    def _filled(self, where: tuple[int, ...]) -> np.ndarray:
        chunk = self.array.chunk(where)
        if chunk is not None:
            return chunk
        return np.full(self.array.meta.chunk, self.array.meta.fill, self.dtype)

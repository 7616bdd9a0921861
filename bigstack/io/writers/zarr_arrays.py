"""The arrays of an OME-Zarr: their shapes, chunks and codecs, and which of their chunk files are there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from bigstack.errors import InputError
from bigstack.geometry import Tile, tiles_of
from bigstack.io.places import AnyPath, files_in
from bigstack.io.writers.area import Area
from bigstack.io.writers.ome_metadata import axes_of
from bigstack.io.writers.spec import AnySpec, StackSpec

Compression = Literal["zstd", "lz4", "none"]
COMPRESSIONS: dict[str, tuple[str, int] | None] = {"zstd": ("zstd", 1), "lz4": ("lz4", 5), "none": None}
"""Blosc's name and effort."""
LEVEL_TILE = 1024
"""Wanted side of the pieces that coarser levels are built in; a task holds four times that and its sums."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an image or a stack is laid out in arrays."""

    spec: AnySpec
    version: str
    chunk: int
    shard: int | None
    compression: str
    levels: int | None

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise InputError(f"chunk must be at least 1 pixel, got {self.chunk}")
        if self.levels is not None and self.levels < 1:
            raise InputError(f"levels must be at least 1, got {self.levels}")
        if self.shard is None:
            return
        if self.version == "0.4":
            raise InputError("NGFF 0.4 (Zarr 2) has no shards; use version 0.5, or no shard")
        if self.shard < 1 or self.shard % self.chunk:
            raise InputError(f"shard must be a multiple of the chunk {self.chunk}, got {self.shard}")

    @property
    def stack(self) -> bool:
        """True for a stack of frames."""
        return isinstance(self.spec, StackSpec)

    @property
    def frames(self) -> int:
        """Number of frames, 1 for an image."""
        return self.spec.shape[0] if self.stack else 1

    @property
    def unit(self) -> int:
        """Side of what is one file: chunk or shard."""
        return self.shard or self.chunk

    @property
    def count(self) -> int:
        """Number of resolutions; none is made of a single pixel once more."""
        side = max(self.spec.shape[-3:-1])
        most = (side - 1).bit_length() + 1
        if self.levels is not None:
            return min(self.levels, most)
        level = 0
        while -(-side >> level) > self.chunk:
            level += 1
        return level + 1

    def shape(self, level: int) -> tuple[int, ...]:
        """Sizes of the array of a level, channels first; odd sizes are rounded up."""
        *frames, height, width, channels = self.spec.shape
        return (channels, *frames, -(-height // 2**level), -(-width // 2**level))

    def chunks(self, level: int) -> tuple[int, ...]:
        """Sizes of a chunk, cut to the image where that is smaller."""
        shape = self.shape(level)
        return (*(1,) * (len(shape) - 2), *(min(self.chunk, size) for size in shape[-2:]))

    def shards(self, level: int) -> tuple[int, ...] | None:
        """Sizes of a shard, no larger than the image needs."""
        if self.shard is None:
            return None
        sides = [
            min(self.shard, -(-size // chunk) * chunk)
            for size, chunk in zip(self.shape(level)[-2:], self.chunks(level)[-2:], strict=True)
        ]
        return (*self.chunks(level)[:-2], *sides)

    def pieces(self, level: int) -> list[Tile]:
        """Tiles that a coarser level is built in."""
        height, width = self.shape(level)[-2:]
        return list(tiles_of((height, width), self._side, self._side))

    def pieces_within(self, tile: Tile, level: int) -> list[Tile]:
        """Those of `pieces` that are made of pixels of `tile` (of level 0) only.

        None unless the tile begins and ends where blocks of the level's pixels do.
        """
        factor, side = 2**level, self._side
        bounds = []
        sizes = zip(self.shape(0)[-2:], self.shape(level)[-2:], strict=True)
        for (start, stop), (size, reduced) in zip(
            ((tile.y0, tile.y1), (tile.x0, tile.x1)), sizes, strict=True
        ):
            if start % factor or (stop % factor and stop != size):
                return []
            first = -(-start // factor // side) * side
            last = reduced if stop == size else stop // factor // side * side
            if first >= last:
                return []
            bounds += [first, last]
        return list(Tile(*bounds).split(side, side))

    @property
    def _side(self) -> int:
        return max(1, LEVEL_TILE // self.unit) * self.unit

    def parameters(self) -> dict[str, Any]:
        """What a continued run must have in common, beside its own parameters."""
        return {
            "shape": list(self.spec.shape),
            "dtype": self.spec.dtype,
            "version": self.version,
            "chunk": self.chunk,
            "shard": self.shard,
            "compression": self.compression,
            "levels_written": self.count,
        }


def create(area: Area, layout: Layout) -> None:
    """Make the empty arrays; without the group's metadata they are no OME-Zarr yet."""
    import zarr

    v2 = layout.version == "0.4"
    for level in range(layout.count):
        zarr.create_array(
            area.level(level),
            shape=layout.shape(level),
            chunks=layout.chunks(level),
            shards=layout.shards(level),
            dtype=layout.spec.dtype,
            compressors=_compressor(layout),
            filters=None,
            fill_value=0,
            zarr_format=2 if v2 else 3,
            chunk_key_encoding={"name": "v2" if v2 else "default", "separator": "/"},
            dimension_names=None if v2 else axes_of(layout.spec),
        )


def open_level(area: Area, layout: Layout, level: int) -> Any:
    """Open the array of a level for reading and writing.

    Every chunk is written, also those that are all zero: comparing costs more than storing, and the file is
    what tells a resumed run that the chunk is there.
    """
    import zarr

    v2 = layout.version == "0.4"
    array = zarr.open_array(area.level(level), mode="r+", zarr_format=2 if v2 else 3)
    # zarr 3.1 ignores a `config` given to open_array when the array exists.
    return array.with_config({"write_empty_chunks": True})


def write_group(area: Area, layout: Layout, attributes: dict[str, Any]) -> None:
    """Write the metadata that makes the arrays an OME-Zarr."""
    import zarr

    # Overwriting the group's metadata, left by a run killed right here, leaves the arrays alone: `open_group`
    # with mode "a" only adds.
    group = zarr.open_group(area.group(), mode="a", zarr_format=2 if layout.version == "0.4" else 3)
    group.attrs.put(attributes)


def _compressor(layout: Layout) -> Any:
    chosen = COMPRESSIONS[layout.compression]
    if chosen is None:
        return None
    name, effort = chosen
    if layout.version == "0.4":
        from numcodecs import Blosc

        return Blosc(cname=name, clevel=effort, shuffle=Blosc.BITSHUFFLE)
    from zarr.codecs import BloscCodec

    size = np.dtype(layout.spec.dtype).itemsize
    return BloscCodec(cname=name, clevel=effort, shuffle="bitshuffle", typesize=size)  # type: ignore[arg-type]


def _grid(layout: Layout, level: int) -> tuple[int, ...]:
    """Number of files along every axis."""
    unit = layout.shards(level) or layout.chunks(level)
    return tuple(-(-size // step) for size, step in zip(layout.shape(level), unit, strict=True))


def _chunk_root(area: Area, layout: Layout, level: int) -> AnyPath:
    folder = area.chunks / area.name(level)
    return folder if layout.version == "0.4" else folder / "c"


class Present:
    """Answers whether the files of a region are there, looking each folder up once."""

    def __init__(self, area: Area, layout: Layout, level: int) -> None:
        self._root = _chunk_root(area, layout, level)
        self._layout = layout
        self._grid = _grid(layout, level)
        self._unit = (layout.shards(level) or layout.chunks(level))[-2:]
        self._rows: dict[AnyPath, frozenset[str]] = {}

    def all(self, z: int, region: tuple[int, int, int, int]) -> bool:
        """Say whether every file of the region y0, y1, x0, x1 of frame `z` is there and not empty."""
        y0, y1, x0, x1 = region
        down, across = self._unit
        rows = range(y0 // down, -(-y1 // down))
        columns = [str(i) for i in range(x0 // across, -(-x1 // across))]
        frame = (z,) if self._layout.stack else ()
        return all(
            self._row((channel, *frame, row)).issuperset(columns)
            for channel, row in product(range(self._grid[0]), rows)
        )

    def _row(self, at: tuple[int, ...]) -> frozenset[str]:
        folder = self._root.joinpath(*map(str, at))
        if folder not in self._rows:
            self._rows[folder] = frozenset(files_in(folder))
        return self._rows[folder]


def sweep(area: Area, layout: Layout, level: int) -> int:
    """Remove what killed writers left half-way and return how many files the level still misses."""
    root = _chunk_root(area, layout, level)
    *outer, across = _grid(layout, level)
    missing = 0
    wanted = {str(i) for i in range(across)}
    for at in product(*(range(n) for n in outer)):
        row = root.joinpath(*map(str, at))
        names = set(files_in(row))
        for name in names - wanted:
            (row / name).unlink()
        missing += len(wanted - names)
    return missing

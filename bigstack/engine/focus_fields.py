"""Focus as fields that are read region by region, and probes that sum it up frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from dask.base import tokenize

from bigstack.engine.windows import Field
from bigstack.errors import InputError
from bigstack.geometry import Tile, tiles_of
from bigstack.io.source import Source
from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.focus.rdf import rdf_scales, scaled_radii
from bigstack.kernels.noise import NOISE_HALO, noise_counts

_PIECE = 1024


class FocusField(Field):
    """A focus measure of a source; `known` are the statistics of its scales where it normalises them."""

    def __init__(self, source: Source, focus_map: FocusMap, normalize: str = "none") -> None:
        self.source = source
        self.focus_map = focus_map
        self.normalize = normalize
        self.shape = source.shape[:3]
        self.dtype = np.dtype(np.float32)

    def __dask_tokenize__(self) -> object:
        return ("FocusField", tokenize(self.source, self.focus_map))

    def read(self, z: int, tile: Tile, known: tuple[Any, ...] = ()) -> np.ndarray:
        """Focus (y, x) of a region; 0 where the frame's pixels are made up."""
        outer = tile.pad(self.focus_map.halo, within=self.shape[1:], grid=self.focus_map.grid)
        pixels = read_checked(self.source, z, outer)
        focus = self.focus_map(pixels, **self._statistics(known))[tile.inside(outer)]
        valid = self.source.valid(z, *tile.slices)
        return focus if valid is None else np.where(valid, focus, np.float32(0))

    def _statistics(self, known: tuple[Any, ...]) -> dict[str, Any]:
        if self.normalize == "none":
            return {}
        each = 1 if self.normalize == "p99" else 2
        numbers = [float(value) for value in known]
        return {"statistics": [tuple(numbers[i : i + each]) for i in range(0, len(numbers), each)]}


class ScaleField(Field):
    """One scale of a ring difference filter, not normalised, at the size it is measured in."""

    def __init__(self, source: Source, focus_map: FocusMap, number: int) -> None:
        self.source = source
        self.focus_map = focus_map
        options = dict(focus_map.options)
        self.factor = options.pop("downsample", 1)
        self.radii = (options.pop("radii", ((1, 3),))[number],)
        self.number = number
        takes = ("power", "border", "window", "noise")
        self.options = {name: options[name] for name in takes if name in options}
        self.shape = (source.shape[0], *(-(-size // self.factor) for size in source.shape[1:3]))
        self.dtype = np.dtype(np.float32)

    def __dask_tokenize__(self) -> object:
        return ("ScaleField", tokenize(self.source, self.focus_map, self.number))

    def reduced(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Chunks of the source's pixels as chunks of the scale's."""
        edges = -(-np.concatenate([[0], np.cumsum(sizes)]) // self.factor)
        return tuple(int(size) for size in np.diff(edges) if size)

    def read(self, z: int, tile: Tile, known: tuple[Any, ...] = ()) -> np.ndarray:
        """The scale's map (y, x) of a region, in its own pixels."""
        ((_, outer_radius),) = scaled_radii(self.radii, self.factor)
        halo = outer_radius + self.options.get("window", 1) // 2
        around = tile.pad(halo, within=self.shape[1:])
        factor = self.factor
        edges = (around.y0 * factor, around.y1 * factor, around.x0 * factor, around.x1 * factor)
        height, width = self.source.shape[1:3]
        region = Tile(edges[0], min(edges[1], height), edges[2], min(edges[3], width))
        grey = FocusMap("rdf", (), self.focus_map.channels).image(read_checked(self.source, z, region))
        maps = rdf_scales(grey, self.radii, downsample=factor, **self.options)
        return maps[0][tile.inside(around)]


class SharpnessProbe:
    """Mean focus of a frame in the cells of a grid."""

    def __init__(self, focus_map: FocusMap, cells: tuple[Sequence[int], Sequence[int]]) -> None:
        self.focus_map = focus_map
        self.cells = cells

    def __call__(self, source: Source, z: int) -> np.ndarray:
        """Means (row, column), float64; each cell's pixels are always added in the same pieces."""
        rows, columns = self.cells
        field = _Held(source, z) if source.whole_frames else source
        found = np.empty((len(rows) - 1, len(columns) - 1))
        for i, j in np.ndindex(found.shape):
            cell = Tile(rows[i], rows[i + 1], columns[j], columns[j + 1])
            reads = (FocusField(field, self.focus_map).read(z, part) for part in cell.split(_PIECE, _PIECE))
            # Contiguous, as the order that numpy adds in depends on the layout.
            found[i, j] = (
                sum(np.ascontiguousarray(focus).sum(dtype=np.float64) for focus in reads) / cell.size
            )
        return found


class NoiseProbe:
    """Counts of local means and residuals of a frame."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    def __call__(self, source: Source, z: int) -> np.ndarray:
        """Tables (channel, level, residual) of a frame."""
        held = _Held(source, z) if source.whole_frames else source
        total: np.ndarray | None = None
        for tile in tiles_of(source.shape[1:3], _PIECE, _PIECE):
            outer = tile.pad(NOISE_HALO, within=source.shape[1:3])
            pixels = held.read(z, *outer.slices)
            counts = np.stack(
                [
                    noise_counts(
                        pixels[..., channel],
                        self.low,
                        self.high,
                        origin=(outer.y0, outer.x0),
                        core=tile.inside(outer),
                    )
                    for channel in range(source.shape[3])
                ]
            )
            total = counts if total is None else total + counts
        assert total is not None
        return total


class _Held(Source):
    """One frame of a source that can only be read whole, decoded once."""

    def __init__(self, source: Source, z: int) -> None:
        self.source = source
        self.shape, self.dtype, self.chunks = source.shape, source.dtype, source.chunks
        self.pixels = source.read(z, slice(0, source.shape[1]), slice(0, source.shape[2]))

    def __dask_tokenize__(self) -> object:
        raise TypeError("a held frame lives inside one task and has no token")

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Cut the region out of the frame."""
        return self.pixels[y, x]

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data."""
        return self.source.valid(z, y, x)


def read_checked(source: Source, z: int, tile: Tile) -> np.ndarray:
    """Read a region and refuse what is no number in it, by frame and place."""
    pixels = source.read(z, *tile.slices)
    if pixels.dtype.kind == "f" and not (real := np.isfinite(pixels)).all():
        missing = np.argwhere(~real)[0]
        y, x = np.add(missing[:2], (tile.y0, tile.x0))
        found = "NaN" if np.isnan(pixels[tuple(missing)]) else "infinite"
        raise InputError(
            f"frame {z} has {found} pixels, one at row {y}, column {x}; fill them first "
            "(in Python with stack.fillna(0))"
        )
    return pixels

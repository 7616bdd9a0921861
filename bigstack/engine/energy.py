"""The largest focus of a whole stack, for methods that weigh frames in shares of it."""

from __future__ import annotations

import dask.array as da
import numpy as np
from dask.base import tokenize

from bigstack.engine import statistics
from bigstack.engine.sources import as_source
from bigstack.engine.windows import Field, lazy_field
from bigstack.geometry import Tile
from bigstack.io.source import Source
from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.luminance import grey_levels


class EnergyField(Field):
    """Focus of a source in grey levels of 8 bit; 0 where pixels are made up."""

    def __init__(self, source: Source, focus_map: FocusMap, channels: tuple[int, ...]) -> None:
        self.source = source
        self.focus_map = focus_map
        self.channels = channels
        self.shape = source.shape[:3]
        self.dtype = np.dtype(np.float32)

    def __dask_tokenize__(self) -> object:
        return ("EnergyField", tokenize(self.source, self.focus_map, self.channels))

    def read(self, z: int, tile: Tile, known: tuple = ()) -> np.ndarray:
        """Focus (y, x) of a region."""
        outer = tile.pad(self.focus_map.halo, within=self.shape[1:], grid=self.focus_map.grid)
        grey = grey_levels(self.source.read(z, *outer.slices), self.channels)
        focus = self.focus_map(grey[..., None])[tile.inside(outer)]
        valid = self.source.valid(z, *tile.slices)
        return focus if valid is None else np.where(valid, focus, np.float32(0))


def largest_focus(stack: da.Array, focus_map: FocusMap, channels: tuple[int, ...]) -> da.Array:
    """The largest focus of all frames (0-d): one pass over the stack, when it is computed."""
    source = as_source(stack)
    side = max(source.shape[1:3]) if source.whole_frames else 2048
    chunks = [da.core.normalize_chunks((min(side, size),), shape=(size,))[0] for size in source.shape[1:3]]
    return statistics.maximum(lazy_field(EnergyField(source, focus_map, channels), (chunks[0], chunks[1])))

"""Float stacks with holes: what is NaN or infinite is no data, so that it never wins and never spreads."""

from __future__ import annotations

import threading
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize

from bigstack.engine.sources import as_source, is_persisted
from bigstack.geometry import Tile
from bigstack.io.lazy import lazy_array
from bigstack.io.source import Source
from bigstack.kernels.filters import box_sum

REACH = 4
"""Pixels that a hole is filled from, in each direction: else filters would see an edge around it."""


def without_holes(stack: da.Array) -> da.Array:
    """A float stack (z, y, x, channel) whose holes are filled from around and told to be no data.

    Other stacks, and such as lie on a cluster's workers, come back as they are.

    Examples
    --------
    >>> pixels = np.ones((1, 9, 9, 1), np.float32)
    >>> pixels[0, 4, 4] = np.nan
    >>> without_holes(da.from_array(pixels)).compute().max()
    np.float32(1.0)
    """
    if stack.dtype.kind != "f" or (is_persisted(stack) and not _has_holes(stack)):
        return stack
    source = as_source(stack)
    return stack if isinstance(source, FilledSource) else lazy_array(FilledSource(source))


def _has_holes(stack: da.Array) -> bool:
    """Whether blocks in this process's memory have any; blocks elsewhere are not looked at."""
    blocks = next(iter(stack.dask.layers.values())).values()
    if any(type(block).__name__ == "Future" for block in blocks):
        return False
    return not bool(da.isfinite(stack).all().compute(scheduler="synchronous"))


class FilledSource(Source):
    """Another source of float32 whose NaN and infinite pixels are means of those around, and not valid."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape, self.dtype, self.chunks = source.shape, source.dtype, source.chunks
        self._last = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source,)

    def __dask_tokenize__(self) -> object:
        return ("FilledSource", tokenize(self.source))

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """The region, its holes filled."""
        tile = Tile(y.start, y.stop, x.start, x.stop)
        outer = tile.pad(REACH, within=self.shape[1:3])
        window = self.source.read(z, *outer.slices)
        inside = tile.inside(outer)
        real = np.isfinite(window).all(axis=2)
        self._last.found = (z, tile, None if real[inside].all() else real[inside])
        if real[inside].all():
            return window[inside]
        result = window[inside].copy()
        holes = ~real[inside]
        counts = box_sum(real.astype(np.float64), 2 * REACH + 1)[inside][holes]
        for channel in range(result.shape[2]):
            values = np.where(real, window[..., channel], 0).astype(np.float64)
            sums = box_sum(values, 2 * REACH + 1)[inside][holes]
            result[holes, channel] = sums / np.maximum(counts, 1)
        return result

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the pixels are numbers, and real data of the source."""
        tile = Tile(y.start, y.stop, x.start, x.stop)
        known = getattr(self._last, "found", None)
        if known is None or known[:2] != (z, tile):
            real = np.isfinite(self.source.read(z, y, x)).all(axis=2)
            known = (z, tile, None if real.all() else real)
        real, below = known[2], self.source.valid(z, y, x)
        if real is None or below is None:
            return below if real is None else real
        return np.logical_and(real, below)

"""A map sampled while it is computed: every n-th pixel, in memory, for a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec, Sink

SIDE = 720
"""Most samples a side."""


@dataclass(frozen=True)
class Sampled:
    """Every `step`-th pixel of a map (y, x) of `shape`, from pixel ``step // 2`` on."""

    values: np.ndarray
    step: int
    shape: tuple[int, int]
    missing: bool = False
    """Whether some samples are of tiles that an earlier run computed: NaN, or 0 of integers."""


def step_for(shape: tuple[int, int], side: int = SIDE) -> int:
    """The smallest step that leaves at most `side` samples a side.

    Examples
    --------
    >>> step_for((1440, 720)), step_for((100, 100))
    (2, 1)
    """
    return max(1, -(-max(shape) // side))


def places(start: int, stop: int, step: int, size: int) -> tuple[slice, slice]:
    """Which of the pixels from `start` to `stop` are samples, and which samples they are.

    A side shorter than half a step still has its first pixel.

    Examples
    --------
    >>> places(10, 20, 4, 100)
    (slice(0, 10, 4), slice(2, 5, None))
    """
    first = min(step // 2, size - 1)
    number = max(0, -(-(start - first) // step))
    last = max(number, -(-(stop - first) // step))
    return slice(first + number * step - start, stop - start, step), slice(number, last)


class PreviewSink(Sink):
    """Keeps samples of the map that passes through it; nothing is written.

    Parameters
    ----------
    spec
        Of the map.
    name
        For messages.
    beside
        Sinks of the same run: what they have from an earlier run is not computed again for the samples.
    """

    def __init__(self, spec: ImageSpec, name: str, beside: Sequence[Sink] = ()) -> None:
        self.spec = spec
        self.path = Path(name)
        self.step = step_for((spec.shape[0], spec.shape[1]))
        self.beside = tuple(beside)
        self._values: np.ndarray | None = None
        self._seen = 0

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "beside": (), "_values": None}

    def __dask_tokenize__(self) -> object:
        return type(self).__name__, str(self.path), self.spec.shape, self.spec.dtype

    def open(self) -> None:
        """Make room for the samples."""
        height, width = self.spec.shape[:2]
        rows, columns = (places(0, size, self.step, size)[1].stop for size in (height, width))
        dtype = np.dtype(self.spec.dtype)
        self._values = np.full((rows, columns), np.nan if dtype.kind == "f" else 0, dtype)
        self._seen = 0

    def encode(self, tile: Tile, pixels: np.ndarray) -> np.ndarray:
        """Pick the samples of a tile."""
        height, width = self.spec.shape[:2]
        rows, _ = places(tile.y0, tile.y1, self.step, height)
        columns, _ = places(tile.x0, tile.x1, self.step, width)
        return np.ascontiguousarray(pixels[rows, columns, 0])

    def put(self, tile: Tile, encoded: object) -> None:
        """Keep the samples of a tile."""
        height, width = self.spec.shape[:2]
        _, rows = places(tile.y0, tile.y1, self.step, height)
        _, columns = places(tile.x0, tile.x1, self.step, width)
        assert self._values is not None
        self._values[rows, columns] = encoded
        self._seen += tile.size

    def done_tiles(self) -> frozenset[Tile]:
        """Tiles that all the other sinks have already."""
        found = [sink.done_tiles() for sink in self.beside]
        return frozenset.intersection(*found) if found else frozenset()

    def finish(self) -> None:
        """Nothing is left to do."""

    def abort(self) -> None:
        """Forget the samples."""
        self._values = None

    def sampled(self) -> Sampled:
        """What was kept."""
        assert self._values is not None
        height, width = self.spec.shape[:2]
        return Sampled(self._values, self.step, (height, width), missing=self._seen < height * width)

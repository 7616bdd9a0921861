"""Work on a whole map of heights in blocks that never change, in memory or in a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from bigstack.geometry import Tile, tiles_of

BLOCK = 1024
"""Side of the blocks; sums over them are added exactly, so tiles and workers change no bit."""

STRIP = 64
"""Rows, or columns, that are filtered at a time."""


class Room:
    """Gives arrays as large as a map: in memory as far as `limit` bytes reach, then in files that vanish."""

    def __init__(self, folder: Path, limit: int, workers: int) -> None:
        self.folder = folder
        self.left = limit
        self.workers = workers
        self.count = 0

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        """A float32 array, its content not set."""
        need = 4 * int(np.prod(shape))
        if need <= self.left:
            self.left -= need
            return np.empty(shape, np.float32)
        self.count += 1
        return np.memmap(self.folder / f"{self.count}.bin", np.float32, "w+", shape=shape)

    def hold(self, values: da.Array) -> np.ndarray:
        """All of a lazy map."""
        found = self.array(values.shape)
        da.store(values, found, lock=False)  # type: ignore[arg-type]
        return found

    def each(self, function: Callable[[Any], Any], parts: list[Any]) -> list[Any]:
        """What `function` gives for every part, in their order."""
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(function, parts))


@contextmanager
def room(limit: int, workers: int | None) -> Iterator[Room]:
    """Room for arrays of about `limit` bytes in memory, and more in the folder for temporary files."""
    with tempfile.TemporaryDirectory(prefix="bigstack-") as folder:
        yield Room(Path(folder), limit, workers or os.cpu_count() or 1)


def blocks_of(shape: tuple[int, ...]) -> list[Tile]:
    """The blocks of a map."""
    return list(tiles_of((shape[0], shape[1]), BLOCK, BLOCK))


def strips_of(size: int) -> list[slice]:
    """The strips along an axis."""
    return [slice(start, min(size, start + STRIP)) for start in range(0, size, STRIP)]

"""Chunks of a Zarr array read straight from their files and decoded, from any thread.

zarr-python sends every read through one event loop. Reading here took 0.6 to 0.8 (zstd) and 0.2 to 0.3 (lz4)
times its processor time, and 0.6 to 1 times that of its zarrs pipeline (`benchmarks/reading.py zarr`). And
damaged chunks do not end the process or fill its memory, see `bigstack.io.zarr_codecs`.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path

import numpy as np

from bigstack.errors import StackError
from bigstack.io.files import ByteFile, file_state
from bigstack.io.zarr_codecs import Damaged, crc32c_checked, decode_chunk
from bigstack.io.zarr_meta import ArrayMeta

_MISSING = (1 << 64) - 1
_SLACK = 1 << 16


class ZarrArray:
    """An array on disk whose chunks can be read; picklable, thread-safe, holds nothing open."""

    def __init__(self, path: Path, meta: ArrayMeta) -> None:
        self.path = str(path)
        self.meta = meta
        self.dtype = np.dtype(meta.dtype)
        self.stored = self.dtype.newbyteorder("=")

    def __dask_tokenize__(self) -> object:
        return ("ZarrArray", self.path, self.meta.shape, self.meta.dtype, self.meta.chunk, self.meta.codecs)

    def chunk(self, where: tuple[int, ...]) -> np.ndarray | None:
        """Pixels of the chunk at `where`, counted in chunks; None for one that was never written.

        A chunk at the array's border is as large as any other.
        """
        try:
            data = self._bytes(where)
            if data is None:
                return None
            codecs = [(name, json.loads(settings)) for name, settings in self.meta.codecs]
            pixels = decode_chunk(data, codecs, self.meta.chunk, self.dtype, self.meta.order)
            return pixels if self.dtype.isnative else pixels.astype(self.stored)
        except (StackError, MemoryError):
            raise
        except Exception as error:
            raise StackError(
                f"{self.path}: chunk {'/'.join(map(str, where))} is damaged ({error}); "
                "restore the store from a copy"
            ) from error

    def _bytes(self, where: tuple[int, ...]) -> bytes | None:
        if self.meta.shard is not None:
            return self._from_shard(where)
        path = self._file(where)
        try:
            size = file_state(path)[0]
        except (FileNotFoundError, NotADirectoryError):
            return None
        with ByteFile(path) as file:
            _check_size(size, math.prod(self.meta.chunk) * self.dtype.itemsize)
            return file.read(0, size)

    def _file(self, where: tuple[int, ...]) -> str:
        style, separator = self.meta.key
        name = separator.join(str(i) for i in where)
        return f"{self.path}/c{separator}{name}" if style == "default" else f"{self.path}/{name}"

    def _from_shard(self, where: tuple[int, ...]) -> bytes | None:
        assert self.meta.shard is not None
        inner = [s // c for s, c in zip(self.meta.shard, self.meta.chunk, strict=True)]
        path = self._file(tuple(i // n for i, n in zip(where, inner, strict=True)))
        try:
            state = file_state(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        index = _shard_index(path, state, math.prod(inner), self.meta.index_at_end, self.meta.index_checked)
        number = int(np.ravel_multi_index([i % n for i, n in zip(where, inner, strict=True)], inner))
        offset, size = (int(v) for v in index[number])
        if offset == _MISSING and size == _MISSING:
            return None
        _check_size(size, math.prod(self.meta.chunk) * self.dtype.itemsize)
        with ByteFile(path) as file:
            return file.read(offset, size)


def _check_size(size: int, decoded: int) -> None:
    if size > 2 * decoded + _SLACK:
        raise Damaged(f"{size} bytes, far more than the {decoded} that it decodes to")


@lru_cache(maxsize=128)
def _shard_index(path: str, state: tuple[int, int], count: int, at_end: bool, checked: bool) -> np.ndarray:
    size = 16 * count + (4 if checked else 0)
    with ByteFile(path) as file:
        data = file.read(file.size - size if at_end else 0, size)
    if checked:
        data = crc32c_checked(data)
    return np.frombuffer(data, "<u8").reshape(count, 2)

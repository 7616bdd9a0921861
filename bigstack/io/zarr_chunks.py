"""Chunks of a Zarr array read straight from their files and decoded, from any thread.

zarr-python sends every read through one event loop. Reading here took 0.6 to 0.8 (zstd) and 0.2 to 0.3 (lz4)
times its processor time, and 0.6 to 1 times that of its zarrs pipeline (`benchmarks/reading.py zarr`). And
damaged chunks do not end the process or fill its memory, see `bigstack.io.zarr_codecs`.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache

import numpy as np

from bigstack.errors import StackError, StoreError
from bigstack.io.files import ByteFile, file_state
from bigstack.io.meter import DECODED
from bigstack.io.places import AnyPath
from bigstack.io.remote import RemotePath, is_address
from bigstack.io.zarr_codecs import Damaged, crc32c_checked, decode_chunk
from bigstack.io.zarr_meta import ArrayMeta

_MISSING = (1 << 64) - 1
_SLACK = 1 << 16


class ZarrArray:
    """An array on disk whose chunks can be read; picklable, thread-safe, holds nothing open."""

    def __init__(self, path: AnyPath, meta: ArrayMeta, state: object = None) -> None:
        self.path = str(path)
        self.meta = meta
        self.state = state
        """What tells that the array was changed, where asking each file would be a request."""
        self.remote = is_address(self.path)
        """Whether each look at a chunk is a request to a server."""
        self.dtype = np.dtype(meta.dtype)
        self.stored = self.dtype.newbyteorder("=")

    def __dask_tokenize__(self) -> object:
        return ("ZarrArray", self.path, self.meta.shape, self.meta.dtype, self.meta.chunk, self.meta.codecs)

    def chunk(self, where: tuple[int, ...]) -> np.ndarray | None:
        """Pixels of the chunk at `where`, counted in chunks; None for one that was never written.

        A chunk at the array's border is as large as any other.
        """
        try:
            data = self._fetched(where) if self.remote else self._bytes(where)
            return None if data is None else self._decoded(data)
        except (StackError, StoreError, MemoryError):
            raise
        except Exception as error:
            raise self._damage(where, error) from error

    def fetch(self, where: tuple[int, ...]) -> bytes | None:
        """The chunk as a server stores it; None for one that was never written."""
        try:
            return self._fetched(where)
        except (StackError, StoreError):
            raise
        except Exception as error:
            raise self._damage(where, error) from error

    def decode(self, data: bytes | None, where: tuple[int, ...]) -> np.ndarray | None:
        """Pixels of what `fetch` gave."""
        try:
            return None if data is None else self._decoded(data)
        except MemoryError:
            raise
        except Exception as error:
            raise self._damage(where, error) from error

    def _decoded(self, data: bytes) -> np.ndarray:
        codecs = [(name, json.loads(settings)) for name, settings in self.meta.codecs]
        pixels = decode_chunk(data, codecs, self.meta.chunk, self.dtype, self.meta.order)
        DECODED.add(pixels.nbytes)
        return pixels if self.dtype.isnative else pixels.astype(self.stored)

    def _damage(self, where: tuple[int, ...], error: Exception) -> StackError:
        return StackError(
            f"{self.path}: chunk {'/'.join(map(str, where))} is damaged ({error}); "
            "restore the store from a copy"
        )

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
        path, inner, number = self._in_shard(where)
        try:
            state = file_state(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        index = _shard_index(path, state, math.prod(inner), self.meta.index_at_end, self.meta.index_checked)
        part = self._part(index, number)
        if part is None:
            return None
        with ByteFile(path) as file:
            return file.read(*part)

    def _in_shard(self, where: tuple[int, ...]) -> tuple[str, list[int], int]:
        """Name of the shard that holds the chunk, chunks in it along each axis, and the chunk's number."""
        assert self.meta.shard is not None
        inner = [s // c for s, c in zip(self.meta.shard, self.meta.chunk, strict=True)]
        name = self._file(tuple(i // n for i, n in zip(where, inner, strict=True)))
        number = int(np.ravel_multi_index([i % n for i, n in zip(where, inner, strict=True)], inner))
        return name, inner, number

    def _part(self, index: np.ndarray, number: int) -> tuple[int, int] | None:
        """Where a chunk lies in its shard: offset and size; None when it was never written."""
        offset, size = (int(v) for v in index[number])
        if offset == _MISSING and size == _MISSING:
            return None
        _check_size(size, math.prod(self.meta.chunk) * self.dtype.itemsize)
        return offset, size

    def _fetched(self, where: tuple[int, ...]) -> bytes | None:
        """The bytes of a chunk from a server: one request, and one more a shard for its index."""
        decoded = math.prod(self.meta.chunk) * self.dtype.itemsize
        try:
            if self.meta.shard is None:
                return RemotePath(self._file(where)).read_checked(lambda size: _check_size(size, decoded))
            name, inner, number = self._in_shard(where)
            index = _remote_index(
                name, self.state, math.prod(inner), self.meta.index_at_end, self.meta.index_checked
            )
            part = self._part(index, number)
            return None if part is None else RemotePath(name).read_range(*part)
        except FileNotFoundError:
            return None


def _check_size(size: int, decoded: int) -> None:
    if size > 2 * decoded + _SLACK:
        raise Damaged(f"{size} bytes, far more than the {decoded} that it decodes to")


@lru_cache(maxsize=128)
def _shard_index(path: str, state: tuple[int, int], count: int, at_end: bool, checked: bool) -> np.ndarray:
    size = 16 * count + (4 if checked else 0)
    with ByteFile(path) as file:
        data = file.read(file.size - size if at_end else 0, size)
    return _index_of(data, count, checked)


@lru_cache(maxsize=256)
def _remote_index(name: str, state: object, count: int, at_end: bool, checked: bool) -> np.ndarray:
    size = 16 * count + (4 if checked else 0)
    place = RemotePath(name)
    return _index_of(place.read_end(size) if at_end else place.read_range(0, size), count, checked)


def _index_of(data: bytes, count: int, checked: bool) -> np.ndarray:
    if checked:
        data = crc32c_checked(data)
    return np.frombuffer(data, "<u8").reshape(count, 2)

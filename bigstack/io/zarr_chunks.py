"""Chunks of a Zarr array read straight from their files and decoded, from any thread.

zarr-python sends every read through one event loop. Reading here took 0.6 to 0.8 (zstd) and 0.2 to 0.3 (lz4)
times its processor time, and 0.6 to 1 times that of its zarrs pipeline, which is not always there
(`benchmarks/reading.py zarr`). And a codec never makes more than the chunk's own size here.
"""

from __future__ import annotations

import json
import math
import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bigstack.errors import StackError
from bigstack.io.files import ByteFile, file_state
from bigstack.io.zarr_meta import ArrayMeta

_MISSING = (1 << 64) - 1
_SLACK = 1 << 16
_SETTINGS = threading.Lock()


class Damaged(ValueError):
    """Bytes that are not what the metadata says."""


class ZarrArray:
    """An array on disk whose chunks can be read; picklable, thread-safe, holds nothing open."""

    def __init__(self, path: Path, meta: ArrayMeta) -> None:
        self.path = str(path)
        self.meta = meta
        self.dtype = np.dtype(meta.dtype)
        self.stored = self.dtype.newbyteorder("=")
        self.direct = _is_direct(meta)

    def __dask_tokenize__(self) -> object:
        return ("ZarrArray", self.path, self.meta.shape, self.meta.dtype, self.meta.chunk, self.meta.codecs)

    def chunk(self, where: tuple[int, ...]) -> np.ndarray | None:
        """Pixels of the chunk at `where`, counted in chunks; None for one that was never written.

        A chunk at the array's border is as large as any other.
        """
        try:
            if not self.direct:
                return self._through_zarr(where)
            data = self._bytes(where)
            return None if data is None else self._decoded(data)
        except (StackError, MemoryError):
            raise
        except Exception as error:
            raise StackError(
                f"{self.path}: chunk {'/'.join(map(str, where))} is damaged ({error}); "
                "restore the store from a copy"
            ) from error

    def _decoded(self, data: bytes) -> np.ndarray:
        size = math.prod(self.meta.chunk) * self.dtype.itemsize
        for i in range(len(self.meta.codecs) - 1, -1, -1):
            name, settings = self.meta.codecs[i]
            # A checksum that was put on before compressing is part of what comes out.
            before = 4 * sum(other == "crc32c" for other, _ in self.meta.codecs[:i])
            data = _DECODERS[name](data, size + before, json.loads(settings))
        if len(data) != size:
            raise Damaged(f"{len(data)} bytes where {size} belong")
        pixels = np.frombuffer(data, self.dtype).reshape(self.meta.chunk, order=self._order())
        return pixels if self.dtype.isnative else pixels.astype(self.stored)

    def _order(self) -> Any:
        return "F" if self.meta.order == "F" else "C"

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

    def _through_zarr(self, where: tuple[int, ...]) -> np.ndarray:
        """Let zarr-python decode a chunk whose codecs are not decoded here."""
        region = tuple(
            slice(i * n, min((i + 1) * n, size))
            for i, n, size in zip(where, self.meta.chunk, self.meta.shape, strict=True)
        )
        found = np.asarray(_zarr_array(self.path)[region]).astype(self.stored, copy=False)
        missing = [(0, n - got) for n, got in zip(self.meta.chunk, found.shape, strict=True)]
        return np.pad(found, missing) if any(after for _, after in missing) else found


def _check_size(size: int, decoded: int) -> None:
    if size > 2 * decoded + _SLACK:
        raise Damaged(f"{size} bytes, far more than the {decoded} that it decodes to")


@lru_cache(maxsize=128)
def _shard_index(path: str, state: tuple[int, int], count: int, at_end: bool, checked: bool) -> np.ndarray:
    size = 16 * count + (4 if checked else 0)
    with ByteFile(path) as file:
        data = file.read(file.size - size if at_end else 0, size)
    if checked:
        data = _crc32c(data, 16 * count, {})
    return np.frombuffer(data, "<u8").reshape(count, 2)


@lru_cache(maxsize=16)
def _zarr_array(path: str) -> Any:
    import zarr

    # With zarrs (the extra `fast`) its codecs decode, in about 0.6 times the processor time for zstd.
    # Not for writing: zarrs 0.2 leaves out empty chunks even where they are asked for.
    fast = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"} if find_spec("zarrs") else {}
    # zarr's settings are the process's: two threads that set them at once would leave them set.
    with _SETTINGS, zarr.config.set(fast), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # codecs that zarrs lacks go through zarr-python
        return zarr.open_array(path, mode="r")


def _is_direct(meta: ArrayMeta) -> bool:
    if any(name not in _DECODERS for name, _ in meta.codecs):
        return False
    return all(_plain_bytes(name, json.loads(settings), len(meta.shape)) for name, settings in meta.codecs)


def _plain_bytes(name: str, settings: dict[str, Any], dims: int) -> bool:
    return name != "transpose" or settings.get("order") in (list(range(dims)), "C")


def _same(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    return data


def _blosc(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    import imagecodecs

    if len(data) < 16 or int.from_bytes(data[4:8], "little") != size:
        raise Damaged("a blosc header of another size")
    return bytes(imagecodecs.blosc_decode(data, out=size, numthreads=1))


def _with_imagecodecs(name: str, **options: Any) -> Callable[[bytes, int, dict[str, Any]], bytes]:
    def decode(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
        import imagecodecs

        found: bytes = getattr(imagecodecs, name)(data, out=size, **options)
        return found

    return decode


def _bz2(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    import bz2

    return bz2.BZ2Decompressor().decompress(data, size)


def _crc32c(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    import google_crc32c

    if len(data) < 4 or google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise Damaged("its checksum is wrong")
    return data[:-4]


_DECODERS: dict[str, Callable[[bytes, int, dict[str, Any]], bytes]] = {
    "bytes": _same,
    "transpose": _same,
    "blosc": _blosc,
    "zstd": _with_imagecodecs("zstd_decode"),
    "gzip": _with_imagecodecs("gzip_decode"),
    "zlib": _with_imagecodecs("zlib_decode"),
    "lz4": _with_imagecodecs("lz4_decode", header=True),
    "bz2": _bz2,
    "crc32c": _crc32c,
}

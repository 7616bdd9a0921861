"""Decoders of Zarr chunks that give no more than they are allowed to, whatever the bytes say.

Blosc chunks are decoded by C-Blosc2, which reads the older format as fast: the C-Blosc 1 in imagecodecs and
numcodecs ends the process on damaged headers (tests/io/test_fuzz.py finds it within 500 damaged files).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bigstack.io.zarr_meta import FILTERS

Decoder = Callable[[bytes, int, dict[str, Any]], bytes]
Codecs = Sequence[tuple[str, dict[str, Any]]]


class Damaged(ValueError):
    """Bytes that are not what the metadata says."""


def decode_chunk(
    data: bytes, codecs: Codecs, shape: tuple[int, ...], dtype: np.dtype, order: str
) -> np.ndarray:
    """Undo the codecs, last one first, and give the chunk's pixels of `shape`.

    Raises
    ------
    Damaged, ValueError, RuntimeError
        When the bytes are not those of such a chunk.
    """
    size = math.prod(shape) * dtype.itemsize
    resizes = any(name in FILTERS for name, _ in codecs)
    for i in range(len(codecs) - 1, -1, -1):
        name, settings = codecs[i]
        # A checksum that was put on before compressing is part of what comes out.
        inside = 4 * sum(other == "crc32c" for other, _ in codecs[:i])
        data = DECODERS[name](data, 8 * math.prod(shape) + inside if resizes else size + inside, settings)
    if len(data) != size:
        raise Damaged(f"{len(data)} bytes where {size} belong")
    axes = list(range(len(shape)))
    for name, settings in codecs:
        if name == "transpose":
            axes = _transposed(axes, settings.get("order"))
    stored = [shape[i] for i in axes]
    pixels = np.frombuffer(data, dtype).reshape(stored, order="F" if order == "F" else "C")
    return pixels.transpose(np.argsort(axes))


def _transposed(axes: list[int], order: Any) -> list[int]:
    if order in ("C", "F"):
        return axes if order == "C" else axes[::-1]
    if not isinstance(order, list) or sorted(order) != list(range(len(axes))):
        raise Damaged(f"a transposition by {order!r}")
    return [axes[i] for i in order]


def crc32c_checked(data: bytes) -> bytes:
    """Return the data before a checksum, which must fit."""
    import google_crc32c

    if len(data) < 4 or google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise Damaged("its checksum is wrong")
    return data[:-4]


def _same(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    return data


def _crc32c(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    return crc32c_checked(data)


def _blosc(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    import imagecodecs

    decoded, encoded = (int.from_bytes(data[at : at + 4], "little") for at in (4, 12))
    if len(data) < 16 or decoded > size or encoded > len(data):
        raise Damaged(f"a blosc header of {decoded} bytes in {encoded}")
    return bytes(imagecodecs.blosc2_decode(data, out=decoded, numthreads=1))


def _with_imagecodecs(name: str, **options: Any) -> Decoder:
    def decode(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
        import imagecodecs

        return bytes(getattr(imagecodecs, name)(data, out=size, **options))

    return decode


def _bz2(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    import bz2

    return bz2.BZ2Decompressor().decompress(data, size)


def _lzma(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    import lzma

    if settings.get("format", 1) != lzma.FORMAT_XZ:
        raise Damaged("LZMA in another format than xz")
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY).decompress(data, size)


def _shuffle(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
    element = int(settings.get("elementsize", 4))
    if element < 1 or len(data) % element:
        raise Damaged(f"{len(data)} bytes shuffled by {element}")
    return np.frombuffer(data, np.uint8).reshape(element, -1).T.tobytes()


def _with_numcodecs(name: str) -> Decoder:
    def decode(data: bytes, size: int, settings: dict[str, Any]) -> bytes:
        import numcodecs

        for key in ("dtype", "astype"):
            if np.dtype(settings.get(key, "u1")).kind not in "buif":
                raise Damaged(f"{key} {settings[key]!r}")
        codec = numcodecs.get_codec({**settings, "id": name})
        return np.ascontiguousarray(codec.decode(data)).tobytes()

    return decode


_LZMA_MEMORY = 1 << 28
DECODERS: dict[str, Decoder] = {
    "bytes": _same,
    "transpose": _same,
    "blosc": _blosc,
    "zstd": _with_imagecodecs("zstd_decode"),
    "gzip": _with_imagecodecs("gzip_decode"),
    "zlib": _with_imagecodecs("zlib_decode"),
    "lz4": _with_imagecodecs("lz4_decode", header=True),
    "bz2": _bz2,
    "lzma": _lzma,
    "crc32c": _crc32c,
    "shuffle": _shuffle,
    **{name: _with_numcodecs(name) for name in FILTERS},
}
"""By the name of the codec: data, most bytes to give, settings -> what was encoded."""

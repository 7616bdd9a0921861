"""PNG written band by band: bands are filtered and compressed in parallel, then joined to one stream."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from bigstack.errors import InputError, RunError
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers.exif import stamped, upright
from bigstack.io.writers.file_sink import FileSink, check_tile, software
from bigstack.io.writers.spec import ALPHA_NAMES, micrometres
from bigstack.io.writers.xmp import made_true

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
MAX_SIDE = 1_000_000
"""The standard allows more, but libpng refuses to read wider or higher images unless told otherwise."""
FILTER_LEFT, FILTER_UP = 1, 2
BASE = 65521
"""Modulus of Adler-32."""


@dataclass(frozen=True, slots=True)
class Band:
    """Compressed rows, as PNG chunks, and the checksum of what went into them."""

    chunks: bytes
    adler: int
    length: int


class PngSink(FileSink):
    """Writes 8 and 16-bit PNG, grey, grey with alpha, RGB or RGBA, of any height in bounded memory.

    Parameters
    ----------
    level
        0 stores; 1 (default) codes runs only; 2-9 is zlib's effort.

    Notes
    -----
    Rows are predicted from the row above. 24 Mpix RGB takes 0.53 (uint8) and 1.00 (uint16) CPU seconds at
    level 1, 0.90 and 2.54 at level 2, for files of about one size (``benchmarks/writing.py``).
    """

    full_width = True

    def __init__(
        self, path: str | os.PathLike[str], spec: ImageSpec, *, overwrite: bool = False, level: int = 1
    ) -> None:
        super().__init__(path, spec, overwrite=overwrite)
        if not 0 <= level <= 9:
            raise InputError(f"level of PNG is 0 to 9, got {level}")
        self.level = level
        self._adler = 1
        self._rows = 0

    @classmethod
    def problem(cls, spec: ImageSpec) -> str | None:
        """Say why PNG cannot hold the image, None when it can."""
        if spec.dtype not in ("uint8", "uint16"):
            return f"PNG holds uint8 and uint16, not {spec.dtype}"
        count = spec.shape[2]
        if count not in COLOUR_TYPES:
            return f"PNG holds 1 to 4 channels, not {count}"
        if count in (2, 4) and spec.channels and spec.channels[-1].lower() not in ALPHA_NAMES:
            return f"the last of {count} channels of a PNG is alpha, not {spec.channels[-1]!r}"
        if max(spec.shape[:2]) > MAX_SIDE:
            return f"PNG readers take at most {MAX_SIDE} pixels a side, not {max(spec.shape[:2])}"
        return None

    def encode(self, tile: Tile, pixels: np.ndarray) -> Band:
        """Filter and compress full rows."""
        check_tile(self, tile, pixels)
        data = memoryview(_filtered(pixels).reshape(-1).data)
        strategy = zlib.Z_RLE if self.level == 1 else zlib.Z_DEFAULT_STRATEGY
        packer = zlib.compressobj(self.level, zlib.DEFLATED, -15, 9, strategy)
        # The flush ends on a whole byte without ending the stream, so that bands can follow each other.
        packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
        return Band(_data_chunks(packed), zlib.adler32(data), data.nbytes)

    def _begin(self, file: IO[bytes]) -> None:
        self._adler, self._rows = 1, 0
        height, width, count = self.spec.shape
        depth = 8 * np.dtype(self.spec.dtype).itemsize
        header = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[count], 0, 0, 0)
        file.write(SIGNATURE + _chunk(b"IHDR", header) + self._metadata())
        file.write(_chunk(b"IDAT", b"\x78\x01"))  # how a zlib stream begins

    def _metadata(self) -> bytes:
        spec = self.spec
        parts = [_chunk(b"tEXt", b"Software\0" + software().encode("latin-1"))]
        if spec.icc_profile:
            parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(spec.icc_profile)))
        size = micrometres(spec)
        per_metre = [round(1e6 / value) for value in size] if size else []
        if per_metre and all(0 < value < 2**31 for value in per_metre):
            parts.append(_chunk(b"pHYs", struct.pack(">IIB", per_metre[1], per_metre[0], 1)))
        parts.append(_chunk(b"eXIf", stamped(upright(spec.exif, spec.shape), software())))
        xmp = made_true(spec.xmp, spec.shape, software())
        if xmp:
            parts.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
        if spec.description:
            text = b"Description\0\0\0\0\0" + spec.description.encode()
            parts.append(_chunk(b"iTXt", text))
        return b"".join(parts)

    def _write(self, file: IO[bytes], tile: Tile, encoded: Any) -> None:
        if tile.y0 != self._rows:
            raise RunError(f"{self.path}: row {self._rows} has to come next, got {tile}")
        file.write(encoded.chunks)
        self._adler = adler32_combine(self._adler, encoded.adler, encoded.length)
        self._rows = tile.y1

    def _end(self, file: IO[bytes]) -> None:
        if self._rows != self.spec.shape[0]:
            raise RunError(
                f"{self.path} cannot be finished: {self._rows} of {self.spec.shape[0]} rows written"
            )
        last = b"\x03\x00" + struct.pack(">I", self._adler)  # an empty last block, and the checksum
        file.write(_chunk(b"IDAT", last) + _chunk(b"IEND", b""))


def _filtered(pixels: np.ndarray) -> np.ndarray:
    """Bytes of rows (big-endian) as differences, one filter number before each row.

    The first row of a band knows no row above and is predicted from its left neighbours.
    """
    height, _, count = pixels.shape
    rows = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">")).view(np.uint8)
    rows = rows.reshape(height, -1)
    step = count * pixels.dtype.itemsize
    result = np.empty((height, rows.shape[1] + 1), np.uint8)
    result[0, 0] = FILTER_LEFT
    result[0, 1 : step + 1] = rows[0, :step]
    np.subtract(rows[0, step:], rows[0, :-step], out=result[0, step + 1 :])
    result[1:, 0] = FILTER_UP
    np.subtract(rows[1:], rows[:-1], out=result[1:, 1:])
    return result


def _data_chunks(data: bytes) -> bytes:
    """Wrap in IDAT chunks, whose length is a 31-bit number."""
    step = 2**30
    return b"".join(_chunk(b"IDAT", data[i : i + step]) for i in range(0, len(data), step))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def adler32_combine(first: int, second: int, length: int) -> int:
    """Return the Adler-32 of two pieces of data from theirs; `length` is that of the second piece.

    Examples
    --------
    >>> adler32_combine(zlib.adler32(b"all in "), zlib.adler32(b"focus"), 5) == zlib.adler32(b"all in focus")
    True
    """
    low, low2 = first & 0xFFFF, second & 0xFFFF
    total = (low + low2 - 1) % BASE
    running = ((first >> 16) + (second >> 16) + length * (low - 1)) % BASE
    return running << 16 | total

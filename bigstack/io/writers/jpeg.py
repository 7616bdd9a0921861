"""JPEG written band by band: bands are encoded in parallel and joined by restart markers."""

from __future__ import annotations

import os
import struct
import warnings
from typing import IO, Any, Literal

import numpy as np

from bigstack.errors import InputError, RunError, choose
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers.exif import stamped, upright
from bigstack.io.writers.file_sink import FileSink, check_tile, software
from bigstack.io.writers.spec import micrometres
from bigstack.io.writers.xmp import made_true

Subsampling = Literal["444", "422", "420"]
MCU: dict[str, tuple[int, int]] = {"444": (8, 8), "422": (8, 16), "420": (16, 16)}
"""Height and width of the units that JPEG codes."""
MAX_SIDE = 65535
MAX_INTERVAL = 65535
"""Most units between two restart markers."""
MAX_SEGMENT = 65533
BAND_ROWS = 128
"""Wanted height of a band: high enough that its own encoder's set-up does not matter."""
XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
SOI, EOI, SOS, DRI, APP0 = 0xD8, 0xD9, 0xDA, 0xDD, 0xE0
FRAMES = (0xC0, 0xC1)
"""Markers of a sequential frame: baseline, and extended for the coarse tables of low quality."""


class JpegSink(FileSink):
    """Writes baseline JPEG, grey or colour, in bounded memory.

    The image is cut into bands of equal height, each encoded for itself with the standard Huffman tables;
    joined by restart markers they are one JPEG that decodes to the same pixels as one encoded at once.

    Parameters
    ----------
    quality
        1-100.
    subsampling
        Resolution of colour: full ("444"), half in x ("422"), half in both ("420"). Grey has none.

    Notes
    -----
    24 Mpix RGB takes 0.09 CPU seconds (``benchmarks/writing.py``).
    """

    full_width = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        spec: ImageSpec,
        *,
        overwrite: bool = False,
        quality: int = 95,
        subsampling: Subsampling = "444",
    ) -> None:
        super().__init__(path, spec, overwrite=overwrite)
        if not 1 <= quality <= 100:
            raise InputError(f"quality of JPEG is 1 to 100, got {quality}")
        self.quality = quality
        self.subsampling = choose(subsampling, MCU, "JPEG subsampling")
        high, wide = (8, 8) if spec.shape[2] == 1 else MCU[subsampling]
        units = -(-spec.shape[1] // wide)
        fitting = min(BAND_ROWS // high, MAX_INTERVAL // units)
        self.band = high << max(0, fitting.bit_length() - 1)  # a power of two is what tiles are multiples of
        self.interval = units * (self.band // high)
        self.multiple = (self.band, 1)
        self._rows = 0

    @classmethod
    def problem(cls, spec: ImageSpec) -> str | None:
        """Say why JPEG cannot hold the image, None when it can."""
        if spec.dtype != "uint8":
            return f"JPEG holds uint8, not {spec.dtype}"
        if spec.shape[2] not in (1, 3):
            return f"JPEG holds 1 or 3 channels, not {spec.shape[2]}"
        if max(spec.shape[:2]) > MAX_SIDE:
            return f"JPEG holds at most {MAX_SIDE} pixels a side, not {max(spec.shape[:2])}"
        return None

    def encode(self, tile: Tile, pixels: np.ndarray) -> list[bytes]:
        """Encode every band of the tile as a JPEG of its own."""
        check_tile(self, tile, pixels)
        return [self._encoded(pixels[y : y + self.band]) for y in range(0, pixels.shape[0], self.band)]

    def _encoded(self, pixels: np.ndarray) -> bytes:
        import imagecodecs

        grey = pixels.shape[2] == 1
        return bytes(
            imagecodecs.jpeg8_encode(
                np.ascontiguousarray(pixels[..., 0] if grey else pixels),
                level=self.quality,
                subsampling=None if grey else self.subsampling,
            )
        )

    def _begin(self, file: IO[bytes]) -> None:
        self._rows = 0

    def _write(self, file: IO[bytes], tile: Tile, encoded: Any) -> None:
        if tile.y0 != self._rows:
            raise RunError(f"{self.path}: row {self._rows} has to come next, got {tile}")
        for number, jpeg in enumerate(encoded, tile.y0 // self.band):
            segments, data = split(jpeg)
            if number == 0:
                file.write(self._head(segments))
            else:
                file.write(bytes((0xFF, 0xD0 + (number - 1) % 8)))
            file.write(data)
        self._rows = tile.y1

    def _end(self, file: IO[bytes]) -> None:
        if self._rows != self.spec.shape[0]:
            raise RunError(
                f"{self.path} cannot be finished: {self._rows} of {self.spec.shape[0]} rows written"
            )
        file.write(bytes((0xFF, EOI)))

    def _head(self, segments: list[tuple[int, bytes]]) -> bytes:
        """What comes before the coded bands: the first band's tables, and what is true for the whole."""
        parts = [bytes((0xFF, SOI)), _segment(APP0, self._jfif()), *self._metadata()]
        for marker, body in segments:
            if APP0 <= marker < APP0 + 16:
                continue
            if marker in FRAMES:
                body = body[:1] + struct.pack(">H", self.spec.shape[0]) + body[3:]
            if marker == SOS:
                parts.append(_segment(DRI, struct.pack(">H", self.interval)))
            parts.append(_segment(marker, body))
        return b"".join(parts)

    def _jfif(self) -> bytes:
        """Pixels per cm where they fit the field, else the shape of a pixel only."""
        size = micrometres(self.spec)
        unit, across, down = 0, 1, 1
        if size is not None:
            per_cm = [round(1e4 / value) for value in size]
            if all(0 < value < 2**16 for value in per_cm):
                unit, down, across = 2, *per_cm
        return b"JFIF\0" + struct.pack(">BBBHHBB", 1, 2, unit, across, down, 0, 0)

    def _metadata(self) -> list[bytes]:
        parts = []
        exif = stamped(upright(self.spec.exif, self.spec.shape), software())
        if len(exif) + 6 > MAX_SEGMENT:
            warnings.warn(f"EXIF of {len(exif)} bytes does not fit a JPEG and is not kept", stacklevel=2)
        elif exif:
            parts.append(_segment(APP0 + 1, b"Exif\0\0" + exif))
        xmp = XMP_MARK + made_true(self.spec.xmp, self.spec.shape, software())
        if len(xmp) > MAX_SEGMENT:
            warnings.warn(f"XMP of {len(xmp)} bytes does not fit a JPEG and is not kept", stacklevel=2)
        elif len(xmp) > len(XMP_MARK):
            parts.append(_segment(APP0 + 1, xmp))
        step = MAX_SEGMENT - 14
        pieces = [self.spec.icc_profile[i : i + step] for i in range(0, len(self.spec.icc_profile), step)]
        for number, piece in enumerate(pieces, 1):
            parts.append(_segment(APP0 + 2, b"ICC_PROFILE\0" + bytes((number, len(pieces))) + piece))
        comment = f"{self.spec.description}\n{software()}".strip()
        parts.append(_segment(0xFE, comment.encode()[:MAX_SEGMENT]))
        return parts


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def split(jpeg: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Take a JPEG of one scan apart: its segments (marker, body) and its coded data."""
    segments = []
    at = 2
    while True:
        marker = jpeg[at + 1]
        (length,) = struct.unpack_from(">H", jpeg, at + 2)
        segments.append((marker, jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
        if marker == SOS:
            return segments, jpeg[at : jpeg.rindex(bytes((0xFF, EOI)))]

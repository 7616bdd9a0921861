"""Tiled, compressed TIFF and OME-TIFF, written as the tiles come, of any size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any, Literal

import numpy as np

from bigstack.errors import InputError, RunError, choose
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import tiff_file as t
from bigstack.io.writers.exif import Entry, directories
from bigstack.io.writers.file_sink import FileSink, check_tile, software
from bigstack.io.writers.ome_xml import ome_xml
from bigstack.io.writers.spec import colour_of, micrometres
from bigstack.io.writers.xmp import made_true

Compression = Literal["deflate", "lzw", "zstd", "none"]
CODES: dict[str, int] = {"none": 1, "lzw": 5, "deflate": 8, "zstd": 50000}
DEFAULT_LEVELS = {"deflate": 1, "zstd": 1}
SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}
DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
MAX_SIDE = 2**31 - 1
"""Readers hold sizes in signed 32-bit numbers."""


class TiffSink(FileSink):
    """Writes a tiled TIFF; becomes BigTIFF by itself when the file outgrows 4 GiB.

    Grey, grey with alpha, RGB and RGBA are one page; other channels are a page each. A name that ends in
    ``.ome.tif`` gets OME-XML with the pixel size and channel names, and so do pages that are channels, which
    would be taken for frames otherwise. Segments are appended in whatever order
    they come and found through the offsets that are written last, so memory does not grow with the image.

    Parameters
    ----------
    compression
        ``deflate`` is what every program opens; ``zstd`` is several times faster, but known to few
        (OpenCV cannot read it); ``lzw`` for old programs.
    level
        Effort of deflate (1-12) or zstd (1-22); None is the fastest.
    tile
        Side of a TIFF tile in pixels, a multiple of 16.

    Notes
    -----
    24 Mpix RGB uint8 takes 0.49 CPU seconds with deflate (65 % of the size), 0.12 with zstd (63 %), 0.65 with
    lzw (74 %) and 0.03 with none (``benchmarks/writing.py``). Samples are predicted from their left
    neighbours before compression, floating point ones byte by byte.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        spec: ImageSpec,
        *,
        overwrite: bool = False,
        compression: Compression = "deflate",
        level: int | None = None,
        tile: int = 512,
    ) -> None:
        super().__init__(path, spec, overwrite=overwrite)
        self.compression = choose(compression, CODES, "TIFF compression")
        self.level = _checked_level(compression, level)
        if tile <= 0 or tile % 16:
            raise InputError(f"the side of a TIFF tile is a positive multiple of 16, got {tile}")
        self.tile = tile
        self.multiple = (tile, tile)
        self.planes = spec.shape[2] if colour_of(spec) == "channels" else 1
        self.ome = self.planes > 1 or self.path.name.lower().endswith((".ome.tif", ".ome.tiff"))
        self._pages: list[t.Page] = []
        self._container: t.TiffFile | None = None

    @classmethod
    def problem(cls, spec: ImageSpec) -> str | None:
        """Say why TIFF cannot hold the image, None when it can."""
        if spec.dtype not in DTYPES:
            return f"TIFF holds {', '.join(DTYPES)}, not {spec.dtype}"
        if max(spec.shape[:2]) > MAX_SIDE:
            return f"TIFF holds at most {MAX_SIDE} pixels a side"
        return None

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "_pages": [], "_container": None}

    def encode(self, tile: Tile, pixels: np.ndarray) -> list[list[bytes]]:
        """Compress the TIFF tiles inside `tile`: one list a page, left to right, top to bottom."""
        check_tile(self, tile, pixels)
        step = pixels.shape[2] // self.planes
        return [
            [self._segment(pixels[y, x, i : i + step]) for y, x in self._cut(tile)]
            for i in range(0, pixels.shape[2], step)
        ]

    def _cut(self, tile: Tile) -> Iterator[tuple[slice, slice]]:
        for piece in tile.split(self.tile, self.tile):
            yield piece.inside(tile)

    def _segment(self, pixels: np.ndarray) -> bytes:
        import imagecodecs

        height, width = pixels.shape[:2]
        missing = ((0, self.tile - height), (0, self.tile - width), (0, 0))
        if height < self.tile or width < self.tile:
            pixels = np.pad(pixels, missing, mode="edge")
        if self.compression == "none":
            return _little(pixels).tobytes()
        data: Any = _predicted(pixels)
        if self.compression == "deflate":
            return bytes(imagecodecs.deflate_encode(data, level=self.level))
        if self.compression == "zstd":
            return bytes(imagecodecs.zstd_encode(data, level=self.level))
        return bytes(imagecodecs.lzw_encode(data))

    def _begin(self, file: IO[bytes]) -> None:
        self._container = t.TiffFile(file)
        across, down = self._grid()
        self._pages = [t.Page(self._fields(i), across * down) for i in range(self.planes)]
        main, self._pages[0].exif, self._pages[0].gps = directories(self.spec.exif, self.spec.shape)
        self._pages[0].fields += main

    def _write(self, file: IO[bytes], tile: Tile, encoded: Any) -> None:
        assert self._container is not None
        across, _ = self._grid()
        places = [
            (piece.y0 // self.tile) * across + piece.x0 // self.tile
            for piece in tile.split(self.tile, self.tile)
        ]
        for page, segments in zip(self._pages, encoded, strict=True):
            for place, segment in zip(places, segments, strict=True):
                page.offsets[place] = self._container.append(segment)
                page.counts[place] = len(segment)

    def _end(self, file: IO[bytes]) -> None:
        assert self._container is not None
        missing = sum(int((page.counts == 0).sum()) for page in self._pages)
        if missing:
            raise RunError(f"{self.path} cannot be finished: {missing} of its tiles were never written")
        self._container.close(self._pages)

    def _grid(self) -> tuple[int, int]:
        height, width, _ = self.spec.shape
        return -(-width // self.tile), -(-height // self.tile)

    def _fields(self, page: int) -> list[Entry]:
        height, width, count = self.spec.shape
        samples = count // self.planes
        dtype = np.dtype(self.spec.dtype)
        fields = [
            t.numbers(254, t.LONG, 0),
            t.numbers(256, t.LONG, width),
            t.numbers(257, t.LONG, height),
            t.numbers(258, t.SHORT, *(dtype.itemsize * 8,) * samples),
            t.numbers(259, t.SHORT, CODES[self.compression]),
            t.numbers(262, t.SHORT, 2 if samples >= 3 else 1),
            t.numbers(277, t.SHORT, samples),
            t.numbers(284, t.SHORT, 1),
            t.text(305, software()),
            t.numbers(322, t.LONG, self.tile),
            t.numbers(323, t.LONG, self.tile),
            t.numbers(339, t.SHORT, *(SAMPLE_FORMATS[dtype.kind],) * samples),
            *self._resolution(),
        ]
        if self.compression != "none":
            fields.append(t.numbers(317, t.SHORT, 3 if dtype.kind == "f" else 2))
        if samples in (2, 4):
            fields.append(t.numbers(338, t.SHORT, 2))  # the last sample is alpha, not multiplied in
        if self.spec.icc_profile:
            fields.append(t.blob(34675, self.spec.icc_profile))
        xmp = made_true(self.spec.xmp, self.spec.shape, software()) if page == 0 else b""
        if xmp:
            fields.append(t.octets(700, xmp))
        return fields + self._texts(page)

    def _texts(self, page: int) -> list[Entry]:
        texts = []
        if self.planes > 1 and self.spec.channels:
            texts.append(t.text(285, self.spec.channels[page]))
        if page == 0 and self.ome:
            texts.append(t.text(270, ome_xml(self.spec, self.path.name, software())))
        elif page == 0 and self.spec.description:
            texts.append(t.text(270, self.spec.description))
        return texts

    def _resolution(self) -> list[Entry]:
        size = micrometres(self.spec)
        if size is None:
            return [t.rational(282, 1.0), t.rational(283, 1.0), t.numbers(296, t.SHORT, 1)]
        per_cm = [1e4 / value for value in size]
        return [t.rational(282, per_cm[1]), t.rational(283, per_cm[0]), t.numbers(296, t.SHORT, 3)]


def _checked_level(compression: str, level: int | None) -> int | None:
    if level is None:
        return DEFAULT_LEVELS.get(compression)
    limit = {"deflate": 12, "zstd": 22}.get(compression)
    if limit is None:
        raise InputError(f"compression {compression!r} has no level, got {level}")
    if not 1 <= level <= limit:
        raise InputError(f"level of {compression} is 1 to {limit}, got {level}")
    return level


def _little(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))


def _predicted(pixels: np.ndarray) -> np.ndarray:
    """Differences to the left neighbour of the same sample, which compress better."""
    import imagecodecs

    pixels = _little(pixels)
    height, width, samples = pixels.shape
    if pixels.dtype.kind == "f":
        return imagecodecs.floatpred_encode(pixels, axis=-2, dist=1)
    rows = pixels.reshape(height, width * samples)
    result = np.empty_like(rows)
    result[:, :samples] = rows[:, :samples]
    np.subtract(rows[:, samples:], rows[:, :-samples], out=result[:, samples:])
    return result

"""Regions of a TIFF page, read from the strips or tiles they touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from bigstack.errors import StackError
from bigstack.io import ifd
from bigstack.io.files import ByteFile
from bigstack.io.formats import jpeg, webp
from bigstack.io.formats.header import Unreadable
from bigstack.io.meter import DECODED
from bigstack.io.tiff_format import INVERTED, JPEG, JPEG_2000, WEBP, page_format, segment_table

_RUN = 1 << 23


class Page:
    """A page that regions can be read from; thread-safe."""

    def __init__(self, path: str, at: int) -> None:
        import tifffile

        self.path = path
        with ByteFile(path) as file:
            tags = ifd.read_page(file, at)
            self.format = page_format(file, tags)
            self.offsets, self.counts = segment_table(file, tags, self.format)
            self._palette = self._read_palette(file, tags) if self.format.palette else None
        self._raw = self.format.stored.newbyteorder(tags.order)
        self._arguments: dict[str, Any] = {}
        self._decode: Callable[..., Any] | None = None
        if not self.format.plain:
            with tifffile.TiffFile(path, _multifile=False) as tiff:
                tiff.filehandle.seek(at)
                page = tifffile.TiffPage(tiff, 0)
                self._decode = page.decode
                if self.format.compression in JPEG:
                    self._arguments["jpegtables"] = page.jpegtables
                # The decoder keeps the page alive, and tables of large pages are tuples of many megabytes.
                page.dataoffsets = page.databytecounts = ()
                for tag in (ifd.STRIP_OFFSETS, ifd.STRIP_COUNTS, ifd.TILE_OFFSETS, ifd.TILE_COUNTS):
                    if tag in page.tags:
                        del page.tags[tag]

    def _read_palette(self, file: ByteFile, tags: ifd.Directory) -> np.ndarray:
        colours = tags.numbers(file, 320).reshape(3, -1).T
        shift = 8 if self.format.palette == 8 and (colours > 255).any() else 0
        return np.ascontiguousarray((colours >> shift).astype(self.format.dtype))

    def read(self, y: slice, x: slice, shift: int = 0) -> np.ndarray:
        """Pixels (y, x, channel) of a region of the stored page; `shift` bytes further in the file."""
        with ByteFile(self.path) as file:
            planes = self.format.samples if self.format.planar else 1
            if self.format.plain and not self.format.tiled:
                parts = [self._rows(file, plane, y, x, shift) for plane in range(planes)]
            else:
                parts = [self._pieces(file, plane, y, x, shift) for plane in range(planes)]
        return self._finish(parts[0] if planes == 1 else np.concatenate(parts, axis=2))

    def _finish(self, pixels: np.ndarray) -> np.ndarray:
        bits = self.format.bits
        if self._palette is not None:
            return self._palette[pixels[..., 0]]
        if self.format.photometric == INVERTED:
            pixels = np.asarray((1 << bits) - 1, self.format.stored) - pixels
        if bits in (1, 2, 4):
            pixels = pixels * np.uint8(255 // ((1 << bits) - 1))
        return pixels

    def _rows(self, file: ByteFile, plane: int, y: slice, x: slice, shift: int) -> np.ndarray:
        """Read from uncompressed strips; whole rows when more than half of each is wanted."""
        samples = 1 if self.format.planar else self.format.samples
        pixel = samples * self._raw.itemsize
        stride = self.format.width * pixel
        whole = 2 * (x.stop - x.start) >= self.format.width
        first, last = (0, self.format.width) if whole else (x.start, x.stop)
        out = np.empty((y.stop - y.start, last - first, samples), self._raw)
        rows = out.view(np.uint8).reshape(out.shape[0], -1)
        for row, count, offset in self._runs(plane, y, stride):
            if whole:
                file.read_into(offset + shift, rows[row : row + count].reshape(-1))
            else:
                file.read_rows(offset + shift + first * pixel, stride, rows[row : row + count])
        DECODED.add(out.nbytes)
        wanted = out[:, x] if whole else out
        return wanted if self._raw.isnative else wanted.astype(self.format.stored)

    def _runs(self, plane: int, y: slice, stride: int) -> Iterator[tuple[int, int, int]]:
        """Rows that lie one after the other in the file: first row of the region, how many, place."""
        height = self.format.piece[0]
        base = plane * -(-self.format.height // height)
        start = y.start
        offset = int(self.offsets[base + start // height]) + start % height * stride
        row, end = start, offset
        while row < y.stop:
            strip = row // height
            place = int(self.offsets[base + strip]) + row % height * stride
            if place != end:
                yield start - y.start, row - start, offset
                start, offset = row, place
            stop = min(y.stop, (strip + 1) * height)
            end = place + (stop - row) * stride
            row = stop
        yield start - y.start, row - start, offset

    def _pieces(self, file: ByteFile, plane: int, y: slice, x: slice, shift: int) -> np.ndarray:
        """Decode the strips or tiles that the region touches."""
        height, width = self.format.piece
        across = -(-self.format.width // width)
        base = plane * -(-self.format.height // height) * across
        samples = 1 if self.format.planar else self.format.samples
        columns = range(x.start // width, -(-x.stop // width))
        wanted = [
            base + row * across + column
            for row in range(y.start // height, -(-y.stop // height))
            for column in columns
        ]
        out: np.ndarray | None = None
        for index, data in self._data(file, wanted, shift):
            top, left = (index - base) // across * height, (index - base) % across * width
            piece = self._decoded(data, index)
            DECODED.add(0 if piece is None else piece.nbytes)
            if len(wanted) == 1 and piece is not None:
                return piece[y.start - top : y.stop - top, x.start - left : x.stop - left]
            if out is None:
                out = np.empty((y.stop - y.start, x.stop - x.start, samples), self.format.stored)
            _place(out, y, x, piece, top, left, (height, width))
        assert out is not None
        return out

    def _data(self, file: ByteFile, wanted: list[int], shift: int) -> Iterator[tuple[int, memoryview | None]]:
        """Encoded bytes of the pieces; neighbours in the file are read at one go. None for an empty one."""
        i = 0
        while i < len(wanted):
            first = wanted[i]
            start, end = int(self.offsets[first]), int(self.offsets[first] + self.counts[first])
            stop = i + 1
            while stop < len(wanted) and int(self.offsets[wanted[stop]]) == end and end - start < _RUN:
                end += int(self.counts[wanted[stop]])
                stop += 1
            block = memoryview(file.read(start + shift, end - start) if end > start else b"")
            for index in wanted[i:stop]:
                at, size = int(self.offsets[index]) - start, int(self.counts[index])
                yield index, block[at : at + size] if size else None
            i = stop

    def _decoded(self, data: memoryview | None, index: int) -> np.ndarray | None:
        if data is None:
            return None
        height, width = self.format.piece
        if self.format.plain:
            samples = 1 if self.format.planar else self.format.samples
            pixels = np.frombuffer(data, self._raw, count=height * width * samples)
            return pixels.reshape(height, width, samples).astype(self.format.stored, copy=False)
        encoded = bytes(data)
        self._check_encoded(encoded)
        assert self._decode is not None
        pixels, _, _ = self._decode(encoded, index, **self._arguments)
        if pixels is None:
            return None
        if pixels.dtype == bool:
            pixels = pixels.view(np.uint8)
        if pixels.dtype != self.format.stored:
            raise Unreadable(f"damaged: {pixels.dtype} pixels where {self.format.stored} belong")
        return pixels[0]

    def _check_encoded(self, data: bytes) -> None:
        """Refuse a piece that says by itself that it is larger than the page's pieces are."""
        if self.format.compression in JPEG:
            jpeg.check_scans(data)
            size = jpeg.frame_size(data)[1:3]
        elif self.format.compression in WEBP:
            size = webp.size_of(data[:32].ljust(32, b"\0"))[:2]
        elif self.format.compression in JPEG_2000:
            size = _jpeg_2000_size(data)
        else:
            return
        if size[0] > self.format.piece[0] or size[1] > self.format.piece[1]:
            raise Unreadable(f"damaged: a strip or tile of {size[1]} x {size[0]} pixels inside smaller ones")


def _jpeg_2000_size(data: bytes) -> tuple[int, int]:
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 24 > len(data):
        raise Unreadable("damaged JPEG 2000 data")
    right, bottom, left, top = (
        int.from_bytes(data[at + 8 + 4 * i : at + 12 + 4 * i], "big") for i in range(4)
    )
    return bottom - top, right - left


def _place(
    out: np.ndarray, y: slice, x: slice, piece: np.ndarray | None, top: int, left: int, size: tuple[int, int]
) -> None:
    """Copy the part of a piece that the region (y, x) wants into `out`; zeros for an empty piece."""
    y0, y1 = max(y.start, top), min(y.stop, top + size[0])
    x0, x1 = max(x.start, left), min(x.stop, left + size[1])
    to = out[y0 - y.start : y1 - y.start, x0 - x.start : x1 - x.start]
    to[...] = 0 if piece is None else piece[y0 - top : y1 - top, x0 - left : x1 - left]


@lru_cache(maxsize=128)
def _page(path: str, at: int, state: tuple[int, int]) -> Page:
    return Page(path, at)


def page_at(path: str, at: int, state: tuple[int, int]) -> Page:
    """The page whose directory lies at `at`; parsed once a process for a file in `state`."""
    try:
        return _page(path, at, state)
    except Unreadable as error:
        raise StackError(f"{path}: {error}") from error

"""The container of a TIFF file: tagged fields, directories, header; classic or BigTIFF, little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import IO

import numpy as np

from bigstack.io.writers.exif import EXIF_IFD, GPS_IFD, Entry

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
HEADER_SIZE = 16
"""Room for the longer of the two headers; which one it will be is known only when all data is there."""
CLASSIC_LIMIT = 2**32
FORMATS = {SHORT: "H", LONG: "I", LONG8: "Q"}


def numbers(tag: int, kind: int, *values: int) -> Entry:
    """Field of whole numbers."""
    return Entry(tag, kind, len(values), struct.pack(f"<{len(values)}{FORMATS[kind]}", *values))


def text(tag: int, value: str) -> Entry:
    """Field of text; what is not ASCII goes in as UTF-8, which readers expect."""
    data = value.encode() + b"\0"
    return Entry(tag, ASCII, len(data), data)


def octets(tag: int, value: bytes) -> Entry:
    """Field of single bytes, as XMP is kept."""
    return Entry(tag, BYTE, len(value), value)


def blob(tag: int, value: bytes) -> Entry:
    """Field of bytes without meaning to TIFF."""
    return Entry(tag, UNDEFINED, len(value), value)


def placed(tag: int, place: int, length: int) -> Entry:
    """Field of bytes that have been written to the file at `place`."""
    return Entry(tag, UNDEFINED, length, b"", place)


def rational(tag: int, value: float) -> Entry:
    """Field of one fraction of two 32-bit numbers, as near to `value` as they can be."""
    limit = 2**32 - 1
    largest = max(1, int(limit / max(value, 1.0)))
    fraction = Fraction(value).limit_denominator(largest)
    top, bottom = min(fraction.numerator, limit), fraction.denominator
    return Entry(tag, RATIONAL, 1, struct.pack("<II", top, bottom))


class TiffFile:
    """Writes segments of pixels as they come and the directories that find them at the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        file.write(b"\0" * HEADER_SIZE)  # not a TIFF until `close` writes the header
        self.big = False

    def append(self, data: bytes) -> int:
        """Write data at the end, on an even position as the standard wants; return that position."""
        at = self.file.tell()
        if at % 2:
            self.file.write(b"\0")
            at += 1
        self.file.write(data)
        return at

    def close(self, pages: Iterable[Page]) -> None:
        """Write the directories of all pages, then the header that points to the first."""
        pages = list(pages)
        room = sum(page.room() for page in pages)
        self.big = self.file.tell() + room >= CLASSIC_LIMIT
        following = 0
        for page in reversed(pages):  # each directory holds the place of the next one
            following = self._directory(page.entries(self), following)
        header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, following)
        if not self.big:
            header = struct.pack("<2sHI", b"II", 42, following)
        self.file.seek(0)
        self.file.write(header)
        self.file.seek(0, 2)

    def subdirectory(self, tag: int, entries: list[Entry]) -> Entry:
        """Write a directory and return the field that points to it."""
        at = self._directory(entries, 0)
        return numbers(tag, LONG8 if self.big else LONG, at)

    def _directory(self, entries: list[Entry], following: int) -> int:
        inline, place, count = (8, "Q", "Q") if self.big else (4, "I", "H")
        table = []
        for entry in sorted(entries, key=lambda e: e.tag):
            value = entry.value
            if entry.place:
                value = struct.pack("<" + place, entry.place)
            elif len(value) > inline:
                value = struct.pack("<" + place, self.append(value))
            number = struct.pack("<HH" + place, entry.tag, entry.type, entry.count)
            table.append(number + value.ljust(inline, b"\0"))
        head = struct.pack("<" + count, len(table))
        return self.append(head + b"".join(table) + struct.pack("<" + place, following))


class Page:
    """One image of the file: its fields and where its segments lie."""

    def __init__(self, fields: list[Entry], segments: int) -> None:
        self.fields = fields
        self.offsets = np.zeros(segments, np.uint64)
        self.counts = np.zeros(segments, np.uint64)
        self.exif: list[Entry] = []
        self.gps: list[Entry] = []

    def room(self) -> int:
        """Return the bytes that the directory will need at most."""
        entries = [*self.fields, *self.exif, *self.gps]
        return 17 * len(self.offsets) + sum(len(e.value) + 32 for e in entries) + 1024

    def entries(self, file: TiffFile) -> list[Entry]:
        """All fields, the sub-directories written."""
        kind, dtype = (LONG8, "<u8") if file.big else (LONG, "<u4")
        size = len(self.offsets)
        result = [
            *self.fields,
            Entry(324, kind, size, self.offsets.astype(dtype).tobytes()),
            Entry(325, kind, size, self.counts.astype(dtype).tobytes()),
        ]
        for tag, entries in ((EXIF_IFD, self.exif), (GPS_IFD, self.gps)):
            if entries:
                result.append(file.subdirectory(tag, entries))
        return result

"""TIFF directories read with every count and offset checked, before any other parser sees the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bigstack.io.exif import EXIF_IFD, GPS_IFD, Field
from bigstack.io.files import ByteFile
from bigstack.io.formats.header import Unreadable

_TYPES = {
    1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d",
    13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_SIZES = {k: struct.calcsize("=" + v) for k, v in _TYPES.items()}
_MOST_TAGS = 4096
MOST_PAGES = 1 << 20
_MOST_LEVELS = 64

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION = 256, 257, 258, 259, 262, 270
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 273, 274, 277, 278, 279
PLANAR, SOFTWARE, PREDICTOR, TILE_WIDTH, TILE_HEIGHT = 284, 305, 317, 322, 323
TILE_OFFSETS, TILE_COUNTS, SUB_IFDS, EXTRA_SAMPLES, SAMPLE_FORMAT = 324, 325, 330, 338, 339
XMP, ICC = 700, 34675


@dataclass(slots=True)
class Directory:
    """One page's fields: tag -> type, count, and where the value lies in the file."""

    offset: int
    order: Literal["<", ">"]
    fields: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    levels: list[int] = field(default_factory=list)
    """Places of reduced copies of the page."""

    def numbers(self, file: ByteFile, tag: int) -> np.ndarray:
        """All values of an integer field as int64, empty when the page has none."""
        kind, count, at = self.fields.get(tag, (4, 0, 0))
        if len(_TYPES[kind]) > 1 or _TYPES[kind] in "sfd":
            return np.zeros(0, np.int64)
        data = file.read(at, count * _SIZES[kind])
        return np.frombuffer(data, np.dtype(_TYPES[kind]).newbyteorder(self.order)).astype(np.int64)

    def number(self, file: ByteFile, tag: int, default: int) -> int:
        """First value of an integer field."""
        kind, count, at = self.fields.get(tag, (4, 0, 0))
        if not count or len(_TYPES[kind]) > 1 or _TYPES[kind] in "sfd":
            return default
        return int(struct.unpack(self.order + _TYPES[kind], file.read(at, _SIZES[kind]))[0])

    def data(self, file: ByteFile, tag: int) -> bytes:
        """Bytes of a field as they lie in the file, empty when the page has none."""
        kind, count, at = self.fields.get(tag, (7, 0, 0))
        return file.read(at, count * _SIZES[kind])

    def text(self, file: ByteFile, tag: int) -> str:
        """A text field."""
        return self.data(file, tag).rstrip(b"\0").decode("utf-8", "replace")

    def kept(self, file: ByteFile) -> dict[int, Field]:
        """Short fields as EXIF wants them, for making a block of its own."""
        return {
            tag: (tag, kind, count, self.data(file, tag))
            for tag, (kind, count, _) in self.fields.items()
            if kind <= 12 and count * _SIZES[kind] < 1 << 16
        }

    def pointers(self, file: ByteFile) -> dict[int, int]:
        """Places of the Exif and GPS directories."""
        found = {tag: self.number(file, tag, 0) for tag in (EXIF_IFD, GPS_IFD)}
        return {tag: at for tag, at in found.items() if at}


def read_directories(file: ByteFile) -> tuple[list[Directory], str]:
    """Follow the chain of pages as far as it is whole; gives them and what is wrong after the last one.

    Refuses a file whose first page is damaged, or one that runs in circles or claims more than it has.
    """
    start = file.peek(0, 16)
    if start[:2] not in (b"II", b"MM") or len(start) < 16:
        raise Unreadable("truncated inside the header")
    order: Literal["<", ">"] = "<" if start[:2] == b"II" else ">"
    (version,) = struct.unpack(order + "H", start[2:4])
    if version == 43:
        (at,) = struct.unpack(order + "Q", start[8:16])
    elif version == 42:
        (at,) = struct.unpack(order + "I", start[4:8])
    else:
        raise Unreadable(f"damaged: a TIFF of version {version}")
    pages: list[Directory] = []
    seen: set[int] = set()
    while at:
        if at in seen or len(pages) >= MOST_PAGES:
            raise Unreadable(f"damaged: the pages run in a circle after page {len(pages) - 1}")
        seen.add(at)
        try:
            page, at = read_directory(file, order, at, big=version == 43)
        except Unreadable as error:
            if not pages:
                raise
            return pages, f"{error}; only {len(pages)} pages before that are whole"
        pages.append(page)
    if not pages:
        raise Unreadable("damaged: a TIFF without pages")
    return pages, ""


def read_page(file: ByteFile, at: int) -> Directory:
    """Read the directory at `at` of a TIFF file."""
    start = file.peek(0, 4)
    page, _ = read_directory(file, "<" if start[:1] == b"I" else ">", at, big=b"+" in start[2:])
    return page


def read_directory(file: ByteFile, order: Literal["<", ">"], at: int, *, big: bool) -> tuple[Directory, int]:
    """Read one directory; gives it and the place of the next one."""
    head, entry, pointer = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    head_size, entry_size, slot = (8, 20, 8) if big else (2, 12, 4)
    data = file.peek(at, head_size)
    if len(data) < head_size:
        raise Unreadable(f"truncated: a page's directory lies at {at}, the file has {file.size} bytes")
    (count,) = struct.unpack(order + head, data)
    if not 0 < count <= _MOST_TAGS:
        raise Unreadable(f"damaged: a page of {count} tags")
    table = file.peek(at + head_size, count * entry_size + slot)
    if len(table) < count * entry_size:
        raise Unreadable(f"truncated inside the directory at {at}")
    page = Directory(at, order)
    claimed = 0
    for i in range(count):
        tag, kind, number, value = struct.unpack_from(order + entry, table, i * entry_size)
        if kind not in _SIZES:
            continue
        size = _SIZES[kind] * number
        where = at + head_size + (i + 1) * entry_size - slot
        if size > slot:
            (where,) = struct.unpack(order + pointer, value)
        if where + size > file.size:
            if tag in _NEEDED:
                raise Unreadable(f"truncated: tag {tag} lies at {where}, the file has {file.size} bytes")
            continue
        claimed += size
        page.fields.setdefault(tag, (kind, number, where))
    if claimed > file.size + _MOST_TAGS * 8:
        raise Unreadable("a decompression bomb: a page's tags claim more bytes than the file has")
    page.levels = [int(v) for v in page.numbers(file, SUB_IFDS)[:_MOST_LEVELS]]
    tail = table[count * entry_size :]
    return page, struct.unpack(order + pointer, tail)[0] if len(tail) == slot else 0


_NEEDED = (
    WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS,
    PLANAR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT,
)  # fmt: skip

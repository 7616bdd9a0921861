"""EXIF: the block a camera wrote, made true for the written image, and taken apart for TIFF."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
SWAP_SIZES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
"""Bytes that belong together when the byte order changes, for the types where it matters."""
ORIENTATION, SOFTWARE, EXIF_IFD, GPS_IFD, INTEROP_IFD = 274, 305, 34665, 34853, 40965
WIDTH, HEIGHT = 40962, 40963
MAIN_WIDTH, MAIN_HEIGHT = 256, 257
"""Sizes that some telephones repeat in the main directory."""
KEPT_IN_TIFF = (271, 272, 306, 315, 33432)
"""Main tags that still hold for the fused image: make, model, date, artist, copyright."""
NOT_IN_TIFF = (INTEROP_IFD, WIDTH, HEIGHT, 37121)
"""Details that only hold for a JPEG; 37121 is the order of its components."""
OF_STORAGE = (
    254, 255, 258, 259, 262, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330, 338, 339,
    513, 514, 700, 33723, 34377, 34675,
)  # fmt: skip
"""Main tags of a TIFF that some programs copy into the EXIF of a JPEG: how another file kept its pixels."""
MAX_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of an image file directory; `value` is little-endian whatever the file was."""

    tag: int
    type: int
    count: int
    value: bytes
    place: int = 0
    """Where in the file the value lies already; `value` is empty then."""


class _Damaged(ValueError):
    """The block contradicts itself."""


class _Block:
    """A TIFF-structured block of bytes, read with every offset checked."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise _Damaged("no TIFF header")
        self.order = "<" if data[:2] == b"II" else ">"

    def number(self, form: str, at: int) -> int:
        if not 0 <= at <= len(self.data) - struct.calcsize(form):
            raise _Damaged(f"offset {at} outside the block")
        return int(struct.unpack_from(self.order + form, self.data, at)[0])

    def first(self) -> int:
        return self.number("I", 4)

    def fields(self, ifd: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield tag, type, count and the position of the value of every field."""
        count = self.number("H", ifd)
        if count > MAX_ENTRIES:
            raise _Damaged(f"{count} fields in one directory")
        for at in range(ifd + 2, ifd + 2 + 12 * count, 12):
            tag, kind, number = self.number("H", at), self.number("H", at + 2), self.number("I", at + 4)
            size = TYPE_SIZES.get(kind, 1) * number
            where = at + 8 if size <= 4 else self.number("I", at + 8)
            if where + size > len(self.data):
                raise _Damaged(f"field {tag} reaches outside the block")
            yield tag, kind, number, where

    def pointer(self, tag: int) -> int | None:
        """Position of a directory that the main one points to."""
        for found, _, _, where in self.fields(self.first()):
            if found == tag:
                return self.number("I", where)
        return None

    def entries(self, ifd: int) -> Iterator[Entry]:
        for tag, kind, count, where in self.fields(ifd):
            if kind in TYPE_SIZES:
                value = bytes(self.data[where : where + TYPE_SIZES[kind] * count])
                yield Entry(tag, kind, count, self._little(value, kind))

    def _little(self, value: bytes, kind: int) -> bytes:
        step = SWAP_SIZES.get(kind, 1)
        if self.order == "<" or step == 1:
            return value
        return b"".join(value[i : i + step][::-1] for i in range(0, len(value), step))

    def wipe(self, ifd: int) -> None:
        """Overwrite a directory and its values with zeros."""
        for _, kind, number, where in list(self.fields(ifd)):
            size = TYPE_SIZES.get(kind, 1) * number
            self.data[where : where + size] = bytes(size)
        size = 2 + 12 * self.number("H", ifd) + 4
        self.data[ifd : ifd + size] = bytes(len(self.data[ifd : ifd + size]))

    def drop(self, ifd: int, tag: int) -> None:
        """Take the fields of `tag` out of a directory; those behind it move up, values stay in place."""
        count = self.number("H", ifd)
        start, after = ifd + 2, ifd + 2 + 12 * count
        following = bytes(self.data[after : after + 4])
        rows = [bytes(self.data[at : at + 12]) for at in range(start, after, 12)]
        kept = [row for row in rows if struct.unpack(self.order + "H", row[:2])[0] != tag]
        table = struct.pack(self.order + "H", len(kept)) + b"".join(kept) + following
        self.data[ifd : after + len(following)] = table.ljust(after + len(following) - ifd, b"\0")

    def patch(self, where: int, kind: int, value: int) -> None:
        form = {3: "H", 4: "I"}.get(kind)
        if form and value < 1 << 8 * struct.calcsize(form):
            self.number(form, where)  # a field of no values may have its place at the very end
            struct.pack_into(self.order + form, self.data, where, value)


def _block_of(exif: bytes) -> _Block:
    return _Block(exif.removeprefix(b"Exif\0\0"))


def upright(exif: bytes, shape: tuple[int, ...]) -> bytes:
    """Return the TIFF-structured block for an image of `shape` (y, x, ...) that is written upright.

    Orientation becomes 1 and the size that of the image; the thumbnail, which shows a single frame, is no
    longer pointed to. All else stays at its place, because maker notes refer to places. A damaged block is
    dropped with a warning.
    """
    if not exif:
        return b""
    try:
        block = _block_of(exif)
        main = block.first()
        for tag, kind, _, where in block.fields(main):
            if tag == ORIENTATION:
                block.patch(where, kind, 1)
            elif tag in (MAIN_WIDTH, MAIN_HEIGHT):
                block.patch(where, kind, shape[1] if tag == MAIN_WIDTH else shape[0])
        block.number("I", main + 2 + 12 * block.number("H", main))
        struct.pack_into("I", block.data, main + 2 + 12 * block.number("H", main), 0)
        details = block.pointer(EXIF_IFD)
        for tag, kind, _, where in block.fields(details) if details is not None else ():
            if tag in (WIDTH, HEIGHT):
                block.patch(where, kind, shape[1] if tag == WIDTH else shape[0])
    except _Damaged as error:
        warnings.warn(f"EXIF is damaged and not kept: {error}", stacklevel=2)
        return b""
    return bytes(block.data)


def without_place(exif: bytes) -> bytes:
    """Return the block without its GPS directory, whose bytes become zeros; all else stays at its place.

    A block in which the directory cannot be found for sure is dropped as a whole, with a warning.
    """
    if not exif:
        return b""
    try:
        block = _block_of(exif)
        main = block.first()
        found = block.pointer(GPS_IFD)
        if found is None:
            return bytes(block.data)
        if 0 < found <= len(block.data) - 2:
            block.wipe(found)
        block.drop(main, GPS_IFD)
    except _Damaged as error:
        warnings.warn(f"EXIF is damaged and not kept: {error}", stacklevel=2)
        return b""
    return bytes(block.data)


def stamped(exif: bytes, software: str) -> bytes:
    """Return the block with `software` as what made the file; a block of its own where there is none.

    The main directory is written anew at the end, its longer values stay where they are: maker notes refer
    to places.
    """
    text = software.encode("ascii", "replace") + b"\0"
    if not exif:
        exif = b"II*\0" + struct.pack("<IHI", 8, 0, 0)
    block = _block_of(exif)
    try:
        main = block.first()
        count = block.number("H", main)
        rows = [bytes(block.data[at : at + 12]) for at in range(main + 2, main + 2 + 12 * count, 12)]
        following = bytes(block.data[main + 2 + 12 * count : main + 6 + 12 * count]).ljust(4, b"\0")
    except _Damaged:
        return exif
    data = block.data + b"\0" * (len(block.data) % 2)
    left_out = (SOFTWARE, *OF_STORAGE)
    rows = [row for row in rows if struct.unpack(block.order + "H", row[:2])[0] not in left_out]
    text_at = len(data) + 2 + 12 * (len(rows) + 1) + 4
    rows.append(struct.pack(block.order + "HHII", SOFTWARE, 2, len(text), text_at))
    rows.sort(key=lambda row: struct.unpack(block.order + "H", row[:2])[0])
    struct.pack_into(block.order + "I", data, 4, len(data))
    table = struct.pack(block.order + "H", len(rows)) + b"".join(rows) + following
    return bytes(data + table + text)


def directories(exif: bytes, shape: tuple[int, ...]) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Take EXIF apart for a TIFF file: main tags that still hold, the Exif directory, the GPS directory."""
    block_bytes = upright(exif, shape)
    if not block_bytes:
        return [], [], []
    block = _Block(block_bytes)
    try:
        details, gps = block.pointer(EXIF_IFD), block.pointer(GPS_IFD)
        return (
            [e for e in block.entries(block.first()) if e.tag in KEPT_IN_TIFF],
            [e for e in block.entries(details) if e.tag not in NOT_IN_TIFF] if details is not None else [],
            list(block.entries(gps)) if gps is not None else [],
        )
    except _Damaged as error:
        warnings.warn(f"EXIF is damaged and not kept: {error}", stacklevel=2)
        return [], [], []

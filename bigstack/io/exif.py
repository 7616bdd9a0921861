"""EXIF on its way in: the orientation, and the block that goes on with the upright pixels."""

from __future__ import annotations

import struct

from bigstack.io.files import ByteFile

ORIENTATION, EXIF_IFD, GPS_IFD = 274, 34665, 34853
_KEPT = (271, 272, 306, 315, 33432)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_MOST_ENTRIES = 1000
_MOST_BYTES = 1 << 20

Field = tuple[int, int, int, bytes]
"""Tag, type, count and value of one field, in the byte order of its file."""


def _orientation_at(exif: bytes) -> tuple[str, int] | None:
    """Byte order of the block and the place of the orientation's value, None when it has none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        for at in range(first + 2, first + 2 + 12 * min(count, _MOST_ENTRIES), 12):
            tag, kind = struct.unpack_from(order + "HH", exif, at)
            if tag == ORIENTATION and kind == 3 and at + 12 <= len(exif):
                return order, at + 8
    except struct.error:
        pass
    return None


def orientation_of(exif: bytes) -> int:
    """Orientation 1 to 8 that the block gives; 1, upright, when it gives none that makes sense."""
    found = _orientation_at(exif)
    if found is None:
        return 1
    order, at = found
    (value,) = struct.unpack_from(order + "H", exif, at)
    return value if 1 <= value <= 8 else 1


def upright(exif: bytes) -> bytes:
    """Return the block with orientation 1, for pixels that have been turned."""
    found = _orientation_at(exif)
    if found is None:
        return exif
    order, at = found
    return exif[:at] + struct.pack(order + "H", 1) + exif[at + 2 :]


def exif_of_tiff(file: ByteFile, order: str, fields: dict[int, Field], pointers: dict[int, int]) -> bytes:
    """Collect make, model, date, the Exif and the GPS directory of a TIFF page into a block of its own.

    `fields` are those of the page, `pointers` the places of its Exif and GPS directories. Empty when the
    page has none of them.
    """
    main = [fields[tag] for tag in _KEPT if tag in fields]
    nested = {tag: found for tag, at in pointers.items() if (found := _fields_at(file, order, at))}
    if not nested and not any(field[0] in (271, 272) for field in main):
        return b""
    return _pack(order, main, nested)


def _fields_at(file: ByteFile, order: str, at: int) -> list[Field]:
    """Fields of a classic TIFF directory, those that lie outside the file or are huge left out."""
    head = file.peek(at, 2)
    if len(head) < 2:
        return []
    count = min(struct.unpack(order + "H", head)[0], _MOST_ENTRIES)
    table = file.peek(at + 2, 12 * count)
    found: list[Field] = []
    for i in range(len(table) // 12):
        tag, kind, number, value = struct.unpack_from(order + "HHI4s", table, 12 * i)
        size = _SIZES.get(kind, 0) * number
        if not size or size > _MOST_BYTES or tag == 40965:
            continue
        data = value[:size] if size <= 4 else file.peek(struct.unpack(order + "I", value)[0], size)
        if len(data) == size:
            found.append((tag, kind, number, data))
    return found


def _pack(order: str, main: list[Field], nested: dict[int, list[Field]]) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    pointers: list[Field] = [(tag, 4, 1, b"\0\0\0\0") for tag in nested]
    start = 8
    after = start + len(_directory(order, main + pointers, start))
    parts = []
    filled = []
    for tag, fields in nested.items():
        part = _directory(order, fields, after)
        filled.append((tag, 4, 1, struct.pack(order + "I", after)))
        parts.append(part)
        after += len(part)
    head = mark + struct.pack(order + "I", start)
    return head + _directory(order, main + filled, start) + b"".join(parts)


def _directory(order: str, fields: list[Field], at: int) -> bytes:
    """One directory with its long values behind it, as it must be at place `at`."""
    table = struct.pack(order + "H", len(fields))
    values = b""
    behind = at + 2 + 12 * len(fields) + 4
    for tag, kind, count, data in sorted(fields):
        if len(data) <= 4:
            value = data.ljust(4, b"\0")
        else:
            value = struct.pack(order + "I", behind + len(values))
            values += data + b"\0" * (len(data) % 2)
        table += struct.pack(order + "HHI", tag, kind, count) + value
    return table + b"\0\0\0\0" + values

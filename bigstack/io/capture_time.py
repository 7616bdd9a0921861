"""When frames were taken, from their EXIF."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bigstack.errors import StackError
from bigstack.io.exif import EXIF_IFD
from bigstack.io.files import ByteFile
from bigstack.io.formats import format_in, read_header
from bigstack.io.formats.header import Unreadable
from bigstack.io.tiff_open import read_head

TAKEN, FRACTION, CHANGED = 36867, 37521, 306
"""DateTimeOriginal, SubSecTimeOriginal and DateTime."""

_MOST_ENTRIES = 1000


def capture_times(paths: Sequence[Path]) -> list[float]:
    """Seconds at which each frame was taken, by its camera's clock; fractions where it noted them.

    Raises
    ------
    StackError
        Naming the frames whose files do not say.
    """
    found = [capture_time(path) for path in paths]
    silent = [path.name for path, time in zip(paths, found, strict=True) if time is None]
    if silent:
        shown = ", ".join(silent[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
        raise StackError(f"{shown}: the file does not say when it was taken (EXIF); split by count instead")
    return [time for time in found if time is not None]


def capture_time(path: Path) -> float | None:
    """Seconds at which the frame was taken; None where its file does not say."""
    try:
        with ByteFile(path) as file:
            name = format_in(file)
            if name is None:
                return None
            header = read_head(str(path), full=True).header if name == "TIFF" else read_header(file, name)
    except (Unreadable, StackError):
        return None
    return time_of(header.exif)


def time_of(exif: bytes) -> float | None:
    """Seconds of an EXIF block's capture time, counted from 1970.

    Examples
    --------
    >>> time_of(b"") is None
    True
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        main = _texts(exif, order, first)
        place = main.get(EXIF_IFD)
        nested = _texts(exif, order, place) if isinstance(place, int) else {}
    except struct.error:
        return None
    text = nested.get(TAKEN) or main.get(CHANGED)
    if not isinstance(text, str):
        return None
    try:
        when = datetime.strptime(text.strip(), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    fraction = str(nested.get(FRACTION, "")).strip()
    return when.timestamp() + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def _texts(exif: bytes, order: str, at: int) -> dict[int, str | int]:
    """Texts, and places of other directories, of one directory."""
    found: dict[int, str | int] = {}
    (count,) = struct.unpack_from(order + "H", exif, at)
    for place in range(at + 2, at + 2 + 12 * min(count, _MOST_ENTRIES), 12):
        tag, kind, size, value = struct.unpack_from(order + "HHII", exif, place)
        if kind == 2:
            start = place + 8 if size <= 4 else value
            found[tag] = exif[start : start + size].split(b"\0")[0].decode("ascii", "replace")
        elif kind == 4 and size == 1:
            found[tag] = value
    return found

"""Photoshop's layers as bytes: what TIFF tags 37724 (layers) and 34377 (resources) hold, little-endian.

Adobe Photoshop File Formats Specification (2019), "Layer and Mask Information", and Adobe Photoshop TIFF
Technical Notes (2002).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

LAYERS, RESOURCES = 37724, 34377
HEAD = b"Adobe Photoshop Document Data Block\0"
KEYS = {"uint8": b"Layr", "uint16": b"Lr16"}
ZIP = 3
"""Compression: zlib of rows of differences to the left neighbour, big-endian even where all else is not."""
ALPHA = -1
_SIGNATURE = b"8BIM"[::-1]
_RESOLUTION, _THUMBNAIL = 1005, 1036


def block_head(dtype: str) -> bytes:
    """What comes before the layers; its last 4 bytes are the length to fill in."""
    return HEAD + _SIGNATURE + KEYS[dtype][::-1] + bytes(4)


def record(
    name: str, shape: tuple[int, int], lengths: Sequence[tuple[int, int]], *, visible: bool = True
) -> bytes:
    """Describe one layer of `shape` (y, x); `lengths` are number and bytes of its channels' data.

    Examples
    --------
    >>> len(record("a", (2, 3), [(0, 8)]))
    72
    """
    height, width = shape
    parts = [struct.pack("<4iH", 0, 0, height, width, len(lengths))]
    parts += [struct.pack("<hI", number, length) for number, length in lengths]
    parts.append(_SIGNATURE + b"norm"[::-1])
    parts.append(struct.pack("<4B", 255, 0, 8 if visible else 10, 0))
    extra = bytes(8) + _pascal(name) + _unicode(name)  # no mask, no blending ranges
    return b"".join(parts) + struct.pack("<I", len(extra)) + extra


def user_mask() -> bytes:
    """The empty mask that Photoshop expects after the layers."""
    data = struct.pack("<h4HHBx", -1, 0, 0, 0, 0, 0, 128)
    return _SIGNATURE + b"LMsk"[::-1] + struct.pack("<I", len(data)) + data


def resources(jpeg: bytes, shape: tuple[int, int]) -> bytes:
    """Image resources with a thumbnail, a JPEG of `shape` (y, x); these are big-endian in any TIFF."""
    height, width = shape
    row = (width * 24 + 31) // 32 * 4
    head = struct.pack(">IIIIIIHH", 1, width, height, row, row * height, len(jpeg), 24, 1)
    inch = struct.pack(">IHHIHH", 72 << 16, 1, 1, 72 << 16, 1, 1)
    return _resource(_RESOLUTION, inch) + _resource(_THUMBNAIL, head + jpeg)


def _resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)


def _pascal(name: str) -> bytes:
    """The name for programs that know no Unicode, padded to a multiple of 4 with its length."""
    text = name.encode("ascii", "replace")[:255]
    data = bytes((len(text),)) + text
    return data.ljust(-(-len(data) // 4) * 4, b"\0")


def _unicode(name: str) -> bytes:
    text = name.encode("utf-16-le")
    data = struct.pack("<I", len(text) // 2) + text
    data += bytes(-len(data) % 4)
    return _SIGNATURE + b"luni"[::-1] + struct.pack("<I", len(data)) + data

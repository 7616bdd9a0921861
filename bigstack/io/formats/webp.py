"""WebP: header from the RIFF chunks, pixels by libwebp."""

from __future__ import annotations

import numpy as np

from bigstack.io.exif import orientation_of
from bigstack.io.files import ByteFile
from bigstack.io.formats.header import FrameHeader, Unreadable

NAME = "WebP"
_ALPHA, _ANIMATION = 0x10, 0x02
_MOST_METADATA = 1 << 24


def is_webp(start: bytes) -> bool:
    """True when the first bytes are those of a WebP."""
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def size_of(start: bytes) -> tuple[int, int, bool]:
    """Height, width and whether there is alpha, by the first 32 bytes; `Unreadable` says what is wrong."""
    kind = start[12:16]
    if kind == b"VP8X":
        if start[20] & _ANIMATION:
            raise Unreadable("an animated WebP; save its images as separate files")
        width = 1 + int.from_bytes(start[24:27], "little")
        height = 1 + int.from_bytes(start[27:30], "little")
        return height, width, bool(start[20] & _ALPHA)
    if kind == b"VP8L":
        bits = int.from_bytes(start[21:25], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF), bool(bits >> 28 & 1)
    if kind == b"VP8 ":
        width = int.from_bytes(start[26:28], "little") & 0x3FFF
        return int.from_bytes(start[28:30], "little") & 0x3FFF, width, False
    raise Unreadable(f"damaged: a WebP that starts with {kind!r}")


def read_header(file: ByteFile) -> FrameHeader:
    """Read size, alpha, orientation, ICC profile, EXIF and XMP; `Unreadable` says what is wrong."""
    start = file.peek(0, 32)
    if len(start) < 32 or int.from_bytes(start[4:8], "little") + 8 > file.size:
        raise Unreadable("truncated: shorter than its header says")
    height, width, alpha = size_of(start)
    if not width or not height:
        raise Unreadable(f"damaged: a WebP of {width} x {height} pixels")
    found = _metadata(file) if start[12:16] == b"VP8X" else {}
    exif = found.get(b"EXIF", b"").removeprefix(b"Exif\0\0")
    return FrameHeader(
        NAME, height, width, 4 if alpha else 3, "uint8", alpha=alpha, orientation=orientation_of(exif),
        icc_profile=found.get(b"ICCP", b""), exif=exif, xmp=found.get(b"XMP ", b""),
    )  # fmt: skip


def _metadata(file: ByteFile) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= file.size:
        head = file.read(at, 8)
        size = int.from_bytes(head[4:], "little")
        if head[:4] in (b"ICCP", b"EXIF", b"XMP ") and size <= _MOST_METADATA:
            found[head[:4]] = file.peek(at + 8, size)
        at += 8 + size + size % 2
    return found


def decode(data: bytes, header: FrameHeader) -> np.ndarray:
    """Decode to uint8 pixels (y, x, channel)."""
    import imagecodecs

    pixels = imagecodecs.webp_decode(data, hasalpha=header.alpha)
    return pixels.reshape(header.height, header.width, header.channels)

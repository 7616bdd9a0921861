"""PNG: header from the chunks before the pixels, pixels by libpng."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from bigstack.io.exif import orientation_of
from bigstack.io.files import ByteFile
from bigstack.io.formats.header import FrameHeader, Unreadable

NAME = "PNG"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_MOST_METADATA = 1 << 24
_MOST_CHUNKS = 1 << 20


def is_png(start: bytes) -> bool:
    """True when the first bytes are those of a PNG."""
    return start[:8] == _SIGNATURE


def read_header(file: ByteFile) -> FrameHeader:
    """Read size, depth, channels, orientation, ICC profile, EXIF and XMP; `Unreadable` says what is wrong."""
    first = file.peek(8, 25)
    if len(first) < 25 or first[4:8] != b"IHDR":
        raise Unreadable("truncated inside the header")
    if zlib.crc32(first[4:21]) != int.from_bytes(first[21:], "big"):
        raise Unreadable("damaged: the header's checksum is wrong")
    width, height, depth, colour = struct.unpack(">IIBB", first[8:18])
    if depth not in _DEPTHS.get(colour, ()) or not height or not width:
        raise Unreadable(f"damaged: a PNG of {width} x {height} pixels, {depth} bits, colour type {colour}")
    found = _metadata(file)
    transparent = "tRNS" in found and colour in (0, 2, 3)
    channels = _CHANNELS[colour] + transparent
    row = (width * (1 if colour == 3 else _CHANNELS[colour]) * depth + 7) // 8
    # Deflate cannot make data more than 1032 times smaller.
    if file.size * 1032 < height * row:
        raise Unreadable(f"truncated, or a decompression bomb: {file.size} bytes for {height * width} pixels")
    if file.peek(file.size - 12, 12) != _END:
        _find_end(file)
    exif = found.get("eXIf", b"")
    return FrameHeader(
        NAME, height, width, channels, "uint16" if depth == 16 else "uint8",
        alpha=transparent or colour in (4, 6), orientation=orientation_of(exif),
        icc_profile=_profile(found.get("iCCP", b"")), exif=exif, xmp=_xmp(found.get("iTXt", b"")),
    )  # fmt: skip


def _metadata(file: ByteFile) -> dict[str, bytes]:
    """Chunks before the first pixels that say something about the image."""
    found: dict[str, bytes] = {}
    at = 8
    for _ in range(_MOST_CHUNKS):
        head = file.peek(at, 8)
        if len(head) < 8:
            raise Unreadable("truncated inside the header")
        size, kind = int.from_bytes(head[:4], "big"), head[4:].decode("latin-1")
        if kind == "IDAT":
            return found
        if kind in ("tRNS", "iCCP", "eXIf") or (kind == "iTXt" and "iTXt" not in found):
            if size > _MOST_METADATA or at + 12 + size > file.size:
                raise Unreadable(f"damaged: a {kind} chunk of {size} bytes")
            data = file.read(at + 8, size)
            if kind != "iTXt" or data.startswith(b"XML:com.adobe.xmp\0"):
                found[kind] = data
        at += 12 + size
    raise Unreadable("damaged: a PNG without pixels")


def _find_end(file: ByteFile) -> None:
    at = 8
    for _ in range(_MOST_CHUNKS):
        head = file.peek(at, 8)
        if head[4:] == b"IEND":
            return
        if len(head) < 8:
            break
        at += 12 + int.from_bytes(head[:4], "big")
    raise Unreadable("truncated: the end of the image is missing")


def _profile(chunk: bytes) -> bytes:
    name, _, rest = chunk.partition(b"\0")
    if not name or not rest:
        return b""
    try:
        # A profile may be compressed a thousandfold: no more of it than a profile can be.
        return zlib.decompressobj().decompress(rest[1:], _MOST_METADATA)
    except zlib.error:
        return b""


def _xmp(chunk: bytes) -> bytes:
    fields = chunk.split(b"\0", 5)
    plain = len(fields) == 6 and not fields[1]
    return fields[5] if plain and not fields[2] else b""


def decode(data: bytes, header: FrameHeader) -> np.ndarray:
    """Decode to uint8 or uint16 pixels (y, x, channel); palettes and 1, 2, 4 bits are expanded."""
    import imagecodecs

    pixels = imagecodecs.png_decode(data)
    return pixels.reshape(header.height, header.width, header.channels)

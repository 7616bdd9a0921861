"""BMP: header of its fields, pixels by imagecodecs."""

from __future__ import annotations

import struct

import numpy as np

from bigstack.io.files import ByteFile
from bigstack.io.formats.header import FrameHeader, Unreadable

NAME = "BMP"
_PLAIN, _FIELDS = 0, 3


def is_bmp(start: bytes) -> bool:
    """True when the first bytes are those of a BMP."""
    return start[:2] == b"BM" and start[6:10] == b"\0\0\0\0"


def read_header(file: ByteFile) -> FrameHeader:
    """Read size and channels; `Unreadable` says what is wrong."""
    start = file.peek(0, 70)
    if len(start) < 54:
        raise Unreadable("truncated inside the header")
    offset, size, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", start, 10)
    if size < 40 or compression not in (_PLAIN, _FIELDS) or bits not in (1, 4, 8, 16, 24, 32):
        raise Unreadable(
            f"a BMP of {bits} bits with compression {compression}, which is not read; save it as PNG"
        )
    height = abs(height)
    if width < 1 or height < 1:
        raise Unreadable(f"damaged: a BMP of {width} x {height} pixels")
    if offset + (width * bits + 31) // 32 * 4 * height > file.size:
        raise Unreadable(f"truncated: {file.size} bytes do not hold {width} x {height} pixels")
    alpha = bits == 32 and compression == _FIELDS and size >= 56 and start[66:70] != b"\0\0\0\0"
    if bits <= 8:
        channels = 1 if _grey_palette(file, 14 + size, offset, bits) else 3
    else:
        channels = 4 if alpha else 3
    return FrameHeader(NAME, height, width, channels, "uint8", alpha=alpha)


def _grey_palette(file: ByteFile, at: int, end: int, bits: int) -> bool:
    count = min((end - at) // 4, 1 << bits)
    palette = np.frombuffer(file.peek(at, 4 * max(0, count)), np.uint8).reshape(-1, 4)
    return bool((palette[:, 0] == palette[:, 1]).all() and (palette[:, 1] == palette[:, 2]).all())


def decode(data: bytes, header: FrameHeader) -> np.ndarray:
    """Decode to uint8 pixels (y, x, channel)."""
    import imagecodecs

    pixels = imagecodecs.bmp_decode(data)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] == 1 and header.channels == 3:
        pixels = pixels.repeat(3, axis=2)
    elif pixels.shape[2] == 3 and header.channels == 1:
        pixels = np.ascontiguousarray(pixels[..., :1])
    return pixels.reshape(header.height, header.width, header.channels)

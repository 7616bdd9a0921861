"""JPEG: header by walking the markers, pixels by libjpeg-turbo."""

from __future__ import annotations

import struct

import numpy as np

from bigstack.io.exif import orientation_of
from bigstack.io.files import ByteFile
from bigstack.io.formats.header import FrameHeader, Unreadable

NAME = "JPEG"
_DECODED = (0xC0, 0xC1, 0xC2)
_FRAMES = tuple(m for m in range(0xC0, 0xD0) if m not in (0xC4, 0xC8, 0xCC))
_ALONE = (0x01, *range(0xD0, 0xD9))
_MOST_SEGMENTS = 10_000
_USUAL_SCANS = 20
_MOST_SCANNED = 1 << 31


def is_jpeg(start: bytes) -> bool:
    """True when the first bytes are those of a JPEG."""
    return start[:3] == b"\xff\xd8\xff"


def read_header(file: ByteFile) -> FrameHeader:
    """Read size, channels, orientation, ICC profile, EXIF and XMP; `Unreadable` says what is wrong."""
    found: dict[str, bytes] = {}
    icc: dict[int, bytes] = {}
    frame, scan = _walk(file, found, icc)
    kind, precision, height, width, channels = frame
    if kind not in _DECODED or precision != 8:
        raise Unreadable(
            f"a {precision}-bit JPEG of type {kind - 0xC0}, which is not read; save it as TIFF or PNG"
        )
    if channels not in (1, 3):
        raise Unreadable(f"a JPEG of {channels} channels (CMYK); convert it to RGB")
    if not height or not width:
        raise Unreadable(f"a JPEG of {width} x {height} pixels")
    _check_complete(file, scan, height * width)
    exif = found.get("exif", b"")
    return FrameHeader(
        NAME, height, width, channels, "uint8",
        orientation=orientation_of(exif), icc_profile=b"".join(icc[i] for i in sorted(icc)),
        exif=exif, xmp=found.get("xmp", b""),
    )  # fmt: skip


def frame_size(data: bytes) -> tuple[int, int, int, int]:
    """Marker, height, width and channels of the first frame in `data`, which may be a strip inside TIFF."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise Unreadable("damaged JPEG data")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES and at + 10 <= len(data):
            height, width, channels = struct.unpack_from(">HHB", data, at + 5)
            return data[at + 1], height, width, channels
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise Unreadable("JPEG data without a frame header")


def check_scans(data: bytes) -> None:
    """Refuse a progressive JPEG of so many scans that decoding would take minutes."""
    marker, height, width, _ = frame_size(data)
    if marker != 0xC2:
        return
    scans = data.count(b"\xff\xda")
    if scans > _USUAL_SCANS and scans * height * width > _MOST_SCANNED:
        raise Unreadable(f"a decompression bomb: {scans} scans of {height * width} pixels")


def _walk(
    file: ByteFile, found: dict[str, bytes], icc: dict[int, bytes]
) -> tuple[tuple[int, int, int, int, int], int]:
    """Go from marker to marker up to the first scan; give the frame's numbers and where the scan starts."""
    frame: tuple[int, int, int, int, int] | None = None
    start = file.peek(0, 1 << 14)

    def take(offset: int, size: int) -> bytes:
        if offset + size <= len(start):
            return start[offset : offset + size]
        data = file.peek(offset, size)
        if len(data) < size:
            raise Unreadable("truncated inside the header")
        return data

    at = 2
    for _ in range(_MOST_SEGMENTS):
        mark, marker = take(at, 2)
        if mark != 0xFF:
            raise Unreadable(f"damaged: no marker where one must be, at byte {at}")
        if marker == 0xFF:
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        if marker == 0xD9:
            break
        size = int.from_bytes(take(at + 2, 2), "big")
        if size < 2:
            raise Unreadable(f"damaged: a segment of {size} bytes at byte {at}")
        if marker == 0xDA:
            if frame is None:
                break
            return frame, at
        if marker in _FRAMES:
            frame = (marker, *struct.unpack(">BHHB", take(at + 4, 6)))
        elif marker in (0xE1, 0xE2):
            _metadata(marker, take(at + 4, size - 2), found, icc)
        at += 2 + size
    raise Unreadable("damaged: a JPEG without an image in it")


def _metadata(marker: int, data: bytes, found: dict[str, bytes], icc: dict[int, bytes]) -> None:
    if marker == 0xE1 and data.startswith(b"Exif\0\0"):
        found.setdefault("exif", data[6:])
    elif marker == 0xE1 and data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        found.setdefault("xmp", data[29:])
    elif marker == 0xE2 and data.startswith(b"ICC_PROFILE\0") and len(data) > 14:
        icc.setdefault(data[12], data[14:])


def _check_complete(file: ByteFile, scan: int, pixels: int) -> None:
    """Refuse a file without end marker: decoders fill what is missing with grey and say nothing."""
    if (file.size - scan) * 512 < pixels:  # every 8 x 8 block takes at least one bit
        raise Unreadable(f"truncated, or a decompression bomb: {file.size} bytes for {pixels} pixels")
    if file.peek(file.size - 2, 2) == b"\xff\xd9":
        return
    tail = max(scan, file.size - (1 << 16))
    # Phones append data after the image, so the marker may lie anywhere behind the scan's start.
    if b"\xff\xd9" not in file.read(tail, file.size - tail) and b"\xff\xd9" not in file.read(
        scan, file.size - scan
    ):
        raise Unreadable("truncated: the end-of-image marker is missing")


def decode(data: bytes, header: FrameHeader) -> np.ndarray:
    """Decode to uint8 pixels (y, x, channel)."""
    import imagecodecs

    check_scans(data)
    pixels = imagecodecs.jpeg8_decode(data)
    return pixels.reshape(header.height, header.width, header.channels)

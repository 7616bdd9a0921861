"""Formats of single frames: recognised by content, never by name."""

from __future__ import annotations

from types import ModuleType

from bigstack.io.files import ByteFile
from bigstack.io.formats import bmp, jpeg, png, raw, webp
from bigstack.io.formats.header import FrameHeader, Unreadable

__all__ = ["FrameHeader", "Unreadable", "format_in", "format_of", "whole_frame_format"]

_WHOLE: dict[str, ModuleType] = {module.NAME: module for module in (jpeg, png, webp, bmp, raw)}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHERS = {
    b"GIF8": "GIF", b"\0\0\0\x0cjP": "JPEG 2000", b"\xffO\xffQ": "JPEG 2000",
    b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL": "JPEG XL", b"%PDF": "PDF", b"PK\x03\x04": "ZIP",
    b"8BPS": "Photoshop", b"\x93NUMPY": "NumPy array", b"\x89HDF": "HDF5", b"v/1\x01": "OpenEXR",
}  # fmt: skip


def format_of(start: bytes) -> str | None:
    """Name the format by the first 32 bytes of a file; None when it is no image.

    Examples
    --------
    >>> format_of(b"BM" + bytes(30))
    'BMP'
    """
    if jpeg.is_jpeg(start):
        return jpeg.NAME
    if png.is_png(start):
        return png.NAME
    if webp.is_webp(start):
        return webp.NAME
    if raw.is_raw(start):
        return raw.NAME
    if start[:4] in _TIFF:
        return "TIFF"
    if bmp.is_bmp(start):
        return bmp.NAME
    return None


def format_in(file: ByteFile) -> str | None:
    """Name the format of a file: as `format_of`, but a TIFF that holds a sensor's values is RAW."""
    name = format_of(file.peek(0, 32))
    return raw.NAME if name == "TIFF" and raw.is_raw_tiff(file) else name


def other_format(start: bytes) -> str | None:
    """Name a format that is known but not read."""
    if start[4:8] == b"ftyp":
        return "HEIF or AVIF"
    return next((name for magic, name in _OTHERS.items() if start.startswith(magic)), None)


def whole_frame_format(name: str) -> ModuleType:
    """The module that reads headers and decodes frames of the format."""
    return _WHOLE[name]


def read_header(file: ByteFile, name: str) -> FrameHeader:
    """Header of a frame of format `name`; `Unreadable` says what is wrong with it."""
    found: FrameHeader = _WHOLE[name].read_header(file)
    return found

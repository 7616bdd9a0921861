"""How the pixels of a TIFF page are stored, by its tags alone, and whether all of them are there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.io import ifd
from bigstack.io.exif import exif_of_tiff
from bigstack.io.files import ByteFile
from bigstack.io.formats.header import FrameHeader, Unreadable

COMPRESSIONS = {
    1: "none", 5: "LZW", 7: "JPEG", 8: "Deflate", 32946: "Deflate", 32773: "PackBits", 34925: "LZMA",
    50000: "Zstd", 50001: "WebP", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000",
}  # fmt: skip
JPEG, WEBP, JPEG_2000 = (7,), (50001,), (33003, 33005, 34712)
INVERTED, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_PHOTOMETRIC = (0, 1, 2, 3, 6)
_NAMES = {4: "a transparency mask", 5: "CMYK", 8: "CIE L*a*b*", 32803: "a camera's raw mosaic"}


@dataclass(frozen=True, slots=True)
class PageFormat:
    """How a page's pixels are stored, by its tags alone."""

    height: int
    width: int
    samples: int
    bits: int
    kind: str
    """u, i or f."""
    photometric: int
    compression: int
    predictor: int
    planar: bool
    piece: tuple[int, int]
    """Height and width of a strip or tile."""
    tiled: bool
    alpha: bool
    orientation: int
    palette: int = 0
    """Bits of the palette's colours; 0 without one."""
    fill_order: int = 1

    @property
    def stored(self) -> np.dtype:
        """Dtype of the samples as decoded."""
        size = next(size for size in (8, 16, 32, 64) if self.bits <= size)
        return np.dtype(f"{self.kind}{size // 8}")

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the pixels that are given out."""
        return np.dtype(f"u{self.palette // 8}") if self.palette else self.stored

    @property
    def channels(self) -> int:
        """Channels that are given out, alpha included."""
        return 3 if self.palette else self.samples

    @property
    def plain(self) -> bool:
        """True when pixels lie in the file as they are and any part of a row can be read."""
        whole_bytes = self.bits in (8, 16, 32, 64) and self.fill_order == 1
        return self.compression == 1 and self.predictor == 1 and whole_bytes

    @property
    def chunks(self) -> tuple[int, int]:
        """Height and width of the pieces that are read."""
        if self.plain and not self.tiled:
            return 1, 1
        return min(self.piece[0], self.height), min(self.piece[1], self.width)

    @property
    def pieces(self) -> int:
        """Number of strips or tiles."""
        across = math.ceil(self.height / self.piece[0]) * math.ceil(self.width / self.piece[1])
        return across * (self.samples if self.planar else 1)


def page_format(file: ByteFile, page: ifd.Directory) -> PageFormat:
    """Read the geometry of a page; `Unreadable` says what cannot be read about it."""
    height, width = page.number(file, ifd.HEIGHT, 0), page.number(file, ifd.WIDTH, 0)
    samples = page.number(file, ifd.SAMPLES, 1)
    bits = set(page.numbers(file, ifd.BITS)[:samples].tolist()) or {1}
    formats = set(page.numbers(file, ifd.SAMPLE_FORMAT)[:samples].tolist()) or {1}
    kind = {1: "u", 2: "i", 3: "f", 4: "u"}.get(next(iter(formats)), "") if len(formats) == 1 else ""
    photometric = page.number(file, ifd.PHOTOMETRIC, 1)
    if min(height, width, samples) < 1 or samples > 1 << 12:
        raise Unreadable(f"damaged: a TIFF page of {width} x {height} pixels, {samples} samples")
    if (
        len(bits) > 1
        or not kind
        or not 1 <= min(bits) <= 64
        or (kind == "f" and min(bits) not in (16, 32, 64))
    ):
        raise Unreadable(
            f"a TIFF of {sorted(bits)} bits in sample format {sorted(formats)}; save it as uint16"
        )
    if page.number(file, 32997, 1) > 1:
        raise Unreadable("a TIFF with several planes in one page (ImageDepth); save its planes as pages")
    compression = page.number(file, ifd.COMPRESSION, 1)
    if compression not in COMPRESSIONS:
        names = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
        raise Unreadable(f"a TIFF with compression {compression}; read are {names}")
    if photometric not in _PHOTOMETRIC or (photometric == _YCBCR and compression not in JPEG):
        what = _NAMES.get(photometric, f"photometric interpretation {photometric}")
        raise Unreadable(f"a TIFF holding {what}; convert it to grey or RGB")
    if photometric == INVERTED and kind != "u":
        raise Unreadable("a TIFF of signed or float samples where 0 is white; save it with 0 as black")
    extra = page.numbers(file, ifd.EXTRA_SAMPLES)[-1:].tolist()
    tiled = ifd.TILE_WIDTH in page.fields
    orientation = page.number(file, ifd.ORIENTATION, 1)
    found = PageFormat(
        height, width, samples, min(bits), kind, photometric, compression,
        page.number(file, ifd.PREDICTOR, 1), samples > 1 and page.number(file, ifd.PLANAR, 1) == 2,
        _piece(file, page, height, width, tiled=tiled), tiled,
        alpha=extra in ([1], [2]) and samples in (2, 4) and photometric in (1, _RGB),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        palette=_palette_bits(file, page, min(bits)) if photometric == _PALETTE else 0,
        fill_order=page.number(file, 266, 1),
    )  # fmt: skip
    _check_piece(found, page)
    return found


def _check_piece(found: PageFormat, page: ifd.Directory) -> None:
    if found.compression in JPEG + WEBP + JPEG_2000 and (found.bits > 16 or found.kind != "u"):
        raise Unreadable(f"a TIFF of {found.bits} bits compressed as {COMPRESSIONS[found.compression]}")
    for tag in (ifd.TILE_OFFSETS, ifd.TILE_COUNTS) if found.tiled else (ifd.STRIP_OFFSETS, ifd.STRIP_COUNTS):
        count = page.fields.get(tag, (0, 0, 0))[1]
        if count != found.pieces and not (tag == ifd.STRIP_COUNTS and not count and found.plain):
            raise Unreadable(f"damaged: a TIFF page of {found.pieces} strips or tiles that lists {count}")


def _piece(file: ByteFile, page: ifd.Directory, height: int, width: int, *, tiled: bool) -> tuple[int, int]:
    if tiled:
        size = page.number(file, ifd.TILE_HEIGHT, 0), page.number(file, ifd.TILE_WIDTH, 0)
        if min(size) < 1:
            raise Unreadable(f"damaged: a TIFF with tiles of {size[1]} x {size[0]} pixels")
        return size
    rows = page.number(file, ifd.ROWS_PER_STRIP, height)
    return (min(rows, height) if rows > 0 else height), width


def _palette_bits(file: ByteFile, page: ifd.Directory, bits: int) -> int:
    colours = page.numbers(file, 320)
    if bits > 16 or colours.size != 3 << bits:
        raise Unreadable("damaged: a TIFF with a palette of the wrong length")
    low, high = colours & 255, colours >> 8
    return 8 if (low == high).all() or not low.any() or not high.any() else 16


def page_header(file: ByteFile, page: ifd.Directory, found: PageFormat, *, full: bool) -> FrameHeader:
    """Header of a page in the terms of all formats; profile, EXIF and XMP only when `full`."""
    more: dict[str, Any] = {}
    if full:
        exif = exif_of_tiff(file, page.order, page.kept(file), page.pointers(file))
        more = {"icc_profile": page.data(file, ifd.ICC), "exif": exif, "xmp": page.data(file, ifd.XMP)}
    return FrameHeader(
        "TIFF", found.height, found.width, found.channels, found.dtype.name,
        alpha=found.alpha, orientation=found.orientation, **more,
    )  # fmt: skip


def check_complete(file: ByteFile, page: ifd.Directory, found: PageFormat, shift: int = 0) -> None:
    """Refuse a page whose strips or tiles lie behind the end of the file."""
    offsets, counts = segment_table(file, page, found)
    if offsets.size != found.pieces or counts.size != found.pieces:
        raise Unreadable("damaged: the places of strips or tiles are not whole numbers")
    behind = np.flatnonzero(offsets + counts + shift > file.size)
    if behind.size or (offsets < 0).any() or (counts < 0).any():
        raise Unreadable(
            f"truncated: {behind.size} of {offsets.size} strips or tiles lie behind the end, "
            f"at byte {file.size}"
        )
    if found.plain and int(counts.sum()) < _plain_bytes(found):
        raise Unreadable(f"truncated: {int(counts.sum())} bytes of pixels where {_plain_bytes(found)} belong")


def _plain_bytes(found: PageFormat) -> int:
    return found.height * found.width * found.samples * found.bits // 8


def segment_table(file: ByteFile, page: ifd.Directory, found: PageFormat) -> tuple[np.ndarray, np.ndarray]:
    """Places and sizes of the strips or tiles in the file."""
    if found.tiled:
        return page.numbers(file, ifd.TILE_OFFSETS), page.numbers(file, ifd.TILE_COUNTS)
    offsets, counts = page.numbers(file, ifd.STRIP_OFFSETS), page.numbers(file, ifd.STRIP_COUNTS)
    if not counts.size:  # allowed of old for one that is not compressed
        counts = np.full(offsets.size, _plain_bytes(found) // offsets.size)
    return offsets, counts

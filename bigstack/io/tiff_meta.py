"""Pixel size and channels of a TIFF that is no OME-TIFF: ImageJ's description and the resolution tags."""

from __future__ import annotations

import struct

from bigstack.geometry import PixelSize
from bigstack.io import ifd
from bigstack.io.files import ByteFile
from bigstack.io.units import in_micrometers
from bigstack.io.value_unit import unit_in

_CENTIMETER = 3
_RESOLUTIONS = (283, 282)
_LARGEST = 50.0


def imagej_fields(description: str) -> dict[str, str]:
    r"""Fields of ImageJ's description, empty when it is not ImageJ's.

    Examples
    --------
    >>> imagej_fields("ImageJ=1.53c\nslices=3\nunit=micron")["slices"]
    '3'
    """
    if not description.startswith("ImageJ="):
        return {}
    lines = (line.partition("=") for line in description.splitlines()[:10_000])
    return {key.strip(): value.strip() for key, mark, value in lines if mark}


def tiff_pixel_size(file: ByteFile, page: ifd.Directory, description: str) -> PixelSize | None:
    """Physical size of a pixel, None when the file does not really know it.

    ImageJ's unit is believed, and resolutions per centimetre that mean at most 50 um a pixel: cameras and
    scanners write dots per inch of paper, which say nothing about the specimen. Those of maps that bigstack
    wrote are believed whatever they are.
    """
    fields = imagej_fields(description)
    y, x = (_rational(file, page, tag) for tag in _RESOLUTIONS)
    if not y or not x:
        return None
    if not fields:
        doubtful = unit_in(description) is None and max(1e4 / y, 1e4 / x) > _LARGEST
        unknown = page.number(file, 296, 2) != _CENTIMETER or doubtful
        return None if unknown else PixelSize(None, 1e4 / y, 1e4 / x)
    unit = fields.get("unit", "").replace("\\u00B5", "µ")
    height, width = in_micrometers(1 / y, unit), in_micrometers(1 / x, unit)
    if height is None or width is None:
        return None
    return PixelSize(in_micrometers(_float(fields.get("spacing")), unit), height, width)


def _rational(file: ByteFile, page: ifd.Directory, tag: int) -> float:
    kind, count, at = page.fields.get(tag, (0, 0, 0))
    if kind != 5 or not count:
        return 0.0
    top, bottom = struct.unpack(page.order + "II", file.read(at, 8))
    return top / bottom if bottom else 0.0


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")

"""OME-XML: sizes, channel names, physical sizes and plane positions; never entities or other files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from bigstack.errors import StackError
from bigstack.geometry import PixelSize
from bigstack.io.ome_facts import facts_of
from bigstack.io.units import in_micrometers

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MOST_BYTES = 1 << 27
_MOST_PLANES = 1 << 20
_COUNTS = ("IFD", "PlaneCount", "NumPlanes", "FirstZ", "FirstC", "FirstT", "SizeZ", "SizeC", "SizeT",
           "SizeX", "SizeY", "SamplesPerPixel", "TheZ", "TheC", "TheT")  # fmt: skip


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image of an OME-TIFF."""

    name: str
    channels: tuple[str, ...]
    pixel_size: PixelSize | None
    z: tuple[float, ...] | None
    """Micrometres from the first frame, None when the planes say nothing or are evenly spaced."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else the microscope said: see `bigstack.io.ome_facts`."""


def read_ome(text: str, path: str) -> list[OmeImage]:
    """Read the images that the XML of a TIFF file describes.

    Raises
    ------
    StackError
        For XML that declares entities, is damaged, counts planes beyond reason or names files elsewhere.
    """
    root = _parse(text, path)
    _check(root, path)
    return [_image(element, facts_of(root, element)) for element in _children(root, "Image")]


def _parse(text: str, path: str) -> Element:
    if len(text) > _MOST_BYTES:
        raise StackError(f"{path}: its OME-XML has {len(text)} characters, more than {_MOST_BYTES}")
    # Entities can expand without end, and OME-XML never has any: nothing that declares them is parsed.
    if re.search(r"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", text, re.IGNORECASE):
        raise StackError(f"{path}: its OME-XML declares a document type or entities, which is refused")
    from xml.etree import ElementTree

    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise StackError(f"{path}: its OME-XML is damaged: {error}") from error


def _check(root: Element, path: str) -> None:
    """Refuse counts that would size arrays beyond reason, and names of files outside the folder."""
    for element in root.iter():
        for key in _COUNTS:
            value = element.get(key)
            if value is not None and not (
                value.strip().isdecimal() and len(value) < 20 and int(value) <= 1 << 31
            ):
                raise StackError(f"{path}: its OME-XML says {key}={value!r}")
        planes = _number(element, "SizeZ") * _number(element, "SizeC") * _number(element, "SizeT")
        counts = [
            _number(element, key) for key in ("PlaneCount", "NumPlanes", "IFD", "FirstZ", "FirstC", "FirstT")
        ]
        if max(planes, *counts) > _MOST_PLANES:
            raise StackError(f"{path}: its OME-XML speaks of {max(planes, *counts)} planes")
        name = element.get("FileName") or ""
        if len(PurePosixPath(name).parts) > 1 or len(PureWindowsPath(name).parts) > 1 or name == "..":
            raise StackError(
                f"{path}: its OME-XML names a file in another folder, {name!r}, which is refused"
            )


def _number(element: Element, key: str) -> int:
    return int(element.get(key, 1))


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def _image(element: Element, facts: dict[str, Any]) -> OmeImage:
    pixels = next(_children(element, "Pixels"), None)
    name = element.get("Name") or ""
    if pixels is None:
        return OmeImage(name, (), None, None, facts)
    channels = [channel.get("Name") or "" for channel in _children(pixels, "Channel")]
    sizes = {axis: _length(pixels, f"PhysicalSize{axis}") for axis in "XYZ"}
    y, x = sizes["Y"] or sizes["X"], sizes["X"] or sizes["Y"]
    z = _positions(pixels, sizes["Z"])
    spacing = float(np.median(np.abs(np.diff(z)))) if z is not None else sizes["Z"]
    size = PixelSize(spacing, y, x) if x and y else None
    names = tuple(channels) if all(channels) else ()
    return OmeImage(name, names, size, None if z is None else tuple(z), facts)


def _length(element: Element, key: str) -> float | None:
    try:
        return in_micrometers(float(element.get(key, "nan")), element.get(f"{key}Unit", "µm"))
    except ValueError:
        return None


def _positions(pixels: Element, spacing: float | None) -> list[float] | None:
    """Micrometres of each frame from the first, when every plane says its own and they are uneven."""
    count = _number(pixels, "SizeZ")
    found: dict[int, float] = {}
    for plane in _children(pixels, "Plane"):
        value, z = plane.get("PositionZ"), _number(plane, "TheZ") if plane.get("TheZ") else 0
        scale = _scale(plane.get("PositionZUnit"))
        try:
            if value is not None and scale is not None:
                found.setdefault(z, float(value) * scale)
        except ValueError:
            return None
    if count < 2 or sorted(found) != list(range(count)):
        return None
    places = np.array([found[i] for i in range(count)])
    steps = np.diff(places)
    if not np.isfinite(places).all() or not ((steps > 0).all() or (steps < 0).all()):
        return None
    even = np.abs(np.abs(steps) - (spacing or np.abs(steps).mean())).max() <= 1e-3 * np.abs(steps).mean()
    return None if even and spacing else [round(float(v), 9) for v in places - places[0]]


def _scale(unit: str | None) -> float | None:
    """Micrometres of a unit of length; positions in the microscope's own frame have none."""
    return in_micrometers(1.0, unit) if unit else None

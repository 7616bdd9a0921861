"""XMP: the packet a camera or program wrote, made true for the written image."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
XAP, RDF = "http://ns.adobe.com/xap/1.0/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
WIDTHS = {(TIFF, "ImageWidth"), (EXIF, "PixelXDimension")}
HEIGHTS = {(TIFF, "ImageLength"), (EXIF, "PixelYDimension")}
OF_ONE_FRAME = (
    "http://ns.google.com/photos/",
    "http://ns.adobe.com/hdr-gain-map/",
    "http://ns.adobe.com/xmp/note/",
    "http://ns.adobe.com/camera-raw-settings/",
    "http://ns.apple.com/",
)
"""Namespaces that speak of what is not in the written file: depth and gain maps, films, a development."""
MOST_BYTES = 1 << 22


def without_place(xmp: bytes) -> bytes:
    """Return the packet without where it was taken; dropped with a warning when it cannot be read."""
    return _edited(xmp, _drop_place)


def made_true(xmp: bytes, shape: tuple[int, ...], software: str) -> bytes:
    """Return the packet for an upright image of `shape` (y, x, ...) that `software` wrote."""

    def edit(document: Any) -> None:
        _drop(document, lambda space, name: space.startswith(OF_ONE_FRAME) or name == "Thumbnails")
        for holder in list(_holders(document)):
            space, name = holder.namespaceURI or "", holder.localName
            if (space, name) in WIDTHS:
                _set(holder, str(shape[1]))
            elif (space, name) in HEIGHTS:
                _set(holder, str(shape[0]))
            elif (space, name) == (TIFF, "Orientation"):
                _set(holder, "1")
        _name_tool(document, software)

    return _edited(xmp, edit)


def _edited(xmp: bytes, edit: Any) -> bytes:
    if not xmp.strip(b"\0 \r\n\t"):
        return b""
    from xml.dom import minidom
    from xml.parsers.expat import ExpatError

    packet = xmp.strip(b"\0 \r\n\t").removeprefix(b"\xef\xbb\xbf")
    try:
        if len(packet) > MOST_BYTES:
            raise ValueError(f"it has {len(packet)} bytes")
        # Entities can expand without end, and XMP never has any: nothing that declares them is parsed.
        if re.search(rb"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", packet, re.IGNORECASE):
            raise ValueError("it declares a document type or entities")
        document = minidom.parseString(packet)
    except (ExpatError, ValueError, RecursionError) as error:
        warnings.warn(f"XMP is damaged and not kept: {error}", stacklevel=3)
        return b""
    edit(document)
    return "".join(node.toxml() for node in document.childNodes).encode()


def _drop_place(document: Any) -> None:
    def of_place(space: str, name: str) -> bool:
        gps = space == EXIF and name.startswith("GPS")
        return gps or (name in ("LocationCreated", "LocationShown") and "iptc.org" in space)

    _drop(document, of_place)


def _drop(document: Any, wanted: Any) -> None:
    for holder in list(_holders(document)):
        if not wanted(holder.namespaceURI or "", holder.localName or ""):
            continue
        if holder.nodeType == holder.ATTRIBUTE_NODE:
            if holder.ownerElement is not None:
                holder.ownerElement.removeAttributeNode(holder)
        elif holder.parentNode is not None:
            holder.parentNode.removeChild(holder)


def _holders(document: Any) -> Iterator[Any]:
    """All elements, and their attributes but the declarations of namespaces."""
    for element in document.getElementsByTagName("*"):
        yield element
        for i in range(element.attributes.length):
            attribute = element.attributes.item(i)
            if attribute.prefix != "xmlns" and attribute.name != "xmlns":
                yield attribute


def _set(holder: Any, value: str) -> None:
    if holder.nodeType == holder.ATTRIBUTE_NODE:
        holder.value = value
        return
    while holder.firstChild is not None:
        holder.removeChild(holder.firstChild)
    holder.appendChild(holder.ownerDocument.createTextNode(value))


def _name_tool(document: Any, software: str) -> None:
    _drop(document, lambda space, name: (space, name) == (XAP, "CreatorTool"))
    descriptions = document.getElementsByTagNameNS(RDF, "Description")
    if descriptions:
        descriptions[0].setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:xmp", XAP)
        descriptions[0].setAttributeNS(XAP, "xmp:CreatorTool", software)

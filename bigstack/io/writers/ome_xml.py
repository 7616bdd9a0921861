"""OME-XML of an OME-TIFF: what microscopy software reads about sizes, channels and pixels."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

from bigstack.io.sink import ImageSpec
from bigstack.io.writers.spec import colour_of, micrometres

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
SCHEMA = f"{NAMESPACE} {NAMESPACE}/ome.xsd"
TYPES = {"float32": "float", "float64": "double"}


def ome_xml(spec: ImageSpec, name: str, creator: str) -> str:
    """Describe an image as OME-XML, in plain ASCII.

    Channels of a colour image are samples of one plane, others are a plane each.
    """
    height, width, count = spec.shape
    samples = 1 if colour_of(spec) == "channels" else count
    root = ET.Element(
        "OME",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": SCHEMA,
            "Creator": creator,
        },
    )
    facts = json.loads(spec.ome) if spec.ome else {}
    _instrument(root, facts)
    image = ET.SubElement(root, "Image", ID="Image:0", Name=name)
    if facts.get("acquired"):
        ET.SubElement(image, "AcquisitionDate").text = facts["acquired"]
    if spec.description:
        ET.SubElement(image, "Description").text = spec.description
    if facts.get("microscope") or facts.get("objective"):
        ET.SubElement(image, "InstrumentRef", ID="Instrument:0")
    if facts.get("objective"):
        ET.SubElement(image, "ObjectiveSettings", ID="Objective:0:0")
    pixels = ET.SubElement(
        image,
        "Pixels",
        ID="Pixels:0",
        DimensionOrder="XYCZT",
        Type=TYPES.get(spec.dtype, spec.dtype),
        SizeX=str(width),
        SizeY=str(height),
        SizeC=str(count),
        SizeZ="1",
        SizeT="1",
        Interleaved="true" if samples > 1 else "false",
        BigEndian="false",
    )
    size = micrometres(spec)
    if size is not None:
        pixels.set("PhysicalSizeY", repr(size[0]))
        pixels.set("PhysicalSizeX", repr(size[1]))
        pixels.set("PhysicalSizeYUnit", "µm")
        pixels.set("PhysicalSizeXUnit", "µm")
    for i in range(count // samples):
        channel = ET.SubElement(pixels, "Channel", ID=f"Channel:0:{i}", SamplesPerPixel=str(samples))
        if samples == 1 and spec.channels:
            channel.set("Name", spec.channels[i])
            for key, value in facts.get("channels", {}).get(spec.channels[i], {}).items():
                channel.set(key, value)
    for i in range(count // samples):
        ET.SubElement(pixels, "TiffData", IFD=str(i), FirstC=str(i), PlaneCount="1")
    return ET.tostring(root, encoding="us-ascii", xml_declaration=True).decode()


def _instrument(root: ET.Element, facts: dict[str, Any]) -> None:
    """The stand and the objective that a microscope named."""
    if not facts.get("microscope") and not facts.get("objective"):
        return
    instrument = ET.SubElement(root, "Instrument", ID="Instrument:0")
    if facts.get("microscope"):
        ET.SubElement(instrument, "Microscope", facts["microscope"])
    if facts.get("objective"):
        ET.SubElement(instrument, "Objective", ID="Objective:0:0", **facts["objective"])

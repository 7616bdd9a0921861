"""OME-XML of an OME-TIFF: what microscopy software reads about sizes, channels and pixels."""

from __future__ import annotations

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
    image = ET.SubElement(root, "Image", ID="Image:0", Name=name)
    if spec.description:
        ET.SubElement(image, "Description").text = spec.description
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
    for i in range(count // samples):
        ET.SubElement(pixels, "TiffData", IFD=str(i), FirstC=str(i), PlaneCount="1")
    return ET.tostring(root, encoding="us-ascii", xml_declaration=True).decode()

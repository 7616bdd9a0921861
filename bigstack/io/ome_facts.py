"""What a microscope's OME-XML says beside sizes: objective, stand, date, light of each channel.

The facts are a plain mapping, so that they travel in attributes and in JSON:
``{"acquired": text, "microscope": {...}, "objective": {...}, "channels": {name: {...}}}``, with the names of
OME's own attributes inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MICROSCOPE = ("Manufacturer", "Model", "SerialNumber", "Type")
OBJECTIVE = (
    "Manufacturer", "Model", "NominalMagnification", "CalibratedMagnification", "LensNA", "Immersion",
    "Correction", "WorkingDistance", "WorkingDistanceUnit",
)  # fmt: skip
CHANNEL = (
    "Color", "Fluor", "EmissionWavelength", "EmissionWavelengthUnit", "ExcitationWavelength",
    "ExcitationWavelengthUnit", "AcquisitionMode", "IlluminationType", "ContrastMethod", "PinholeSize",
    "PinholeSizeUnit", "NDFilter",
)  # fmt: skip
_LONGEST = 1000


def facts_of(root: Element, image: Element) -> dict[str, Any]:
    """Facts about one image of a document; empty when it says nothing.

    Examples
    --------
    >>> from xml.etree import ElementTree
    >>> root = ElementTree.fromstring('<OME><Image><AcquisitionDate>2026-11-21T10:00:00</AcquisitionDate>'
    ...                               '</Image></OME>')
    >>> facts_of(root, root[0])
    {'acquired': '2026-11-21T10:00:00'}
    """
    facts: dict[str, Any] = {}
    date = next(iter(_under(image, "AcquisitionDate")), None)
    if date is not None and date.text:
        facts["acquired"] = date.text.strip()[:_LONGEST]
    settings = next(iter(_under(image, "ObjectiveSettings")), None)
    wanted = None if settings is None else settings.get("ID")
    instruments = _under(root, "Instrument")
    used = next(iter(_under(image, "InstrumentRef")), None)
    for instrument in instruments:
        if used is not None and instrument.get("ID") != used.get("ID"):
            continue
        facts |= _of("microscope", _under(instrument, "Microscope"), MICROSCOPE)
        objectives = [o for o in _under(instrument, "Objective") if wanted in (None, o.get("ID"))]
        if wanted is not None or len(objectives) == 1:
            facts |= _of("objective", objectives, OBJECTIVE)
        break
    channels = {}
    for pixels in _under(image, "Pixels"):
        for channel in _under(pixels, "Channel"):
            found = _taken(channel, CHANNEL)
            if found and channel.get("Name"):
                channels[str(channel.get("Name"))] = found
    if channels:
        facts["channels"] = channels
    return facts


def checked(facts: Any) -> dict[str, Any]:
    """Keep of a mapping from elsewhere only what the facts can hold."""
    if not isinstance(facts, dict):
        return {}
    found: dict[str, Any] = {}
    if isinstance(facts.get("acquired"), str):
        found["acquired"] = facts["acquired"][:_LONGEST]
    for name, keys in (("microscope", MICROSCOPE), ("objective", OBJECTIVE)):
        if kept := _texts(facts.get(name), keys):
            found[name] = kept
    channels = facts.get("channels")
    if isinstance(channels, dict):
        kept_channels = {str(name): kept for name, one in channels.items() if (kept := _texts(one, CHANNEL))}
        if kept_channels:
            found["channels"] = kept_channels
    return found


def hex_colour(facts: dict[str, str]) -> str | None:
    """Colour of a channel as NGFF writes it, from OME's signed number of red, green, blue and alpha.

    Examples
    --------
    >>> hex_colour({"Color": "-16776961"})
    'FF0000'
    """
    try:
        return f"{int(facts.get('Color', '')) & 0xFFFFFFFF:08X}"[:6]
    except ValueError:
        return None


def _texts(value: Any, keys: Iterable[str]) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: str(value[key])[:_LONGEST] for key in keys if isinstance(value.get(key), str | int | float)}


def _under(element: Element, name: str) -> list[Element]:
    return [child for child in element if str(child.tag).rpartition("}")[2] == name]


def _of(name: str, elements: list[Element], keys: Iterable[str]) -> dict[str, Any]:
    found = _taken(elements[0], keys) if elements else {}
    return {name: found} if found else {}


def _taken(element: Element, keys: Iterable[str]) -> dict[str, str]:
    return {key: str(element.get(key))[:_LONGEST] for key in keys if element.get(key)}

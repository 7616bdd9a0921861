"""What writers must know of an image or a stack, taken from a DataArray."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bigstack.errors import InputError
from bigstack.geometry import PixelSize
from bigstack.io.sink import ImageSpec
from bigstack.io.value_unit import unit_sentence
from bigstack.io.writers import exif as exif_block
from bigstack.io.writers import xmp as xmp_packet

Colour = Literal["grey", "grey+alpha", "rgb", "rgb+alpha", "channels"]

RGB_NAMES = (("red", "green", "blue"), ("r", "g", "b"))
ALPHA_NAMES = ("alpha", "a")
PIXEL_UNITS = ("", "pixel", "pixels", "px", "frame", "frames")
MICROMETRES = {
    "nanometer": 1e-3, "nanometre": 1e-3, "nm": 1e-3,
    "micrometer": 1.0, "micrometre": 1.0, "micron": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0,
    "millimeter": 1e3, "millimetre": 1e3, "mm": 1e3,
    "centimeter": 1e4, "centimetre": 1e4, "cm": 1e4,
    "meter": 1e6, "metre": 1e6, "m": 1e6,
    "inch": 25400.0, "inches": 25400.0,
}  # fmt: skip
"""How many micrometres one unit is."""


@dataclass(frozen=True, slots=True)
class StackSpec:
    """What a writer of whole stacks has to know before the first pixel is there."""

    shape: tuple[int, int, int, int]
    """Sizes of (z, y, x, channel)."""
    dtype: str
    pixel_size: PixelSize | None = None
    channels: tuple[str, ...] = ()
    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    description: str = ""
    ome: str = ""
    """JSON of what a microscope said: see `bigstack.io.ome_facts`."""
    z_positions: tuple[float, ...] = ()
    """Position of every frame in the pixel size's unit, empty when frames are only counted."""


AnySpec = ImageSpec | StackSpec


def spec_of(array: Any, *, keep_gps: bool = False) -> ImageSpec:
    """Describe an image, a DataArray (y, x) or (y, x, channel), to the writers.

    Taken over: channel names, `pixel_size` and `units` (else the spacing of the x and y coordinates), and
    `icc_profile`, `exif`, `xmp` (base64 text or bytes), `ome` and `description` from the attributes; where
    there is none of the last, the `unit` of the values. Where a picture was taken is left out of EXIF and
    XMP, unless `keep_gps`.

    Raises
    ------
    InputError
        For other dims, or an attribute that cannot be read.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> spec_of(xr.DataArray(np.zeros((4, 5), "f4"), dims=("y", "x"), attrs={"pixel_size": 0.5})).pixel_size
    PixelSize(z=None, y=0.5, x=0.5, unit='micrometer')
    """
    dims = tuple(array.dims)
    if dims not in (("y", "x"), ("y", "x", "channel")):
        raise InputError(f"an image to write has dims (y, x) or (y, x, channel), got {dims}")
    shape = tuple(array.shape) if len(dims) == 3 else (*array.shape, 1)
    return ImageSpec(shape=shape, **_common(array, keep_gps=keep_gps))


def stack_spec_of(array: Any, *, keep_gps: bool = False) -> StackSpec:
    """Describe a stack, a DataArray (z, y, x, channel), to the writers; see `spec_of`."""
    if tuple(array.dims) != ("z", "y", "x", "channel"):
        raise InputError(f"a stack to write has dims (z, y, x, channel), got {tuple(array.dims)}")
    z = array.coords["z"].values if "z" in array.coords else ()
    return StackSpec(
        shape=tuple(array.shape),
        z_positions=tuple(float(v) for v in z),
        **_common(array, frames=True, keep_gps=keep_gps),
    )


def _common(array: Any, *, frames: bool = False, keep_gps: bool) -> dict[str, Any]:
    exif, xmp = (_bytes(array.attrs.get(name), name) for name in ("exif", "xmp"))
    return {
        "dtype": np.dtype(array.dtype).name,
        "pixel_size": _pixel_size(array, frames=frames),
        "channels": _channel_names(array),
        "icc_profile": _bytes(array.attrs.get("icc_profile"), "icc_profile"),
        "exif": exif if keep_gps else exif_block.without_place(exif),
        "xmp": xmp if keep_gps else xmp_packet.without_place(xmp),
        "ome": json.dumps(array.attrs["ome"]) if array.attrs.get("ome") else "",
        "description": _description(array),
    }


def _description(array: Any) -> str:
    given = array.attrs.get("description")
    if given is None and "unit" in array.attrs:
        return unit_sentence(str(array.attrs["unit"]))
    return str(given or "")


def _bytes(value: object, name: str) -> bytes:
    if value is None or value == "":
        return b""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"attribute {name!r} must be bytes or base64 text: {error}") from error


def _channel_names(array: Any) -> tuple[str, ...]:
    if "channel" not in array.dims or "channel" not in array.coords:
        return ()
    values = array.coords["channel"].values
    named = values.dtype.kind in "UOT"  # numbers only count channels, they do not name them
    return tuple(str(v) for v in values) if named else ()


def _pixel_size(array: Any, *, frames: bool) -> PixelSize | None:
    given = array.attrs.get("pixel_size")
    unit = str(array.attrs.get("units", "") or "")
    if isinstance(given, PixelSize):
        return given
    if isinstance(given, Mapping):
        return PixelSize(given.get("z"), given["y"], given["x"], str(given.get("unit", unit or "micrometer")))
    if given is not None:
        numbers = np.atleast_1d(given).astype(float).tolist()
        if len(numbers) == 3 and not math.isfinite(numbers[0]):
            numbers = numbers[1:]
        size = PixelSize.of(tuple(numbers))
        return PixelSize(size.z, size.y, size.x, unit if unit not in PIXEL_UNITS else size.unit)
    if unit in PIXEL_UNITS:
        return None
    y, x = _spacing(array, "y"), _spacing(array, "x")
    if y is None or x is None:
        return None
    return PixelSize(_spacing(array, "z") if frames else None, y, x, unit)


def _spacing(array: Any, dim: str) -> float | None:
    """Return the step of a regular coordinate, None when it has none."""
    if dim not in array.coords or array.sizes[dim] < 2:
        return None
    values = array.coords[dim].values.astype(float)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    regular = step > 0 and np.allclose(np.diff(values), step, rtol=1e-3, atol=0)
    return step if regular else None


def colour_of(spec: AnySpec) -> Colour:
    """Say what the channels of an image mean: by their names, or as is usual for their number."""
    count = spec.shape[-1]
    names = tuple(name.lower() for name in spec.channels)
    if count == 1:
        return "grey"
    if not names:
        return {3: "rgb", 4: "rgb+alpha"}.get(count, "channels")  # type: ignore[return-value]
    if count == 2 and names[-1] in ALPHA_NAMES:
        return "grey+alpha"
    if count == 3 and names in RGB_NAMES:
        return "rgb"
    if count == 4 and names[:3] in RGB_NAMES and names[3] in ALPHA_NAMES:
        return "rgb+alpha"
    return "channels"


def micrometres(spec: AnySpec) -> tuple[float, float] | None:
    """Return height and width of a pixel in micrometres, None when unknown."""
    size = spec.pixel_size
    if size is None or size.unit not in MICROMETRES:
        return None
    factor = MICROMETRES[size.unit]
    return size.y * factor, size.x * factor


def nbytes(spec: AnySpec) -> int:
    """Size of the pixels in bytes before any compression."""
    return math.prod(spec.shape) * np.dtype(spec.dtype).itemsize


def human(count: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> human(4.2e9)
    '4.2 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

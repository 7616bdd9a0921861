import base64
import json
import struct

import numpy as np
import pytest
import xarray as xr

from bigstack.errors import InputError
from bigstack.geometry import PixelSize
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import spec_of, stack_spec_of
from bigstack.io.writers.spec import colour_of, human, micrometres

EXIF = b"II*\0" + struct.pack("<IHI", 8, 0, 0)


def image(shape=(6, 8, 3), dtype="uint16", coords=None, **attrs):
    dims = ("z", "y", "x", "channel")[-len(shape) :] if len(shape) > 2 else ("y", "x")
    return xr.DataArray(np.zeros(shape, dtype), dims=dims, coords=coords, attrs=attrs)


def test_all_is_taken_over():
    attrs = {
        "pixel_size": 0.5,
        "units": "micrometer",
        "icc_profile": base64.b64encode(b"\0profile\xff").decode(),
        "exif": base64.b64encode(EXIF).decode(),
        "description": "moth",
    }
    array = image(coords={"channel": ["red", "green", "blue"]}, **json.loads(json.dumps(attrs)))
    assert spec_of(array) == ImageSpec(
        (6, 8, 3),
        "uint16",
        PixelSize.of(0.5),
        ("red", "green", "blue"),
        b"\0profile\xff",
        EXIF,
        description="moth",
    )


def test_a_map_is_one_channel():
    assert spec_of(image((6, 8), "float32")) == ImageSpec((6, 8, 1), "float32")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.5, PixelSize(None, 0.5, 0.5)),
        ([0.5, 0.25], PixelSize(None, 0.5, 0.25)),
        ((2.0, 0.5, 0.25), PixelSize(2.0, 0.5, 0.25)),
        (np.array([np.nan, 0.5, 0.25]), PixelSize(None, 0.5, 0.25)),
        ([None, 0.5, 0.25], PixelSize(None, 0.5, 0.25)),
        ({"z": None, "y": 0.5, "x": 0.25, "unit": "millimeter"}, PixelSize(None, 0.5, 0.25, "millimeter")),
        (PixelSize.of(3), PixelSize.of(3)),
    ],
)
def test_pixel_sizes(given, expected):
    assert spec_of(image(pixel_size=given)).pixel_size == expected


def test_units_name_the_number():
    assert spec_of(image(pixel_size=2.0, units="millimeter")).pixel_size.unit == "millimeter"


def test_size_from_coordinates():
    coords = {"y": np.arange(6) * 0.5 + 3, "x": np.arange(8) * 0.25}
    assert spec_of(image(coords=coords, units="micrometer")).pixel_size == PixelSize(None, 0.5, 0.25)
    assert spec_of(image(coords=coords, units="pixel")).pixel_size is None
    assert spec_of(image(coords=coords)).pixel_size is None
    crooked = {**coords, "x": np.arange(8.0) ** 2}
    assert spec_of(image(coords=crooked, units="micrometer")).pixel_size is None


def test_numbered_channels_have_no_names():
    assert spec_of(image(coords={"channel": [0, 1, 2]})).channels == ()


def test_a_stack_has_positions():
    coords = {"z": [0.0, 2.0, 7.0]}
    spec = stack_spec_of(image((3, 6, 8, 1), "uint8", coords=coords, pixel_size=(2.0, 1.0, 1.0)))
    assert (spec.shape, spec.z_positions, spec.pixel_size.z) == ((3, 6, 8, 1), (0.0, 2.0, 7.0), 2.0)


def test_other_dims_are_refused():
    with pytest.raises(InputError, match=r"\(y, x\) or \(y, x, channel\)"):
        spec_of(image((3, 6, 8, 1)))
    with pytest.raises(InputError, match=r"\(z, y, x, channel\)"):
        stack_spec_of(image((6, 8)))


def test_rubbish_metadata_is_refused():
    with pytest.raises(InputError, match="'exif' must be bytes or base64"):
        spec_of(image(exif="not base64!"))


@pytest.mark.parametrize(
    ("count", "names", "colour"),
    [
        (1, (), "grey"),
        (2, (), "channels"),
        (2, ("grey", "Alpha"), "grey+alpha"),
        (3, (), "rgb"),
        (3, ("R", "G", "B"), "rgb"),
        (3, ("blue", "green", "red"), "channels"),
        (4, (), "rgb+alpha"),
        (4, ("red", "green", "blue", "alpha"), "rgb+alpha"),
        (4, ("red", "green", "blue", "infrared"), "channels"),
        (5, (), "channels"),
    ],
)
def test_what_channels_mean(count, names, colour):
    assert colour_of(ImageSpec((4, 4, count), "uint8", channels=names)) == colour


def test_sizes_in_micrometres():
    assert micrometres(ImageSpec((4, 4, 1), "uint8")) is None
    assert micrometres(ImageSpec((4, 4, 1), "uint8", PixelSize(None, 2, 3, "mm"))) == (2000, 3000)
    assert micrometres(ImageSpec((4, 4, 1), "uint8", PixelSize(None, 2, 3, "parsec"))) is None


def test_bytes_for_people():
    assert [human(n) for n in (0, 999, 1000, 2.5e9, 3e15)] == ["0 B", "999 B", "1 kB", "2.5 GB", "3e+03 TB"]

import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bigstack.errors import InputError, RunError
from bigstack.geometry import PixelSize, Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink
from bigstack.io.writers.png import adler32_combine


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 50),
    channels=st.sampled_from([1, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    rows=st.integers(1, 40),
    level=st.sampled_from([0, 1, 2, 9]),
)
def test_any_image_comes_back(tmp_path, write, picture, height, width, channels, dtype, rows, level):
    image = picture((height, width, channels), dtype)
    path = write(tmp_path / "a.png", image, side=rows, overwrite=True, options={"level": level})
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    np.testing.assert_array_equal(found.reshape(image.shape)[..., order], image)
    assert found.dtype == image.dtype


def test_grey_with_alpha(tmp_path, write, picture):
    image = picture((30, 40, 2))
    with Image.open(write(tmp_path / "a.png", image, channels=("grey", "alpha"))) as found:
        assert found.mode == "LA"
        np.testing.assert_array_equal(np.asarray(found), image)


def test_metadata_is_kept(tmp_path, write, picture):
    path = write(
        tmp_path / "a.png",
        picture((30, 40, 3)),
        side=7,
        pixel_size=PixelSize(None, 2.0, 4.0),
        icc_profile=b"profile" * 99,
        description="Käfer",
    )
    with Image.open(path) as found:
        assert found.info["icc_profile"] == b"profile" * 99
        assert found.info["Description"] == "Käfer"
        assert found.info["Software"].startswith("bigstack ")
        assert found.info["dpi"] == pytest.approx((250000 * 0.0254, 500000 * 0.0254))


def test_size_that_png_cannot_say_is_left_out(tmp_path, write, picture):
    path = write(tmp_path / "a.png", picture((5, 5, 1)), pixel_size=PixelSize.of(3e6))
    with Image.open(path) as found:
        assert "dpi" not in found.info


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_are_combined(first, second):
    combined = adler32_combine(zlib.adler32(first), zlib.adler32(second), len(second))
    assert combined == zlib.adler32(first + second)


def test_bands_out_of_order_are_refused(tmp_path, picture):
    sink = create_sink(tmp_path / "a.png", ImageSpec((20, 8, 1), "uint8"))
    sink.open()
    with pytest.raises(RunError, match="row 0 has to come next"):
        sink.put(Tile(10, 20, 0, 8), sink.encode(Tile(10, 20, 0, 8), picture((10, 8, 1))))
    with pytest.raises(RunError, match="0 of 20 rows"):
        sink.finish()
    assert list(tmp_path.iterdir()) == []


def test_tiles_must_span_the_width(tmp_path):
    sink = create_sink(tmp_path / "a.png", ImageSpec((20, 8, 1), "uint8"))
    with pytest.raises(InputError, match="span the whole width"):
        sink.encode(Tile(0, 20, 0, 4), np.zeros((20, 4, 1), np.uint8))


def test_bad_level_is_refused(tmp_path):
    with pytest.raises(InputError, match="0 to 9"):
        create_sink(tmp_path / "a.png", ImageSpec((20, 8, 1), "uint8"), level=10)

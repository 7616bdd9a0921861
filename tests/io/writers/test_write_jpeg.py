import io

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from bigstack.errors import InputError, RunError
from bigstack.geometry import PixelSize, Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 70),
    channels=st.sampled_from([1, 3]),
    bands=st.integers(1, 3),
    quality=st.sampled_from([1, 20, 75, 95, 100]),
    subsampling=st.sampled_from(["444", "422", "420"]),
)
def test_joined_bands_equal_one_encoding(
    tmp_path, write, picture, height, width, channels, bands, quality, subsampling
):
    """The independent statement: libjpeg's own encoding of the whole image."""
    image = picture((height, width, channels))
    path = tmp_path / "a.jpg"
    options = {"quality": quality, "subsampling": subsampling}
    write(path, image, side=bands * 128, overwrite=True, options=options)
    whole = imagecodecs.jpeg8_encode(
        image if channels == 3 else np.ascontiguousarray(image[..., 0]),
        level=quality,
        subsampling=subsampling if channels == 3 else None,
    )
    np.testing.assert_array_equal(
        imagecodecs.jpeg8_decode(path.read_bytes()), imagecodecs.jpeg8_decode(whole)
    )
    with Image.open(path) as ours, Image.open(io.BytesIO(whole)) as theirs:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize(("subsampling", "rows"), [("444", 32), ("420", 128)])
def test_widest_image(tmp_path, write, subsampling, rows):
    """The restart interval is a 16-bit number of blocks, so bands of wide images are low."""
    image = np.broadcast_to(np.arange(65535, dtype=np.uint16)[:, None] >> 8, (200, 65535, 3)).astype(np.uint8)
    sink = create_sink(tmp_path / "b.jpg", ImageSpec(image.shape, "uint8"), subsampling=subsampling)
    assert sink.multiple == (rows, 1)
    assert sink.interval <= 65535
    path = write(tmp_path / "a.jpg", image, side=64, options={"subsampling": subsampling})
    found = imagecodecs.jpeg8_decode(path.read_bytes())
    assert np.abs(found.astype(int) - image).max() <= 3


def test_metadata_is_kept(tmp_path, write, picture):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = write(
        tmp_path / "a.jpg",
        picture((40, 40, 3)),
        icc_profile=profile + b"\0" * 140_000,
        pixel_size=PixelSize(None, 50.0, 100.0),
        description="Käfer",
    )
    with Image.open(path) as found:
        assert found.info["icc_profile"] == profile + b"\0" * 140_000
        assert found.info["dpi"] == (254, 508)
        assert found.info["comment"].decode().startswith("Käfer\nbigstack ")


def test_bands_out_of_order_are_refused(tmp_path, picture):
    sink = create_sink(tmp_path / "a.jpg", ImageSpec((300, 8, 1), "uint8"))
    sink.open()
    tile = Tile(128, 256, 0, 8)
    with pytest.raises(RunError, match="row 0 has to come next"):
        sink.put(tile, sink.encode(tile, picture((128, 8, 1))))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"quality": 0}, {"quality": 101}, {"subsampling": "411"}])
def test_bad_options_are_refused(tmp_path, options):
    with pytest.raises(InputError):
        create_sink(tmp_path / "a.jpg", ImageSpec((20, 8, 1), "uint8"), **options)

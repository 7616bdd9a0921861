"""Layers as other programs read them: psdtags, tifffile, Pillow, OpenCV, exiftool, ImageMagick."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest
import tifffile
import xarray as xr
from PIL import Image
from psdtags import PsdResourceId, TiffImageResources, TiffImageSourceData

from bigstack import apply_alignment, open_stack, write_layers
from bigstack.errors import BigstackError, FormatError, InputError, OutputExistsError
from bigstack.geometry.alignment import Alignment
from bigstack.io.writers import layered_tiff

MAGICK = next((p for p in map(shutil.which, ("magick", "convert-im6.q16")) if p), None)


def frames(dtype, channels=3, count=3, size=(70, 90)):
    random = np.random.default_rng(5)
    return random.integers(0, np.iinfo(dtype).max, (count, *size, channels), dtype, endpoint=True)


def read(path):
    return TiffImageSourceData.fromtiff(path).layers


def pixels(layer):
    found = layer.asarray()
    return found if found.ndim == 3 else found[..., None]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_psdtags_reads_every_layer_exactly(tmp_path, dtype, channels):
    stack = frames(dtype, channels)
    names = write_layers({"frame": stack, "fused": stack[1]}, tmp_path / "a.tif")
    assert names == ["frame 0", "frame 1", "frame 2", "fused"]
    layers = read(tmp_path / "a.tif")
    assert [layer.name for layer in layers] == names
    for layer, expected in zip(layers, [*stack, stack[1]], strict=True):
        assert layer.asarray().dtype.itemsize == np.dtype(dtype).itemsize
        np.testing.assert_array_equal(pixels(layer), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_programs_without_layers_see_the_top_one(tmp_path, dtype):
    stack = frames(dtype)
    write_layers(xr.DataArray(stack, dims=("z", "y", "x", "channel")), tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), stack[-1])
    seen = cv2.imread(str(tmp_path / "a.tif"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(seen[..., ::-1], stack[-1])
    if dtype == "uint8":
        with Image.open(tmp_path / "a.tif") as found:
            np.testing.assert_array_equal(np.asarray(found), stack[-1])
            assert found.n_frames == 1
    assert (open_stack(tmp_path / "a.tif")[0].values == stack[-1]).all()


@pytest.mark.skipif(MAGICK is None, reason="ImageMagick is not installed (Debian: imagemagick)")
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_imagemagick_reads_the_layers(tmp_path, dtype):
    stack = frames(dtype)
    write_layers({"frame": stack}, tmp_path / "a.tif")
    command = [MAGICK, str(tmp_path / "a.tif"), str(tmp_path / "out-%d.png")]
    subprocess.run(command, check=True, capture_output=True)
    names = [str(tmp_path / f"out-{i}.png") for i in range(1, 4)]
    found = [cv2.imread(name, cv2.IMREAD_UNCHANGED)[..., 2::-1] for name in names]
    np.testing.assert_array_equal(found, stack)


@pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed (libimage-exiftool-perl)"
)
def test_exiftool_names_the_layers(tmp_path):
    write_layers({"Käfer 1": frames("uint16")[0], "b": frames("uint16")[1]}, tmp_path / "a.tif")
    found = subprocess.run(
        ["exiftool", "-s", "-LayerCount", "-LayerUnicodeNames", "-Warning", tmp_path / "a.tif"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Warning" not in found.stdout
    assert "Käfer 1, b" in found.stdout


def test_a_thumbnail_shows_the_composite(tmp_path):
    image = np.full((300, 500, 3), (200, 40, 90), np.uint8)
    write_layers({"a": image}, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        value = file.pages[0].tags[34377].value
    resources = TiffImageResources.frombytes(value)
    thumbnail = next(b for b in resources.blocks if b.resourceid == PsdResourceId.THUMBNAIL_RESOURCE).data
    assert max(thumbnail.shape) <= 160
    assert abs(thumbnail.astype(int) - (200, 40, 90)).max() <= 3


def test_where_a_frame_has_no_data_its_layer_is_transparent(tmp_path):
    stack = xr.DataArray(frames("uint8", count=2), dims=("z", "y", "x", "channel"))
    moved = Alignment.of([np.eye(3), [[1, 0, 20], [0, 1, 0], [0, 0, 1]]], (70, 90))
    write_layers({"f": apply_alignment(stack, moved)}, tmp_path / "a.tif")
    alpha = read(tmp_path / "a.tif")[1].asarray(channelid=-1)
    assert (alpha[:, :69] == 255).all()
    assert (alpha[:, -19:] == 0).all()
    composite = tifffile.imread(tmp_path / "a.tif")
    np.testing.assert_array_equal(composite[:, -19:], stack[0].values[:, -19:])
    np.testing.assert_array_equal(composite[:, :60], stack[1].values[:, 20:80])


def test_half_transparent_layers_blend(tmp_path):
    rgba = np.zeros((8, 10, 4), np.uint8)
    rgba[:] = (255, 0, 100, 128)
    Image.fromarray(rgba).save(tmp_path / "top.png")
    below = np.full((8, 10, 3), (0, 200, 100), np.uint8)
    write_layers({"below": below, "top": open_stack(tmp_path / "top.png")}, tmp_path / "a.tif")
    assert tifffile.imread(tmp_path / "a.tif")[0, 0].tolist() == [128, 100, 100]
    write_layers({"top": open_stack(tmp_path / "top.png")}, tmp_path / "b.tif")
    assert tifffile.imread(tmp_path / "b.tif")[0, 0].tolist() == [255, 0, 100, 128]


def test_depths_and_colours_are_made_alike(tmp_path):
    grey = frames("uint8", 1, 1)
    colour = frames("uint16", 3, 1)
    write_layers({"grey": grey, "colour": colour}, tmp_path / "a.tif")
    first, second = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(first.asarray()[..., 2], grey[0, ..., 0].astype(np.uint16) * 257)
    np.testing.assert_array_equal(second.asarray(), colour[0])
    write_layers({"grey": grey, "colour": colour}, tmp_path / "b.tif", bits=8)
    assert abs(read(tmp_path / "b.tif")[1].asarray() * 257.0 - colour[0]).max() <= 128.5


def test_many_bands_of_an_image_higher_than_one(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (1300, 20, 3), np.uint8)
    write_layers({"a": image, "b": image[::-1].copy()}, tmp_path / "a.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0].asarray(), image)


def test_hidden_layers(tmp_path):
    stack = frames("uint8")
    write_layers({"f": stack}, tmp_path / "a.tif", hide=True)
    assert [bool(layer.flags & 2) for layer in read(tmp_path / "a.tif")] == [True, True, False]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"a": frames("uint8"), "b": frames("uint8", size=(70, 91))}, "'b' is 91 x 70, 'a' is 90 x 70"),
        ({"a": np.zeros((4, 4), np.float32)}, "'a' is float32"),
        ({"a": np.zeros((4, 4, 2), np.uint8)}, "2 channels"),
        ({"a": np.zeros(4, np.uint8)}, "1 dims"),
        ({"a": "photo.jpg"}, "is a str"),
        ({}, "no layer"),
    ],
)
def test_what_cannot_be_layers_is_said(tmp_path, given, text):
    with pytest.raises(InputError, match=text):
        write_layers(given, tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_kept(tmp_path):
    write_layers({"a": frames("uint8")}, tmp_path / "a.tif")
    before = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(OutputExistsError):
        write_layers({"a": frames("uint16")}, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == before


@pytest.mark.parametrize("early", [True, False])
def test_more_than_a_tiff_holds_is_refused_with_the_way_out(tmp_path, monkeypatch, early):
    monkeypatch.setattr(layered_tiff, "LIMIT", 100_000)
    if not early:
        monkeypatch.setattr(layered_tiff.LayeredTiff, "_refuse_huge", lambda self, layers: None)
    with pytest.raises(FormatError, match=r"(would need about|do not fit).*--every 2"):
        write_layers({"a": frames("uint8", count=12)}, tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(BigstackError, match=r"written as \.tif"):
        write_layers({"a": frames("uint8")}, tmp_path / "a.psd")

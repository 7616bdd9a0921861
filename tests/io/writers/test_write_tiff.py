import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bigstack import open_stack
from bigstack.errors import InputError, RunError
from bigstack.geometry import PixelSize, Tile, tiles_of
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink, tiff_file

SLOW_OK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SLOW_OK
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    channels=st.sampled_from([1, 2, 3, 4, 5]),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    compression=st.sampled_from(["deflate", "lzw", "zstd", "none"]),
    side=st.sampled_from([16, 32, 64, 96]),
    tile=st.sampled_from([16, 32]),
)
def test_any_image_comes_back(
    tmp_path, write, picture, height, width, channels, dtype, compression, side, tile
):
    image = picture((height, width, channels), dtype)
    path = tmp_path / "image.tif"
    write(path, image, side=side, overwrite=True, options={"compression": compression, "tile": tile})
    with tifffile.TiffFile(path) as file:
        pages = [page.asarray() for page in file.pages]
    planes = np.stack(pages, -1) if len(pages) > 1 else pages[0].reshape(image.shape)
    np.testing.assert_array_equal(planes, image)
    assert planes.dtype == image.dtype
    assert len(pages) == (channels if channels in (2, 5) else 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_opencv_reads_it(tmp_path, write, picture, dtype, channels):
    image = picture((700, 900, channels), dtype)
    path = write(tmp_path / "image.tif", image, side=512)
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    found = found[..., ::-1] if channels == 3 else found[..., None]
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(
    ("channels", "dtype", "mode"),
    [
        (1, "uint8", "L"),
        (3, "uint8", "RGB"),
        (4, "uint8", "RGBA"),
        (1, "uint16", "I;16"),
        (1, "float32", "F"),
    ],
)
def test_pillow_reads_it(tmp_path, write, picture, channels, dtype, mode):
    image = picture((530, 540, channels), dtype)
    with Image.open(write(tmp_path / "image.tif", image)) as found:
        assert found.mode == mode
        np.testing.assert_array_equal(np.asarray(found).reshape(image.shape), image)


def test_alpha_and_channels_are_told_apart(tmp_path, write, picture):
    grey = write(tmp_path / "a.tif", picture((20, 20, 2)), channels=("grey", "alpha"))
    cells = write(tmp_path / "b.tif", picture((20, 20, 4)), channels=("DAPI", "GFP", "RFP", "Cy5"))
    with tifffile.TiffFile(grey) as file:
        page = file.pages[0]
        assert (len(file.pages), page.samplesperpixel, page.extrasamples) == (1, 2, (2,))
    with tifffile.TiffFile(cells) as file:
        assert [page.tags["PageName"].value for page in file.pages] == ["DAPI", "GFP", "RFP", "Cy5"]
        assert {page.samplesperpixel for page in file.pages} == {1}


@pytest.mark.parametrize("name", ["cells.tif", "cells.tiff", "cells.ome.tif"])
def test_channels_come_back_as_channels_not_as_frames(tmp_path, write, picture, name):
    image = picture((20, 30, 2))
    found = open_stack(write(tmp_path / name, image, channels=("DAPI", "GFP")))
    assert found.sizes["z"] == 1
    assert found.channel.values.tolist() == ["DAPI", "GFP"]
    np.testing.assert_array_equal(found[0].values, image)


def test_ome_tiff_says_size_and_channels(tmp_path, write, picture):
    image = picture((60, 80, 2), "uint16")
    path = write(
        tmp_path / "cells.ome.tif",
        image,
        channels=("DAPI & more", "µ"),
        pixel_size=PixelSize(None, 250.0, 500.0, "nanometer"),
        description="two <stains>",
    )
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        series = file.series[0]
        assert (series.axes, series.shape) == ("CYX", (2, 60, 80))
        np.testing.assert_array_equal(np.moveaxis(series.asarray(), 0, -1), image)
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = ome["Pixels"]
    assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (
        0.25,
        0.5,
        "µm",
    )
    assert [channel["Name"] for channel in pixels["Channel"]] == ["DAPI & more", "µ"]
    assert ome["Description"] == "two <stains>"


def test_ome_tiff_of_colour_is_one_plane(tmp_path, write, picture):
    image = picture((60, 80, 3))
    with tifffile.TiffFile(write(tmp_path / "a.ome.tiff", image)) as file:
        assert (file.series[0].axes, len(file.pages)) == ("YXS", 1)
        np.testing.assert_array_equal(file.series[0].asarray(), image)


def test_pixel_size_profile_and_text_are_kept(tmp_path, write, picture):
    profile = bytes(range(256)) * 13
    path = write(
        tmp_path / "a.tif",
        picture((40, 40, 3)),
        pixel_size=PixelSize(None, 1.3668, 0.5119),
        icc_profile=profile,
        description="moth, µ",
    )
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        down, across = tags["YResolution"].value, tags["XResolution"].value
        assert across[0] / across[1] == pytest.approx(1e4 / 0.5119, rel=1e-8)
        assert down[0] / down[1] == pytest.approx(1e4 / 1.3668, rel=1e-8)
        assert tags["ResolutionUnit"].value == 3
        assert tags["InterColorProfile"].value == profile
        assert tags["ImageDescription"].value == "moth, µ"
        assert tags["Software"].value.startswith("bigstack ")


def test_no_pixel_size_is_no_unit(tmp_path, write, picture):
    with tifffile.TiffFile(write(tmp_path / "a.tif", picture((20, 20, 1)))) as file:
        assert file.pages[0].tags["ResolutionUnit"].value == 1


def test_data_beyond_4_gib_becomes_bigtiff(tmp_path, picture):
    """The file is sparse: the writer is moved 5 GiB ahead between two tiles."""
    image = picture((64, 64, 1), "uint16")
    sink = create_sink(tmp_path / "a.tif", ImageSpec(image.shape, "uint16"), tile=32)
    sink.open()
    for tile in tiles_of((64, 64), 32, 32):
        sink.put(tile, sink.encode(tile, image[tile.slices]))
        if tile == Tile(0, 32, 32, 64):
            sink._file.seek(5 * 2**30)
    sink.finish()
    assert sink.path.stat().st_size > 5 * 2**30
    with tifffile.TiffFile(sink.path) as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.asarray()[..., None], image)


def test_bigtiff_holds_all_metadata(tmp_path, write, picture, monkeypatch):
    monkeypatch.setattr(tiff_file, "CLASSIC_LIMIT", 1000)
    image = picture((70, 70, 3))
    path = write(tmp_path / "a.ome.tif", image, pixel_size=PixelSize.of(0.5), icc_profile=b"p" * 500)
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        assert file.pages[0].tags["InterColorProfile"].value == b"p" * 500
        np.testing.assert_array_equal(file.asarray(), image)


def test_small_files_stay_classic(tmp_path, write, picture):
    assert write(tmp_path / "a.tif", picture((20, 20, 1))).read_bytes()[:4] == b"II*\0"


def test_a_missing_tile_is_no_image(tmp_path, picture):
    sink = create_sink(tmp_path / "a.tif", ImageSpec((64, 64, 1), "uint8"), tile=32)
    sink.open()
    tile = Tile(0, 32, 0, 64)
    sink.put(tile, sink.encode(tile, picture((32, 64, 1))))
    with pytest.raises(RunError, match="2 of its tiles were never written"):
        sink.finish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tile", [Tile(0, 30, 0, 64), Tile(8, 64, 0, 64), Tile(0, 64, 0, 65)])
def test_tiles_that_cut_segments_are_refused(tmp_path, tile):
    sink = create_sink(tmp_path / "a.tif", ImageSpec((64, 64, 1), "uint8"), tile=32)
    with pytest.raises(InputError, match="not aligned"):
        sink.encode(tile, np.zeros((*tile.shape, 1), np.uint8))


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((32, 64, 3), np.uint8), np.zeros((32, 64, 1), np.uint16), np.zeros((1, 64, 1), np.uint8)],
)
def test_pixels_of_another_kind_are_refused(tmp_path, pixels):
    sink = create_sink(tmp_path / "a.tif", ImageSpec((64, 64, 1), "uint8"), tile=32)
    with pytest.raises(InputError, match="needs uint8 pixels of shape"):
        sink.encode(Tile(0, 32, 0, 64), pixels)


@pytest.mark.parametrize(
    "options",
    [{"compression": "lzw", "level": 3}, {"level": 13}, {"tile": 100}, {"tile": 0}, {"compression": "zip"}],
)
def test_bad_options_are_refused(tmp_path, options):
    with pytest.raises(InputError):
        create_sink(tmp_path / "a.tif", ImageSpec((64, 64, 1), "uint8"), **options)


def test_effort_makes_files_smaller(tmp_path, write, picture):
    image = picture((512, 512, 1))
    sizes = [
        write(tmp_path / f"{level}.tif", image, options={"level": level}).stat().st_size for level in (1, 12)
    ]
    assert sizes[1] < sizes[0]

import struct
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from bigstack.io.writers.exif import directories, upright


def camera_block(order="<", orientation=6):
    """What a camera writes, made by Pillow: main, Exif and GPS directories, and a maker note."""
    exif = Image.Exif()
    exif.endian = order
    exif[Base.Make], exif[Base.Model] = "Maker", "Model T"
    exif[Base.Orientation], exif[Base.Software] = orientation, "firmware 1"
    exif[Base.XResolution] = 72.0
    exif[Base.DateTime] = "2026:11:21 10:11:12"
    details = exif.get_ifd(IFD.Exif)
    details[Base.ExposureTime] = 0.008
    details[Base.ExifImageWidth], details[Base.ExifImageHeight] = 4000, 3000
    details[Base.MakerNote] = bytes(range(100))
    details[Base.ISOSpeedRatings] = 200
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] = (50.0, 5.0, 12.5)
    return exif.tobytes()


def parsed(block):
    exif = Image.Exif()
    exif.load(block)
    return exif


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_block_becomes_upright(order):
    block = camera_block(order).removeprefix(b"Exif\0\0")
    found = parsed(upright(block, (600, 800, 3)))
    assert found[Base.Orientation] == 1
    assert found[Base.Model] == "Model T"
    details = found.get_ifd(IFD.Exif)
    assert (details[Base.ExifImageWidth], details[Base.ExifImageHeight]) == (800, 600)
    assert details[Base.MakerNote] == bytes(range(100))
    assert len(upright(block, (600, 800, 3))) == len(block), "maker notes refer to places in the block"


def test_a_thumbnail_of_one_frame_is_not_shown():
    order, first, fields = "<", 8, 1
    block = b"II*\0" + struct.pack("<I", first) + struct.pack("<H", fields)
    block += struct.pack("<HHIHH", 274, 3, 1, 8, 0) + struct.pack("<I", 26) + b"\0" * 6
    assert struct.unpack_from(order + "I", block, first + 2 + 12)[0] == 26
    assert struct.unpack_from(order + "I", upright(block, (4, 4)), first + 2 + 12)[0] == 0


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_block_travels(tmp_path, write, picture, suffix):
    path = write(tmp_path / f"a{suffix}", picture((60, 80, 3)), exif=camera_block())
    with Image.open(path) as found:
        exif = found.getexif()
        assert (exif[Base.Make], exif[Base.Orientation]) == ("Maker", 1)
        assert exif.get_ifd(IFD.Exif)[Base.ISOSpeedRatings] == 200
        assert exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] == (50.0, 5.0, 12.5)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_has_directories_of_its_own(tmp_path, write, picture, order):
    path = write(tmp_path / "a.tif", picture((60, 80, 3)), exif=camera_block(order))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        assert (tags["Make"].value, tags["Model"].value) == ("Maker", "Model T")
        assert tags["Software"].value.startswith("bigstack ")
        assert "Orientation" not in tags
        details = tags["ExifTag"].value
        assert details["ISOSpeedRatings"] == 200
        assert details["ExposureTime"] == 0.008
        assert "PixelXDimension" not in details
        assert tags["GPSTag"].value["GPSLatitude"] == (50, 1, 5, 1, 25, 2)
    with Image.open(path) as found:
        assert found.getexif().get_ifd(IFD.Exif)[Base.MakerNote] == bytes(range(100))


def test_no_exif_is_fine():
    assert upright(b"", (4, 4)) == b""
    assert directories(b"", (4, 4)) == ([], [], [])


@pytest.mark.parametrize(
    "block", [b"rubbish", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"]
)
def test_damaged_blocks_are_dropped_aloud(block):
    with pytest.warns(UserWarning, match="EXIF is damaged and not kept"):
        assert upright(block, (4, 4)) == b""


def test_flipped_bits_never_break_the_writer():
    """Either a block that Pillow still takes, or none."""
    block = bytearray(camera_block().removeprefix(b"Exif\0\0"))
    random = np.random.default_rng(0)
    for _ in range(500):
        hurt = bytearray(block)
        for at in random.integers(0, len(hurt), 3):
            hurt[at] = random.integers(256)
        hurt = bytes(hurt[: random.integers(1, len(hurt) + 1)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            directories(hurt, (600, 800, 3))
            assert len(upright(hurt, (600, 800, 3))) in (0, len(hurt))


def test_real_camera_files(shared, tmp_path, write):
    source = sorted((shared / "data" / "amber_handheld").iterdir())
    jpeg = next(path for path in source if path.suffix.lower() in (".jpg", ".jpeg"))
    with Image.open(jpeg) as frame:
        block, profile, pixels = frame.info["exif"], frame.info["icc_profile"], np.asarray(frame)
    with tifffile.TiffFile(write(tmp_path / "a.tif", pixels, exif=block, icc_profile=profile)) as file:
        assert file.pages[0].tags["Model"].value == "Canon EOS 5D Mark II"
        assert file.pages[0].tags["InterColorProfile"].value == profile
    with Image.open(write(tmp_path / "a.jpg", pixels, exif=block)) as found:
        assert found.getexif()[Base.Model] == "Canon EOS 5D Mark II"

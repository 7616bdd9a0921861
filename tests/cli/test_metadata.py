"""What cameras wrote goes with the results, as exiftool reads it."""

import json
import shutil
import subprocess

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base

from bigstack import open_stack, write_image
from bigstack.jobs.metadata import carry_metadata

exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed (Debian: libimage-exiftool-perl)"
)
XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" exif:GPSLatitude="50,5.2N" tiff:Orientation="6"
 exif:PixelXDimension="9999" xmp:CreatorTool="Camera app" hdrgm:Version="1.0" xmp:Rating="4">
<dc:creator><rdf:Seq><rdf:li>Ada &lt;3</rdf:li></rdf:Seq></dc:creator>
<exif:GPSLongitude>14,25.1E</exif:GPSLongitude></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def camera_exif(iso, orientation=1):
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model], exif[Base.Software] = "Maker", "Model T", "firmware 1"
    exif[Base.Orientation] = orientation
    details = exif.get_ifd(IFD.Exif)
    details[Base.ExposureTime], details[Base.ISOSpeedRatings] = 0.008, iso
    details[Base.ExifImageWidth], details[Base.ExifImageHeight] = 192, 144
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] = "N"
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] = (50.0, 5.0, 12.5)
    return exif.tobytes()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three frames, stored lying on their side, whose ISO tells them apart."""
    folder = tmp_path_factory.mktemp("photos")
    scene = np.random.default_rng(3).integers(0, 255, (144, 192, 3), np.uint8)
    for i in range(3):
        pixels = cv2.GaussianBlur(scene, (0, 0), 1 + i / 4)
        Image.fromarray(pixels).save(
            folder / f"f{i}.jpg",
            exif=camera_exif(100 * (i + 1), 6),
            icc_profile=profile(),
            xmp=XMP,
            quality=95,
        )
    return folder


@pytest.fixture
def run(bigstack):
    """Run the command and expect it to succeed."""

    def call(*words):
        code, _, errors = bigstack(*words)
        assert code == 0, errors

    return call


def told(path):
    found = subprocess.run(["exiftool", "-json", "-G1", "-n", path], capture_output=True, check=True)
    return json.loads(found.stdout)[0]


def values(found, name):
    return {value for key, value in found.items() if key.split(":")[-1] == name}


@exiftool
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_xmp_and_icc_of_the_first_frame_go_with_the_result(run, photos, tmp_path, suffix):
    path = tmp_path / f"fused{suffix}"
    run("stack", photos, "-o", path, "--align", "none", "-q")
    found = told(path)
    assert 144 in values(found, "ImageWidth")
    assert values(found, "Make") == {"Maker"}
    assert values(found, "ISO") == {100}
    assert values(found, "ExposureTime") == {0.008}
    assert {str(v).split()[0] for v in values(found, "Software")} == {"bigstack"}
    assert values(found, "Orientation") <= {1}
    assert values(found, "ExifImageWidth") <= {144}
    assert not [key for key in found if "GPS" in key], "where it was taken stays private"
    assert values(found, "Creator") == {"Ada <3"}
    assert values(found, "Rating") == {4}
    assert {str(v).split()[0] for v in values(found, "CreatorTool")} == {"bigstack"}
    assert not [key for key in found if "hdrgm" in key], "there is no gain map in the file"
    assert values(found, "ProfileDescription"), "the profile is there and can be read"
    assert "ExifTool:Warning" not in found


@exiftool
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_place_is_kept_when_asked_for(run, photos, tmp_path, suffix):
    path = tmp_path / f"fused{suffix}"
    run("stack", photos, "-o", path, "--align", "none", "--keep-gps", "-q")
    found = told(path)
    assert found["GPS:GPSLatitude"] == pytest.approx(50 + 5 / 60 + 12.5 / 3600)
    assert found["XMP-exif:GPSLatitude"] == pytest.approx(50 + 5.2 / 60)


@exiftool
def test_sixteen_bit_tiff_and_python(photos, tmp_path):
    stack = open_stack(photos)
    image = (stack[1].astype("uint16") * 257).assign_attrs(stack.attrs)
    write_image(image, tmp_path / "a.tif")
    found = told(tmp_path / "a.tif")
    assert found["IFD0:BitsPerSample"] == "16 16 16"
    assert (found["IFD0:Model"], found["ExifIFD:ISO"]) == ("Model T", 100)
    assert not [key for key in found if "GPS" in key]
    write_image(image, tmp_path / "b.tif", keep_gps=True)
    assert "GPS:GPSLatitude" in told(tmp_path / "b.tif")


def iso_of(path):
    with Image.open(path) as found:
        return found.getexif().get_ifd(IFD.Exif)[Base.ISOSpeedRatings]


@pytest.mark.parametrize(("wanted", "iso"), [("last", 300), ("middle", 200), ("1", 200), ("first", 100)])
def test_another_frame_can_be_named(run, photos, tmp_path, wanted, iso):
    run("stack", photos, "-o", tmp_path / "a.jpg", "--align", "none", "--metadata-from", wanted, "-q")
    assert iso_of(tmp_path / "a.jpg") == iso


def test_the_reference_of_the_alignment_is_the_usual_one(run, photos, tmp_path):
    run("stack", photos, "-o", tmp_path / "a.jpg", "--align-reference", "last", "-q")
    assert iso_of(tmp_path / "a.jpg") == 300


def test_the_number_counts_the_frames_in_use(photos):
    stack = open_stack(photos, reverse=True)
    assert carry_metadata(stack, "0").attrs["exif"] == open_stack(photos / "f2.jpg").attrs["exif"]


def test_a_file_can_be_named(run, photos, tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "other.png", exif=camera_exif(77))
    run(
        "stack",
        photos,
        "-o",
        tmp_path / "a.jpg",
        "--metadata-from",
        tmp_path / "other.png",
        "--align",
        "none",
        "-q",
    )
    assert iso_of(tmp_path / "a.jpg") == 77


@pytest.mark.parametrize(
    ("wanted", "text"), [("7", "frames 0 to 2"), ("nowhere.jpg", "nowhere.jpg cannot be read")]
)
def test_a_frame_that_is_not_there_is_told_before_any_work(bigstack, photos, tmp_path, wanted, text):
    code, _, errors = bigstack("stack", photos, "-o", tmp_path / "a.jpg", "--metadata-from", wanted)
    assert code != 0
    assert text in errors
    assert list(tmp_path.iterdir()) == []


def test_gps_leaves_no_bytes_behind(photos, tmp_path):
    stack = open_stack(photos)
    write_image(stack[0], tmp_path / "a.jpg")
    write_image(stack[0], tmp_path / "b.jpg", keep_gps=True)
    place = b"\x32\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00"
    swapped = b"\x00\x00\x00\x32\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00\x01"
    assert any(p in (tmp_path / "b.jpg").read_bytes() for p in (place, swapped))
    assert not any(p in (tmp_path / "a.jpg").read_bytes() for p in (place, swapped))


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_pixel_size_and_channels_of_a_microscope_go_on(run, shared, tmp_path, name):
    source = next((shared / "data" / "zstack_ome").glob("*.ome.tif*"))
    run("stack", source, "-o", tmp_path / name, "--align", "none", "-q")
    found, given = open_stack(tmp_path / name), open_stack(source)
    assert found.attrs["pixel_size"][1:] == given.attrs["pixel_size"][1:]
    assert found.sizes["channel"] == 2


def test_ome_xml_has_objective_date_and_colours(tmp_path):
    ome = """<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
    <Instrument ID="Instrument:3"><Microscope Manufacturer="Zeiss" Model="Axio"/>
    <Objective ID="Objective:3:1" Model="Plan" NominalMagnification="20.0" LensNA="0.8" Immersion="Air"/>
    </Instrument><Image ID="Image:0" Name="a"><AcquisitionDate>2026-11-21T10:00:00</AcquisitionDate>
    <InstrumentRef ID="Instrument:3"/><ObjectiveSettings ID="Objective:3:1"/>
    <Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" SizeY="6" SizeZ="1" SizeC="2"
     SizeT="1">
    <Channel ID="Channel:0:0" Name="DAPI" Color="65535" EmissionWavelength="461" SamplesPerPixel="1"/>
    <Channel ID="Channel:0:1" Name="GFP" Color="16711935" Fluor="GFP" SamplesPerPixel="1"/>
    <TiffData/></Pixels></Image></OME>"""
    tifffile.imwrite(
        tmp_path / "in.ome.tif", np.zeros((2, 6, 8), np.uint8), description=ome.encode(), metadata=None
    )
    stack = open_stack(tmp_path / "in.ome.tif", channel="GFP")
    write_image(stack[0], tmp_path / "out.ome.tif")
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        written = tifffile.xml2dict(file.ome_metadata)["OME"]
    assert written["Instrument"]["Objective"]["LensNA"] == 0.8
    assert written["Instrument"]["Microscope"]["Model"] == "Axio"
    assert written["Image"]["AcquisitionDate"].startswith("2026-11-21")
    assert written["Image"]["Pixels"]["Channel"]["Fluor"] == "GFP"
    write_image(open_stack(tmp_path / "in.ome.tif")[0], tmp_path / "out.ome.zarr")
    facts = open_stack(tmp_path / "in.ome.tif").attrs["ome"]
    assert facts["objective"]["NominalMagnification"] == "20.0"
    assert open_stack(tmp_path / "out.ome.zarr").attrs["ome"] == facts
    omero = json.loads((tmp_path / "out.ome.zarr" / "zarr.json").read_text())["attributes"]["ome"]["omero"]
    assert [c["color"] for c in omero["channels"]] == ["0000FF", "00FF00"]

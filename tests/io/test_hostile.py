"""Files made to harm: refused within seconds, in little memory, and nothing of theirs is run."""

import json
import pickle
import resource
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from bigstack.errors import BigstackError, FormatError, StackError
from bigstack.io.formats.header import Unreadable
from bigstack.io.formats.jpeg import check_scans
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack


@pytest.fixture(autouse=True)
def _little_time_and_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    yield
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def read_all(path, **options):
    stack = open_stack(path, **options)
    source = source_of(stack.data)
    for z in range(min(3, source.shape[0])):
        source.read(z, slice(0, min(64, source.shape[1])), slice(0, min(64, source.shape[2])))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_png_of_more_pixels_than_allowed(tmp_path):
    (tmp_path / "f.png").write_bytes(png(60000, 60000, zlib.compress(bytes(100_000_000), 9) * 40))
    with pytest.raises(
        StackError, match=r"3600000000 pixels to decode at once, the limit is 268435456.*max_pixels"
    ):
        open_stack(tmp_path / "f.png")


def test_the_limit_is_an_option(tmp_path):
    cv2.imwrite(str(tmp_path / "f.png"), np.random.default_rng(0).integers(0, 255, (60, 60)).astype(np.uint8))
    with pytest.raises(StackError, match="3600 pixels to decode at once, the limit is 3599"):
        open_stack(tmp_path / "f.png", max_pixels=3599)
    assert open_stack(tmp_path / "f.png", max_pixels=3600).shape == (1, 60, 60, 1)


def test_a_png_that_claims_more_than_deflate_can_hold(tmp_path):
    (tmp_path / "f.png").write_bytes(png(16000, 16000, zlib.compress(b"\0" * 1000)))
    with pytest.raises(StackError, match="decompression bomb"):
        open_stack(tmp_path / "f.png")


def test_a_png_whose_profile_is_a_bomb(tmp_path):
    plain = png(2, 2, zlib.compress(b"\0\1\2" * 2))
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(200_000_000), 9))
    (tmp_path / "f.png").write_bytes(plain[:33] + profile + plain[33:])
    assert len(open_stack(tmp_path / "f.png").attrs["icc_profile"]) <= 1 << 25


def test_a_jpeg_that_claims_more_than_its_bytes_can_hold(tmp_path):
    data = bytearray(imagecodecs.jpeg8_encode(np.zeros((16, 16), np.uint8)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 16000, 16000)
    (tmp_path / "f.jpg").write_bytes(data)
    with pytest.raises(StackError, match="decompression bomb"):
        open_stack(tmp_path / "f.jpg")


def test_a_progressive_jpeg_of_endless_scans():
    ok, data = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert ok
    data = bytearray(data.tobytes())
    at = data.index(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", 16000, 16000)
    with pytest.raises(Unreadable, match="1006 scans of 256000000 pixels"):
        check_scans(bytes(data) + b"\xff\xda" * 1000)


def big_tiff_tag(path, tag, value, size=4):
    """Overwrite the value of a tag of the first page."""
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].tags[tag].valueoffset
    data = bytearray(path.read_bytes())
    data[at : at + size] = value.to_bytes(size, "little")
    path.write_bytes(data)


@pytest.fixture
def tiff_path(tmp_path):
    path = tmp_path / "f.tif"
    tifffile.imwrite(
        path,
        np.zeros((2, 64, 64), np.uint16),
        photometric="minisblack",
        compression="zlib",
        tile=(64, 64),
        metadata=None,
    )
    return path


@pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength", "TileWidth", "TileLength", "SamplesPerPixel"])
def test_a_tiff_of_absurd_sizes(tiff_path, tag):
    size = 2 if tag == "SamplesPerPixel" else 4
    try:
        big_tiff_tag(tiff_path, tag, (1 << 8 * size) - 16, size)
    except OverflowError:
        pytest.fail("the value must fit")
    with pytest.raises(BigstackError):
        read_all(tiff_path)


def test_a_tile_of_more_pixels_than_allowed(tmp_path):
    path = tmp_path / "f.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), tile=(64, 64), compression="zlib")
    big_tiff_tag(path, "TileWidth", 1 << 20)
    big_tiff_tag(path, "TileLength", 1 << 20)
    with pytest.raises(FormatError, match=r"tile of 1099511627776 pixels.*max_pixels \(--max-pixels\)"):
        open_stack(path)


def test_a_tile_that_decodes_to_more_than_its_size(tmp_path):
    path = tmp_path / "f.tif"
    bomb = zlib.compress(bytes(500_000_000), 9)
    tifffile.imwrite(path, iter([bomb]), shape=(64, 64), dtype="uint8", tile=(64, 64), compression="zlib")
    with pytest.raises(StackError, match=r"f\.tif: frame 0 is damaged"):
        read_all(path)


def test_a_jpeg_tile_larger_than_the_tile(tmp_path):
    path = tmp_path / "f.tif"
    data = bytearray(imagecodecs.jpeg8_encode(np.zeros((16, 16), np.uint8)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    tifffile.imwrite(
        path, iter([bytes(data)]), shape=(16, 16), dtype="uint8", tile=(16, 16), compression="jpeg"
    )
    with pytest.raises(StackError, match="65500 x 65500 pixels inside smaller ones"):
        read_all(path)


def chain(offsets):
    """A TIFF of empty-handed pages, each at its offset, that point to one another in this order."""
    data = bytearray(b"II*\0" + struct.pack("<I", offsets[0]))
    for at, following in zip(offsets, [*offsets[1:], None], strict=True):
        if following is None:
            break
        data.extend(bytes(max(0, at + 18 - len(data))))
        struct.pack_into("<HHHIII", data, at, 1, 256, 4, 1, 8, following)
    return bytes(data)


def test_pages_in_a_circle(tmp_path):
    places = [8 + 18 * i for i in range(200)]
    (tmp_path / "f.tif").write_bytes(chain([*places, places[150]]))
    with pytest.raises(StackError, match="run in a circle after page 199"):
        open_stack(tmp_path / "f.tif")


def test_tags_that_claim_the_file_many_times_over(tmp_path):
    count = 2000
    size = 1 << 20
    entries = b"".join(struct.pack("<HHII", 273, 3, size // 2, 8) for _ in range(count))
    data = b"II*\0" + struct.pack("<I", size) + bytes(size - 8)
    (tmp_path / "f.tif").write_bytes(data + struct.pack("<H", count) + entries + bytes(4))
    with pytest.raises(StackError, match="claim more bytes than the file has"):
        open_stack(tmp_path / "f.tif")


OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY l0 "ha">'
    + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    + ']><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="&l9;"/></OME>'
)
OUTSIDE = '<!DOCTYPE OME [<!ENTITY file SYSTEM "file:///etc/passwd">]><OME><Image Name="&file;"/></OME>'


def ome(inside, pixels='SizeX="16" SizeY="16" SizeC="1" SizeZ="2" SizeT="1"'):
    return (
        f'<?xml version="1.0"?><OME xmlns="{OME}"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" {pixels}>{inside}</Pixels></Image></OME>'
    )


def named(file):
    return f'<TiffData IFD="0" PlaneCount="1"><UUID FileName="{file}">u:1</UUID></TiffData>'


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (LAUGHS, "document type or entities, which is refused"),
        (OUTSIDE, "document type or entities, which is refused"),
        ("<OME><Image></OME>", "is damaged"),
        ("<OME>" + "<a>" * 200_000 + "</OME>", "is damaged"),
        (ome("<TiffData/>", 'SizeX="16" SizeY="16" SizeZ="2000000000"'), "2000000000 planes"),
        (ome('<TiffData IFD="0" PlaneCount="2000000000"/>'), "2000000000 planes"),
        (ome('<TiffData FirstZ="99999999999999999999"/>'), "FirstZ="),
        (ome('<TiffData FirstZ="-5"/>'), "FirstZ="),
        (ome(named("../x.tif")), "another folder"),
        (ome(named("/etc/passwd")), "another folder"),
        (ome(named("a\\b.tif")), "another folder"),
    ],
    ids=range(11),
)  # fmt: skip
def test_ome_xml_that_harms(tmp_path, xml, message):
    tifffile.imwrite(
        tmp_path / "f.tif",
        np.zeros((2, 16, 16), np.uint8),
        description=xml,
        metadata=None,
        photometric="minisblack",
    )
    with pytest.raises(StackError, match=message):
        open_stack(tmp_path / "f.tif")


class Dangerous:
    def __reduce__(self):
        return (Path.touch, (Path("pickle-was-run"),))


def zarr_array(path, **options):
    settings = {
        "shape": (2, 32, 32),
        "chunks": (1, 16, 16),
        "dtype": "uint16",
        "dimension_names": ["z", "y", "x"],
    }
    array = zarr.create_array(str(path), **(settings | options))
    array[...] = 1
    return path


def edited(path, *where, value):
    meta = json.loads(path.read_text())
    place = meta
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    path.write_text(json.dumps(meta))


def test_pickle_is_never_a_codec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = zarr_array(tmp_path / "a", zarr_format=2, dimension_names=None)
    (path / "0.0.0").write_bytes(pickle.dumps(Dangerous()))
    for edit in (("filters", [{"id": "pickle"}]), ("compressor", {"id": "pickle", "protocol": 5})):
        edited(path / ".zarray", edit[0], value=edit[1])
        with pytest.raises(FormatError, match="encoded with 'pickle'"):
            read_all(path)
    edited(path / ".zarray", "compressor", value=None)
    edited(path / ".zarray", "filters", value=None)
    edited(path / ".zarray", "dtype", value="|O")
    with pytest.raises(FormatError, match="pixels must be numbers"):
        read_all(path)
    assert not (tmp_path / "pickle-was-run").exists()


@pytest.mark.parametrize("codec", ["pickle", "numcodecs.pickle", "vlen-bytes", "imagecodecs_tiff", "unknown"])
def test_unknown_codecs_are_refused_wherever_they_are(tmp_path, codec):
    path = zarr_array(tmp_path / "a", shards=(2, 32, 32))
    edited(path / "zarr.json", "codecs", 0, "configuration", "codecs", 1, "name", value=codec)
    with pytest.raises(FormatError, match="encoded with"):
        read_all(path)


@pytest.mark.parametrize("relative", ["../secret", "/etc", "a/../../secret", "", "..", "a\\..\\b", 7, None])
def test_metadata_that_points_out_of_the_store(tmp_path, relative):
    zarr_array(tmp_path / "secret")
    group = zarr.open_group(str(tmp_path / "a"), mode="w", zarr_format=3)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{
            "axes": [{"name": n, "type": "space"} for n in "zyx"],
            "datasets": [{
                "path": relative, "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}],
            }],
        }],
    }  # fmt: skip
    with pytest.raises(StackError, match="outside its folder, which is refused"):
        read_all(tmp_path / "a")


@pytest.mark.parametrize("relative", ["../secret", "/etc"])
def test_plates_that_point_out_of_the_store(tmp_path, relative):
    group = zarr.open_group(str(tmp_path / "a"), mode="w", zarr_format=3)
    group.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": relative}]}}
    with pytest.raises(StackError, match="outside its folder"):
        read_all(tmp_path / "a")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("chunk_grid", "configuration", "chunk_shape"), [1, 1 << 20, 1 << 20]),
        (("chunk_grid", "configuration", "chunk_shape"), [0, 16, 16]),
        (("chunk_grid", "configuration", "chunk_shape"), [1, -16, 16]),
        (("chunk_grid", "configuration", "chunk_shape"), [1, 16]),
        (("shape",), [1 << 40, 32, 32]),
        (("shape",), [2, 1 << 40, 1 << 40]),
        (("shape",), [10**30, 32, 32]),
        (("shape",), [2, 32.5, 32]),
        (("shape",), [True, 32, 32]),
        (("shape",), []),
        (("shape",), [1] * 40),
        (("data_type",), "complex128"),
        (("data_type",), "object"),
        (("data_type",), {"name": "x" * 1000}),
        (("fill_value",), {"a": 1}),
        (("codecs",), []),
        (("storage_transformers",), [{"name": "x"}]),
        (("chunk_key_encoding",), {"name": "../../x", "configuration": {"separator": "../"}}),
        (("chunk_key_encoding",), {"name": "default", "configuration": {"separator": "/../"}}),
    ],
)
def test_zarr_metadata_that_no_image_has(tmp_path, where, value):
    path = zarr_array(tmp_path / "a")
    edited(path / "zarr.json", *where, value=value)
    with pytest.raises(BigstackError):
        read_all(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "", "null", "[]", "{", '"x"', "9" * 10_000, "\xff"]
)
def test_json_that_harms(tmp_path, text):
    path = zarr_array(tmp_path / "a")
    (path / "zarr.json").write_text(text, encoding="latin-1")
    with pytest.raises(StackError, match=r"zarr\.json"):
        read_all(path)


def test_json_without_end(tmp_path):
    path = zarr_array(tmp_path / "a")
    with (path / "zarr.json").open("r+b") as file:
        file.truncate(10 << 30)
    with pytest.raises(StackError, match="more than any metadata has"):
        read_all(path)


@pytest.mark.parametrize("name", ["zstd", "gzip", "blosc"])
def test_chunks_that_decode_to_more_than_a_chunk(tmp_path, name):
    codec = {"zstd": ZstdCodec(), "gzip": GzipCodec(), "blosc": BloscCodec(cname="lz4", shuffle="shuffle")}[
        name
    ]
    path = zarr_array(tmp_path / "a", compressors=codec)
    large = bytes(500_000_000)
    encoded = {
        "zstd": lambda: imagecodecs.zstd_encode(large),
        "gzip": lambda: imagecodecs.gzip_encode(large),
        "blosc": lambda: imagecodecs.blosc_encode(large[:100_000_000]),
    }[name]()
    (path / "c" / "0" / "0" / "0").write_bytes(encoded)
    with pytest.raises(StackError, match="chunk 0/0/0 is damaged"):
        read_all(path)


@pytest.mark.parametrize(("place", "value"), [(4, 1 << 30), (12, 1 << 30), (4, 0), (12, 3)])
def test_a_blosc_header_that_lies(tmp_path, place, value):
    """C-Blosc 1 believes it and reads behind the end of the chunk."""
    path = zarr_array(tmp_path / "a", compressors=BloscCodec(cname="zstd", shuffle="shuffle"))
    file = path / "c" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[place : place + 4] = value.to_bytes(4, "little")
    file.write_bytes(data)
    with pytest.raises(StackError, match="chunk 0/0/0 is damaged"):
        read_all(path)


@pytest.mark.parametrize(
    "codec",
    [
        {"id": "fixedscaleoffset", "scale": 1, "offset": 0, "dtype": "<u2", "astype": "S1000000"},
        {"id": "delta", "dtype": "O"},
        {"id": "shuffle", "elementsize": 0},
        {"id": "shuffle", "elementsize": -1},
    ],
)
def test_filters_that_harm(tmp_path, codec):
    path = zarr_array(tmp_path / "a", zarr_format=2, dimension_names=None)
    edited(path / ".zarray", "filters", value=[codec])
    with pytest.raises(BigstackError):
        read_all(path, axes="zyx")


def test_a_chunk_file_without_end(tmp_path):
    path = zarr_array(tmp_path / "a")
    with (path / "c" / "0" / "0" / "0").open("r+b") as file:
        file.truncate(10 << 30)
    with pytest.raises(StackError, match="far more than the 512 that it decodes to"):
        read_all(path)


def test_a_flipped_bit_in_a_shard_is_noticed(tmp_path):
    path = zarr_array(tmp_path / "a", shards=(2, 32, 32))
    file = path / "c" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    with pytest.raises(StackError, match="its checksum is wrong"):
        read_all(path)


def test_reading_runs_no_import_of_pickled_arrays(tmp_path):
    """A .npy file with objects is no image and is not even opened as one."""
    np.save(tmp_path / "f.npy", np.array([Dangerous()], dtype=object), allow_pickle=True)
    with pytest.raises(StackError, match="not an image that is read: NumPy array"):
        open_stack(tmp_path / "f.npy")


def test_importing_the_reader_imports_nothing_heavy():
    heavy = ("zarr", "tifffile", "imagecodecs", "xarray", "cv2", "dask.array", "yaozarrs")
    code = f"import sys, bigstack.io.open; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

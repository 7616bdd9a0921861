"""Regions of TIFF pages are what tifffile reads, for every way of storing them."""

import itertools
import zlib

import numpy as np
import pytest
import tifffile

from bigstack.errors import FormatError, StackError
from bigstack.io import ring
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack
from tests.io.sources import check_source

SHAPE = (75, 91)


def texture(channels, dtype, frames=2, shape=SHAPE):
    rng = np.random.default_rng(3)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=(frames, *shape, channels)).astype(dtype)
    info = np.iinfo(dtype)
    smooth = rng.integers(info.min, info.max, (frames, 6, 7, channels), dtype=dtype)
    return smooth.repeat(13, axis=1)[:, : shape[0]].repeat(14, axis=2)[:, :, : shape[1]]


def write(folder, pixels, **options):
    for i, frame in enumerate(pixels):
        photometric = "rgb" if frame.shape[-1] == 3 else "minisblack"
        planar = options.get("planarconfig") == "separate"
        data = frame.transpose(2, 0, 1) if planar else frame if frame.shape[-1] > 1 else frame[..., 0]
        tifffile.imwrite(
            folder / f"f{i}.tif", data, **{"photometric": photometric, "metadata": None, **options}
        )
    return folder


LAYOUTS = {
    "one strip": {"rowsperstrip": SHAPE[0]},
    "strips": {"rowsperstrip": 8},
    "rows": {"rowsperstrip": 1},
    "tiles": {"tile": (32, 16)},
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_uncompressed(tmp_path, channels, dtype, layout, order):
    truth = texture(channels, dtype)
    write(tmp_path, truth, byteorder=order, **LAYOUTS[layout])
    check_source(source_of(open_stack(tmp_path).data), truth)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("compression", "predictor"),
    [("lzw", True), ("lzw", False), ("zlib", True), ("zstd", False), ("packbits", False), ("lzma", False)],
)
def test_compressed(tmp_path, compression, predictor, layout):
    truth = texture(3, "uint16")
    write(tmp_path, truth, compression=compression, predictor=predictor, **LAYOUTS[layout])
    check_source(source_of(open_stack(tmp_path).data), truth)


def test_float_predictor_big_endian(tmp_path):
    truth = texture(1, "float32")
    write(tmp_path, truth, compression="zlib", predictor=3, byteorder=">", tile=(32, 32))
    check_source(source_of(open_stack(tmp_path).data), truth)


@pytest.mark.parametrize("compression", ["jpeg", "webp", "jpeg2000"])
def test_compressions_with_loss_are_decoded_as_tifffile_does(tmp_path, compression):
    write(tmp_path, texture(3, "uint8"), compression=compression, tile=(32, 32))
    truth = np.stack([tifffile.imread(tmp_path / f"f{i}.tif") for i in range(2)])
    check_source(source_of(open_stack(tmp_path).data), truth)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_planes_apart(tmp_path, layout, compression):
    truth = texture(3, "uint16")
    write(tmp_path, truth, planarconfig="separate", compression=compression, **LAYOUTS[layout])
    check_source(source_of(open_stack(tmp_path).data), truth)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_any_number_of_samples(tmp_path, channels):
    truth = texture(channels, "uint16")
    write(tmp_path, truth, planarconfig="contig", extrasamples=[0] * (channels - 1))
    stack = open_stack(tmp_path)
    assert stack.channel.values.tolist() == [str(i) for i in range(channels)]
    check_source(source_of(stack.data), truth)
    check_source(source_of(open_stack(tmp_path, channel=[1, 0]).data), truth[..., [1, 0]])


@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12])
def test_packed_bits(tmp_path, bits):
    pixels = texture(1, "uint16") >> (16 - bits)
    if bits == 1:
        write(tmp_path, pixels.astype(bool), photometric="minisblack")
        truth = pixels.astype(np.uint8) * 255
    else:
        stored = pixels.astype(np.uint8 if bits < 8 else np.uint16)
        write(tmp_path, stored, bitspersample=bits)
        truth = stored * {2: 85, 4: 17}[bits] if bits < 8 else stored
    check_source(source_of(open_stack(tmp_path).data), truth)


def test_where_0_is_white_it_becomes_black(tmp_path):
    pixels = texture(1, "uint16")
    write(tmp_path, pixels, photometric="miniswhite")
    check_source(source_of(open_stack(tmp_path).data), np.uint16(65535) - pixels)


@pytest.mark.parametrize("deep", [False, True])
def test_palettes(tmp_path, deep):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (3, 256)).astype(np.uint16)
    colours = (colours * 257 + (7 if deep else 0) * (colours < 250)).astype(np.uint16)
    pixels = texture(1, "uint8")
    write(tmp_path, pixels, photometric="palette", colormap=colours)
    truth = colours.T[pixels[..., 0]]
    check_source(source_of(open_stack(tmp_path).data), truth if deep else (truth >> 8).astype(np.uint8))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float16"])
def test_what_float32_holds_exactly_becomes_float32(tmp_path, dtype):
    truth = texture(1, dtype)
    write(tmp_path, truth)
    check_source(source_of(open_stack(tmp_path).data), truth.astype(np.float32))


@pytest.mark.parametrize("dtype", ["uint32", "int32", "float64", "uint64"])
def test_what_would_be_rounded_is_refused_until_asked_for(tmp_path, dtype):
    truth = texture(1, dtype)
    write(tmp_path, truth)
    with pytest.raises(FormatError, match=rf"holds {dtype} pixels.*dtype='float32'"):
        open_stack(tmp_path)
    check_source(source_of(open_stack(tmp_path, dtype="float32").data), truth.astype(np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photometric": "separated", "planarconfig": "contig"}, "CMYK"),
        ({"photometric": "cielab"}, "CIE L"),
        ({"compression": "lerc", "photometric": "minisblack"}, "compression 34887; read are none, LZW"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, options, message):
    channels = {"separated": 4, "cielab": 3}.get(options["photometric"], 1)
    write(tmp_path, texture(channels, "uint8"), **options)
    with pytest.raises(StackError, match=message):
        open_stack(tmp_path)


def test_empty_tiles_are_black(tmp_path):
    pixels = np.zeros((2, 64, 64, 1), np.uint16)
    pixels[0, :16, :16] = 7
    pixels[1, 40:, :20] = 9
    for i, frame in enumerate(pixels):
        tiles = (
            zlib.compress(t.tobytes()) if t.any() else b""
            for t in (
                frame[y : y + 16, x : x + 16, 0] for y, x in itertools.product(range(0, 64, 16), repeat=2)
            )
        )
        tifffile.imwrite(
            tmp_path / f"f{i}.tif", tiles, shape=(64, 64), dtype="uint16", tile=(16, 16), compression="zlib",
            photometric="minisblack",
        )  # fmt: skip
    check_source(source_of(open_stack(tmp_path).data), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_turned_pages(tmp_path, orientation, compression):
    upright = texture(3, "uint8")
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    turn = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a),
    }  # fmt: skip
    stored = np.stack([turn[back](frame) for frame in upright])
    write(tmp_path, stored, compression=compression, extratags=[(274, "H", 1, orientation, True)])
    check_source(source_of(open_stack(tmp_path).data), upright)


def test_a_frame_that_is_one_compressed_strip_is_decoded_once(tmp_path, monkeypatch):
    write(tmp_path, texture(1, "uint16", 3), compression="zlib", rowsperstrip=SHAPE[0])
    fresh = ring.FrameRing(frames=2)
    monkeypatch.setattr("bigstack.io.tiff.FRAMES", fresh)
    source = source_of(open_stack(tmp_path).data)
    assert source.whole_frames
    decoded = []
    original = type(source)._decode
    monkeypatch.setattr(type(source), "_decode", lambda self, z, p: decoded.append(z) or original(self, z, p))
    for z, x in itertools.product(range(3), range(0, 90, 30)):
        source.read(z, slice(0, 20), slice(x, x + 30))
    assert decoded == [0, 1, 2]


def test_uncompressed_and_tiled_pages_are_not_whole_frames(tmp_path):
    write(tmp_path, texture(1, "uint16"), rowsperstrip=SHAPE[0])
    assert not source_of(open_stack(tmp_path).data).whole_frames


def test_only_the_touched_strips_are_read(tmp_path):
    """Damage elsewhere in the page does not matter."""
    truth = texture(1, "uint16")
    write(tmp_path, truth, compression="zlib", rowsperstrip=5)
    with tifffile.TiffFile(tmp_path / "f0.tif") as tiff:
        at = tiff.pages[0].dataoffsets[10]
    data = bytearray((tmp_path / "f0.tif").read_bytes())
    data[at : at + 8] = bytes(8)
    (tmp_path / "f0.tif").write_bytes(data)
    source = source_of(open_stack(tmp_path).data)
    columns = slice(3, 50)
    np.testing.assert_array_equal(source.read(0, slice(1, 49), columns), truth[0, 1:49, columns])
    with pytest.raises(StackError, match=r"f0\.tif: frame 0 is damaged"):
        source.read(0, slice(49, 52), columns)


def test_a_file_cut_short_after_opening_is_an_error_not_a_crash(tmp_path):
    write(tmp_path, texture(1, "uint16"), rowsperstrip=5)
    source = source_of(open_stack(tmp_path).data)
    path = tmp_path / "f1.tif"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(StackError, match=r"f1\.tif"):
        source.read(1, slice(0, SHAPE[0]), slice(0, SHAPE[1]))


def test_layouts_may_differ_between_files(tmp_path):
    truth = texture(3, "uint8", 4)
    for i, options in enumerate(
        [{"tile": (16, 16)}, {"rowsperstrip": 3, "compression": "lzw"}, {"byteorder": ">"}, {"bigtiff": True}]
    ):
        tifffile.imwrite(tmp_path / f"f{i}.tif", truth[i], photometric="rgb", **options)
    check_source(source_of(open_stack(tmp_path).data), truth)

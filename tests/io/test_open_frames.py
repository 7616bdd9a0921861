"""Frames give the pixels that other decoders give, turned upright, with what travels with them."""

import base64
import io
import json
import struct

import cv2
import dask
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from bigstack.errors import InputError, StackError
from bigstack.geometry import PixelSize
from bigstack.io import ring
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack

from .sources import check_source

SHAPE = (37, 53)


def frames(count=4, channels=3, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max + 1, (count, *SHAPE, channels)).astype(dtype)


def swapped(pixels):
    """RGB(A) to the order of OpenCV and back."""
    order = {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[-1]]
    return pixels[..., order]


def write(folder, pixels, ending):
    for i, frame in enumerate(pixels):
        assert cv2.imwrite(str(folder / f"f{i}.{ending}"), swapped(frame))
    return folder


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_lossless_frames(tmp_path, ending, channels, dtype):
    truth = frames(channels=channels, dtype=dtype)
    stack = open_stack(write(tmp_path, truth, ending))
    assert stack.dims == ("z", "y", "x", "channel")
    assert stack.channel.values.tolist() == (["R", "G", "B"] if channels == 3 else ["grey"])
    check_source(source_of(stack.data), truth)
    np.testing.assert_array_equal(stack.compute().values, truth)


@pytest.mark.parametrize("channels", [1, 3])
def test_bmp(tmp_path, channels):
    truth = frames(channels=channels)
    check_source(source_of(open_stack(write(tmp_path, truth, "bmp")).data), truth)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_libjpeg_gives(tmp_path, channels):
    smooth = cv2.GaussianBlur(frames(1, channels)[0], (0, 0), 3).reshape(*SHAPE, channels)
    pixels = np.stack([np.roll(smooth, i, 0) for i in range(3)])
    write(tmp_path, pixels, "jpg")
    truth = np.stack(
        [np.asarray(Image.open(tmp_path / f"f{i}.jpg")).reshape(*SHAPE, channels) for i in range(3)]
    )
    check_source(source_of(open_stack(tmp_path).data), truth)


def test_webp_lossless(tmp_path):
    truth = frames()
    for i, frame in enumerate(truth):
        Image.fromarray(frame).save(tmp_path / f"f{i}.webp", lossless=True)
    check_source(source_of(open_stack(tmp_path).data), truth)


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "P4", "LA", "RGB", "RGBA", "Ptransparent", "Ltransparent", "I;16"]
)
def test_every_kind_of_png(tmp_path, mode):
    truth = []
    for i, frame in enumerate(frames()):
        image = Image.fromarray(frame)
        options = {}
        if mode == "P4":
            image = image.quantize(4)
        elif mode == "I;16":
            image = Image.fromarray(frames(dtype=np.uint16)[i, ..., 0])
        else:
            image = image.convert(mode.removesuffix("transparent"))
            options = {"transparency": 5} if mode.endswith("transparent") else {}
        image.save(tmp_path / f"f{i}.png", **options)
        seen = Image.open(tmp_path / f"f{i}.png")
        as_what = {"1": "L", "P": "RGB", "P4": "RGB", "Ptransparent": "RGBA", "Ltransparent": "LA"}.get(mode)
        pixels = np.asarray(seen.convert(as_what) if as_what else seen)
        truth.append(pixels.reshape(*SHAPE, -1))
    stack = open_stack(tmp_path)
    expected = np.stack(truth)
    if expected.shape[3] in (2, 4):
        np.testing.assert_array_equal(stack.alpha.values, expected[..., -1])
        expected = expected[..., :-1]
    check_source(source_of(stack.data), expected)


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_alpha_is_kept_apart_and_says_where_there_is_data(tmp_path, ending):
    truth = frames(channels=4)
    truth[0, ..., 3] = 255  # WebP leaves the alpha of this one away
    truth[1, :5, :, 3] = 0
    for i, frame in enumerate(truth):
        options = {"lossless": True, "exact": True} if ending == "webp" else {}
        Image.fromarray(frame).save(tmp_path / f"f{i}.{ending}", **options)
    stack = open_stack(tmp_path)
    assert stack.channel.values.tolist() == ["R", "G", "B"]
    assert dask.is_dask_collection(stack.alpha.data)
    np.testing.assert_array_equal(stack.alpha.values, truth[..., 3])
    source = source_of(stack.data)
    check_source(source, truth[..., :3])
    region = slice(2, 9), slice(3, 30)
    assert source.valid(0, *region) is None
    np.testing.assert_array_equal(source.valid(1, *region), truth[1, ..., 3][region] != 0)
    one = open_stack(tmp_path, channel="G", every=2, reverse=True)
    np.testing.assert_array_equal(one.values, truth[2::-2, ..., 1:2])
    np.testing.assert_array_equal(one.alpha.values, truth[2::-2, ..., 3])
    np.testing.assert_array_equal(source_of(one.data).valid(1, *region) is None, True)


def exif_with(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker of cameras"
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_frames_are_turned_upright(tmp_path, ending, orientation):
    truth = []
    for i, frame in enumerate(frames(3)):
        image = Image.fromarray(cv2.GaussianBlur(frame, (0, 0), 2))
        path = tmp_path / f"f{i}.{ending}"
        options = {"lossless": True} if ending == "webp" else {}
        image.save(path, exif=exif_with(orientation), **options)
        seen = Image.open(path)
        truth.append(np.asarray(ImageOps.exif_transpose(seen)))
    stack = open_stack(tmp_path)
    check_source(source_of(stack.data), np.stack(truth))
    exif = Image.Exif()
    exif.load(base64.b64decode(stack.attrs["exif"]))
    assert exif.get(0x0112, 1) == 1
    assert exif[0x010F] == "Maker of cameras"


def test_jpegs_turned_differently_fit_when_they_are_upright(tmp_path):
    upright = np.asarray(frames(1)[0])
    Image.fromarray(upright).save(tmp_path / "f0.png", exif=exif_with(1))
    Image.fromarray(np.ascontiguousarray(np.rot90(upright)) + 0).save(tmp_path / "f1.png", exif=exif_with(6))
    stack = open_stack(tmp_path)
    np.testing.assert_array_equal(stack.values[0], stack.values[1])


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_profile_and_xmp_travel_with_the_stack(tmp_path, ending):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><note/></x:xmpmeta>'
    for i, frame in enumerate(frames()):
        options = {"icc_profile": profile}
        if ending in ("jpg", "webp"):
            options["xmp"] = xmp
        Image.fromarray(frame).save(tmp_path / f"f{i}.{ending}", **options)
    stack = open_stack(tmp_path)
    assert base64.b64decode(stack.attrs["icc_profile"]) == profile
    if ending in ("jpg", "webp"):
        assert base64.b64decode(stack.attrs["xmp"]) == xmp
    json.dumps(stack.attrs)


def test_exif_of_a_tiff_is_collected(tmp_path):
    for i, frame in enumerate(frames(2)):
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[0x010F] = "Maker of cameras"
        info[0x8769] = {0x9003: "2026:11:20 10:11:12", 0x829A: TiffImagePlugin.IFDRational(1, 250)}
        Image.fromarray(frame).save(tmp_path / f"f{i}.tif", tiffinfo=info)
    exif = Image.Exif()
    exif.load(base64.b64decode(open_stack(tmp_path).attrs["exif"]))
    assert exif[0x010F] == "Maker of cameras"
    assert exif.get_ifd(0x8769)[0x9003] == "2026:11:20 10:11:12"
    assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 250)


def test_damaged_exif_does_not_stop_the_frames(tmp_path):
    buffer = io.BytesIO()
    for i, frame in enumerate(frames(3)):
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", exif=exif_with(6))
        data = buffer.getvalue()
        at = data.index(b"Exif\0\0") + 6
        broken = struct.pack("<2sHI", b"II", 42, 0xFFFFFFF0)
        (tmp_path / f"f{i}.jpg").write_bytes(data[:at] + broken + data[at + 8 :])
    assert open_stack(tmp_path).shape[1:3] == SHAPE


@pytest.fixture
def ten(tmp_path):
    truth = frames(10, 3)
    return write(tmp_path, truth, "png"), truth


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"every": 3}, slice(0, 10, 3)),
        ({"start": 2, "stop": 7}, slice(2, 7)),
        ({"start": -3}, slice(-3, None)),
        ({"stop": -8}, slice(0, -8)),
        ({"reverse": True}, slice(None, None, -1)),
        ({"start": 1, "every": 4, "reverse": True}, [9, 5, 1]),
    ],
)
def test_subsets_are_sources_that_read_only_their_frames(ten, options, expected):
    folder, truth = ten
    stack = open_stack(folder, z=0.5, **options)
    check_source(source_of(stack.data), truth[expected])
    np.testing.assert_allclose(stack.z.values, np.arange(10)[expected] * 0.5)


def test_reversed_frames_are_decoded_ahead_in_that_order(ten, monkeypatch):
    folder, _ = ten
    asked = []
    monkeypatch.setattr(ring.FRAMES, "get", lambda key, decode, ahead, walk: asked.extend(ahead) or decode())
    source = source_of(open_stack(folder, reverse=True).data)
    source.read(4, slice(0, 1), slice(0, 1))
    assert asked[0][0][0].path.endswith("f4.png")


@pytest.mark.parametrize(
    ("channel", "numbers"),
    [("G", [1]), (2, [2]), (["B", "R"], [2, 0]), (["0", "2"], [0, 2]), ([0, 1, 2], [0, 1, 2]), ("1", [1])],
)
def test_channels_by_name_and_number(ten, channel, numbers):
    folder, truth = ten
    stack = open_stack(folder, channel=channel)
    assert stack.channel.values.tolist() == ["RGB"[i] for i in numbers]
    check_source(source_of(stack.data), truth[..., numbers])


@pytest.mark.parametrize("channel", ["X", 3, -1, [], ["R", 0], "3"])
def test_channels_that_are_not_there_are_refused(ten, channel):
    with pytest.raises(InputError, match="channel"):
        open_stack(ten[0], channel=channel)


def test_pixel_size_makes_coordinates(ten):
    stack = open_stack(ten[0], pixel_size=(2.0, 0.5, 0.25))
    assert stack.attrs["units"] == "micrometer"
    assert stack.attrs["pixel_size"] == [2.0, 0.5, 0.25]
    np.testing.assert_array_equal(stack.z.values, np.arange(10) * 2.0)
    np.testing.assert_array_equal(stack.y.values, np.arange(SHAPE[0]) * 0.5)
    np.testing.assert_array_equal(stack.x.values, np.arange(SHAPE[1]) * 0.25)
    assert stack.x.attrs["units"] == "micrometer"
    assert open_stack(ten[0], pixel_size=PixelSize(None, 1, 1)).attrs["pixel_size"] == [None, 1, 1]
    assert open_stack(ten[0], pixel_size=(3.0, 1, 1), every=2).attrs["pixel_size"] == [6.0, 1, 1]


def test_without_a_size_frames_and_pixels_are_counted(ten):
    stack = open_stack(ten[0])
    assert stack.attrs["units"] == "pixel"
    assert stack.attrs["pixel_size"] is None
    assert stack.z.attrs["units"] == "frame"
    np.testing.assert_array_equal(stack.x.values, np.arange(SHAPE[1]))


def test_irregular_positions(ten):
    positions = [0, 1, 3, 4, 5, 7, 8, 9, 12, 13.5]
    stack = open_stack(ten[0], z=positions, pixel_size=1)
    np.testing.assert_array_equal(stack.z.values, positions)
    assert stack.z.attrs["units"] == "micrometer"
    assert stack.attrs["pixel_size"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "options",
    [
        {"every": 0}, {"start": 20}, {"z": [1, 2, 3]}, {"z": 0}, {"z": -1.0}, {"z": float("nan")},
        {"z": [float("inf")] * 10},
        {"pixel_size": 0}, {"pixel_size": (1, 2, 3, 4)}, {"max_pixels": 0}, {"scene": 1}, {"level": 2},
        {"time": 3}, {"axes": "zyx"},
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(ten, options):
    with pytest.raises(InputError):
        open_stack(ten[0], **options)


def test_a_list_keeps_its_order_and_a_pattern_sorts(ten):
    folder, truth = ten
    stack = open_stack([folder / f"f{i}.png" for i in (3, 1, 2)])
    np.testing.assert_array_equal(stack.values, truth[[3, 1, 2]])
    np.testing.assert_array_equal(open_stack(f"{folder}/f[0-4].png").values, truth[:5])
    np.testing.assert_array_equal(open_stack(folder / "f7.png").values, truth[7:8])
    assert stack.attrs["files"] == [str(folder / f"f{i}.png") for i in (3, 1, 2)]


def test_tasks_may_work_in_another_folder(ten, tmp_path_factory, monkeypatch):
    folder, truth = ten
    monkeypatch.chdir(folder.parent)
    opened = [
        open_stack(folder.name),
        open_stack(f"{folder.name}/f*.png"),
        open_stack([f"{folder.name}/f{i}.png" for i in range(10)]),
    ]
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    for stack in opened:
        np.testing.assert_array_equal(stack.values, truth)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(StackError, match="does not exist"):
        open_stack(tmp_path / "nothing")
    with pytest.raises(InputError, match="empty list"):
        open_stack([])
    with pytest.raises(InputError, match="is an address"):
        open_stack("ftp://host/stack.zarr")


def test_tokens_change_with_files_and_choice(ten):
    from dask.base import tokenize

    folder, _ = ten
    first = source_of(open_stack(folder).data)
    assert tokenize(first) == tokenize(source_of(open_stack(folder).data))
    assert tokenize(first) != tokenize(source_of(open_stack(folder, reverse=True).data))
    assert tokenize(first) != tokenize(source_of(open_stack(folder, channel=0).data))
    path = folder / "f3.png"
    path.write_bytes(path.read_bytes() + b"\0")
    assert tokenize(first) != tokenize(source_of(open_stack(folder).data))

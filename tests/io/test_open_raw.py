"""RAW photographs, made here as DNG: one development for all frames."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from bigstack import fuse, open_stack
from bigstack.errors import InputError, StackError

pytest.importorskip("rawpy", reason="the extra raw is not installed: pip install 'bigstack[raw]'")

XYZ_OF_SRGB = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
BLACK, WHITE = 64, 4095


def fractions(values):
    return tuple(part for value in values for part in (round(value * 10000), 10000))


def write_dng(path, scene, *, neutral=(0.5, 1.0, 0.8), orientation=1):
    """A minimal DNG of a camera that sees linear sRGB (y, x, 3) from 0 to 1, filtered RGGB."""
    values = scene[..., 1].copy()
    values[0::2, 0::2] = scene[0::2, 0::2, 0]
    values[1::2, 1::2] = scene[1::2, 1::2, 2]
    matrix = fractions(np.linalg.inv(XYZ_OF_SRGB).ravel())
    tags = [
        (271, 2, 0, "Maker", True), (272, 2, 0, "Model R", True), (274, 3, 1, orientation, True),
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (50707, 1, 4, bytes((1, 1, 0, 0)), True),
        (50708, 2, 0, "Maker Model R", True), (50714, 3, 1, BLACK, True), (50717, 3, 1, WHITE, True),
        (50721, 10, 9, matrix, True), (50728, 5, 3, fractions(neutral), True), (50778, 3, 1, 21, True),
    ]  # fmt: skip
    sensor = np.rint(BLACK + values.clip(0, 1) * (WHITE - BLACK)).astype(np.uint16)
    tifffile.imwrite(path, sensor, photometric=32803, extratags=tags, metadata=None)


def curve(linear):
    """The curve of sRGB."""
    linear = np.asarray(linear, float)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def even(level, size=(64, 80), tint=(0.5, 1.0, 0.8)):
    return np.ones((*size, 3)) * level * np.array(tint)


@pytest.fixture
def folder(tmp_path):
    """A dark, a bright and a middling frame of another white balance each."""
    for i, (level, neutral) in enumerate([(0.1, (0.5, 1, 0.8)), (0.6, (0.4, 1, 0.9)), (0.3, (0.6, 1, 0.5))]):
        scene = even(level)
        scene[:20, :20] *= 0.25
        write_dng(tmp_path / f"f{i}.dng", scene, neutral=neutral)
    return tmp_path


def test_brightness_and_white_are_those_of_the_scene_in_every_frame(folder):
    stack = open_stack(folder)
    assert (stack.shape, stack.dtype) == ((3, 64, 80, 3), np.uint16)
    found = stack[:, 40:60, 40:60].values.astype(float).mean(axis=(1, 2)) / 65535
    # White at the sensor means white in the picture, and grey is grey by the first frame's balance for all.
    np.testing.assert_allclose(found, np.repeat(curve([0.1, 0.6, 0.3])[:, None], 3, axis=1), atol=0.02)


def test_a_frame_alone_is_as_in_the_stack(folder):
    stack = open_stack([folder / "f0.dng", folder / "f1.dng"])
    alone = open_stack(folder / "f0.dng")
    np.testing.assert_array_equal(stack[0].values, alone[0].values)


@pytest.mark.parametrize("white", ["daylight", "auto", (1.0, 1.0, 1.0)])
def test_white_balances(folder, white):
    found = (
        open_stack(folder, raw_white_balance=white)[1, 40:60, 40:60].values.astype(float).mean(axis=(0, 1))
    )
    ratios = found / found[1]
    if white == "auto":
        np.testing.assert_allclose(ratios, 1, atol=0.02)
    else:
        assert ratios[0] < 0.9, "the light is green without a balance for it"


def test_half_size(folder):
    whole, half = open_stack(folder), open_stack(folder, raw_half_size=True)
    assert half.shape == (3, 32, 40, 3)
    difference = half[1].values.astype(float) - whole[1, ::2, ::2].values
    assert np.median(np.abs(difference)) < 200


@pytest.mark.parametrize("size", [(61, 81), (60, 81)])
def test_odd_sizes_and_turned_cameras(tmp_path, size):
    write_dng(tmp_path / "a.dng", even(0.3, size), orientation=6)
    for half in (False, True):
        stack = open_stack(tmp_path / "a.dng", raw_half_size=half)
        assert stack[0].values.shape == stack.shape[1:]
        wanted = (-(-size[1] // 2), -(-size[0] // 2)) if half else size[::-1]
        assert stack.shape[1:3] == wanted


def test_exif_goes_on_and_the_stack_fuses(folder):
    import base64

    stack = open_stack(folder)
    assert b"Model R" in base64.b64decode(stack.attrs["exif"])
    assert fuse(stack).image.compute().shape == (64, 80, 3)


def test_raw_and_jpeg_beside_each_other_have_to_be_told_apart(folder):
    import cv2

    for i in range(3):
        cv2.imwrite(str(folder / f"f{i}.jpg"), np.zeros((64, 80, 3), np.uint8))
    with pytest.raises(StackError, match="3 RAW"):
        open_stack(folder)
    assert open_stack(folder / "*.dng").shape[0] == 3


@pytest.mark.parametrize("white", ["cloudy", (1.0, -1.0, 1.0), (1.0,)])
def test_other_white_balances_are_refused(folder, white):
    with pytest.raises(InputError, match="white balance"):
        open_stack(folder, raw_white_balance=white)


def test_options_of_raw_need_raw(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="--raw-half-size"):
        open_stack(tmp_path / "a.png", raw_half_size=True)


def test_a_truncated_photograph_is_named(folder):
    data = (folder / "f1.dng").read_bytes()
    (folder / "f1.dng").write_bytes(data[: len(data) // 2])
    with pytest.raises(StackError, match=r"f1\.dng"):
        open_stack(folder).compute()


def test_without_the_extra_the_way_out_is_told(folder):
    code = (
        "import sys; sys.modules['rawpy'] = None\n"
        "from bigstack.cli import main\n"
        f"main(['info', {str(folder)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "pip install 'bigstack[raw]'" in done.stderr
    assert "Traceback" not in done.stderr

"""Balance of pixels: what stays, what changes, against colour models stated elsewhere."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color

from bigstack.errors import InputError
from bigstack.kernels.correction.balance import SPACES, balance, balance_table, space_of
from bigstack.kernels.correction.curves import evaluate
from bigstack.kernels.correction.lab import lab_levels

TOPS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
HERE = {"linear": (1.1,), "gamma": (1.3,), "match_hist": (0.0, 0.4, 1.0, 0.1, 0.6, 0.9)}


def image(dtype, shape=(20, 30, 3), seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.random(shape, np.float32)
    return rng.integers(0, int(TOPS[dtype]) + 1, shape, dtype)


def curves(space, curve, top, channels=3):
    """A curve for every level, matched histograms in the level's own scale."""
    scales = [top if full is None else full for full in SPACES[space].scales(channels)]
    if curve != "match_hist":
        return (HERE[curve],) * len(scales)
    return tuple(tuple(v * scale for v in HERE[curve]) for scale in scales)


@pytest.mark.parametrize("dtype", TOPS)
@pytest.mark.parametrize("curve", HERE)
@pytest.mark.parametrize("space", SPACES)
def test_dtype_and_range_are_kept(space, curve, dtype):
    top = TOPS[dtype]
    pixels = image(dtype)
    result = balance(pixels, space, curve, curves(space, curve, top), top)
    assert result.dtype == pixels.dtype
    assert result.shape == pixels.shape
    assert np.abs(result.astype(float) - pixels).max() > 0.05 * top
    if dtype != "float32":
        # A curve that only brightens must never wrap around.
        brighter = balance(pixels, space, "linear", ((4.0,),) * len(SPACES[space].scales(3)), top)
        assert brighter.max() == top
        assert (brighter.max(axis=2) >= pixels.max(axis=2)).all()


@pytest.mark.parametrize("dtype", TOPS)
@pytest.mark.parametrize("space", SPACES)
def test_a_curve_of_almost_nothing_changes_almost_nothing(space, dtype):
    top = TOPS[dtype]
    pixels = image(dtype)
    # Not exactly 1: that is answered without a conversion.
    near = ((1.0 + 1e-7,),) * len(SPACES[space].scales(3))
    result = balance(pixels, space, "linear", near, top)
    step = {"uint8": 0.0, "uint16": 1.0, "float32": 2e-5}[dtype]
    assert np.abs(result.astype(float) - pixels).max() <= step


@pytest.mark.parametrize("space", SPACES)
def test_curves_that_change_nothing_give_back_the_pixels(space):
    pixels = image("uint16")
    assert balance(pixels, space, "gamma", ((1.0,),) * len(SPACES[space].scales(3)), 65535.0) is pixels


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("space", ["lumi", "rgb"])
def test_integers_are_rounded_not_truncated(space, dtype):
    top = TOPS[dtype]
    pixels = image(dtype)
    result = balance(pixels, space, "linear", ((0.9,),) * len(SPACES[space].scales(3)), top)
    np.testing.assert_array_equal(result, np.rint(pixels * 0.9))


def test_each_channel_has_its_own_curve():
    pixels = image("uint8")
    result = balance(pixels, "rgb", "linear", ((0.5,), (1.0,), (0.25,)), 255.0)
    np.testing.assert_array_equal(result, np.rint(pixels * [0.5, 1.0, 0.25]))


def test_any_number_of_channels_is_balanced_by_itself_or_together():
    pixels = image("uint16", (9, 9, 5))
    result = balance(pixels, "rgb", "linear", ((0.5,),) * 5, 65535.0)
    np.testing.assert_array_equal(result, balance(pixels, "lumi", "linear", ((0.5,),), 65535.0))


def test_hsv_scales_saturation_and_value_and_keeps_hue():
    pixels = image("float32")
    result = balance(pixels, "hsv", "linear", ((0.7,), (0.8,)), 1.0)
    for before, after in zip(pixels.reshape(-1, 3), result.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before.tolist())
        expected = colorsys.hsv_to_rgb(hue, 0.7 * saturation, 0.8 * value)
        np.testing.assert_allclose(after, expected, atol=2e-6)


def test_hls_scales_lightness_and_saturation_and_keeps_hue():
    pixels = image("float32")
    result = balance(pixels, "hls", "linear", ((0.8,), (0.7,)), 1.0)
    for before, after in zip(pixels.reshape(-1, 3), result.reshape(-1, 3), strict=True):
        hue, light, saturation = colorsys.rgb_to_hls(*before.tolist())
        expected = colorsys.hls_to_rgb(hue, 0.8 * light, 0.7 * saturation)
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_lab_is_that_of_the_cie():
    pixels = image("float32")
    light, a, b = lab_levels(pixels, 1.0)
    expected = color.rgb2lab(pixels.astype(float))
    np.testing.assert_allclose(np.stack([light, a - 128, b - 128], -1), expected, atol=0.02)


def test_lab_comes_back_as_rgb():
    pixels = image("float32") * 0.9 + 0.05
    result = balance(pixels, "lab", "linear", ((0.95,), (1.0,), (1.0,)), 1.0)
    light, a, b = lab_levels(pixels, 1.0)
    again = lab_levels(result, 1.0)
    for found, expected in zip(again, (0.95 * light, a, b), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("space", ["hsv", "hls"])
def test_black_grey_and_white_stay_without_colour(space):
    greys = np.repeat(np.array([0, 1, 90, 255], np.uint8)[:, None, None], 3, axis=2)
    result = balance(greys, space, "gamma", ((1.5,), (1.5,)), 255.0)
    assert (result == result[..., :1]).all()
    assert result[0].max() == 0
    assert result[3].min() == 255


def test_negative_and_large_floats_are_not_clipped():
    pixels = np.array([[[-0.25, 0.5, 2.0]]], np.float32)
    np.testing.assert_array_equal(
        balance(pixels, "rgb", "linear", ((2.0,),) * 3, 1.0), np.array([[[-0.5, 1.0, 4.0]]])
    )
    assert balance(pixels, "rgb", "gamma", ((2.0,),) * 3, 1.0)[0, 0, 0] == -0.25


def test_matched_values_are_joined_by_straight_lines_that_go_on():
    x = np.array([0.0, 10.0, 15.0, 20.0, 30.0])
    assert evaluate(x, "match_hist", (10.0, 20.0, 50.0, 70.0), 255).tolist() == [40, 50, 60, 70, 80]


@pytest.mark.parametrize("dtype", TOPS)
@pytest.mark.parametrize("curve", HERE)
@pytest.mark.parametrize("space", SPACES)
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_windows_give_the_bits_of_the_whole_image(space, curve, dtype, data):
    height, width = data.draw(st.integers(1, 23)), data.draw(st.integers(1, 71))
    pixels = image(dtype, (height, width, 3), data.draw(st.integers(0, 999)))
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    top = TOPS[dtype]
    own = curves(space, curve, top)
    whole = balance(pixels, space, curve, own, top)
    np.testing.assert_array_equal(balance(pixels[y:, x:], space, curve, own, top), whole[y:, x:])


def test_tables_are_for_integers_whose_channels_are_independent():
    assert balance_table(np.dtype("uint8"), "rgb", "linear", ((1.1,),) * 3).shape == (1, 256, 3)
    assert balance_table(np.dtype("float32"), "rgb", "linear", ((1.1,),) * 3) is None
    assert balance_table(np.dtype("uint8"), "hsv", "linear", ((1.1,),) * 2) is None


def test_colour_spaces_want_three_channels():
    with pytest.raises(InputError, match="hsv needs 3 channels"):
        space_of("hsv", 1)
    with pytest.raises(InputError, match="one of: lumi, rgb, hsv, hls, lab"):
        space_of("hsl", 3)
    assert space_of("lumi", 2).name == "lumi"

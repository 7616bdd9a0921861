"""The grey channel that focus is measured on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.luminance import luminance

REC_601 = np.array([0.299, 0.587, 0.114])
DTYPES = ("uint8", "uint16", "float32", "float64")


def picture(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_three_channels_are_rgb_and_others_are_averaged(count, dtype):
    frame = picture(0, (21, 34, count), dtype)
    expected = frame @ REC_601 if count == 3 else frame.mean(axis=2)
    grey = luminance(frame)
    assert grey.dtype == frame.dtype
    # OpenCV's weights are fixed-point numbers of 15 bits: at 16 bits of pixel that shows, by a level or two.
    tolerance = 1e-6 if dtype.startswith("float") else 0.501 if dtype == "uint8" else 2.5
    np.testing.assert_allclose(grey, expected, atol=tolerance)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_extremes_neither_wrap_nor_fade(count, dtype):
    for level in (0, 1, np.iinfo(dtype).max - 1, np.iinfo(dtype).max):
        assert (luminance(np.full((3, 5, count), level, dtype)) == level).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_chosen_channels_alone_count(dtype):
    frame = picture(1, (9, 14, 5), dtype)
    np.testing.assert_array_equal(luminance(frame, (3,)), frame[..., 3])
    np.testing.assert_array_equal(luminance(frame, (4, 1)), luminance(frame[..., [4, 1]]))
    np.testing.assert_array_equal(luminance(frame, (2, 0, 4)), luminance(frame[..., [2, 0, 4]]))


def test_a_grey_image_is_itself():
    frame = picture(2, (6, 7), "uint8")
    np.testing.assert_array_equal(luminance(frame), frame)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), count=st.integers(1, 5), seed=st.integers(0, 99))
def test_a_pixel_depends_on_itself_alone(dtype, count, seed, data):
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 150)))
    frame = picture(seed, (*shape, count), dtype)
    y, x = (
        slice(start := data.draw(st.integers(0, side - 1)), data.draw(st.integers(start + 1, side)))
        for side in shape
    )
    np.testing.assert_array_equal(luminance(frame[y, x]), luminance(frame)[y, x])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_frame_is_left_as_it_was(count, dtype):
    frame = picture(3, (8, 9, count), dtype)
    before = frame.copy()
    luminance(frame)
    np.testing.assert_array_equal(frame, before)

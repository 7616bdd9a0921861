"""The linear filters against independent statements, and their exactness."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bigstack.errors import InputError
from bigstack.kernels.filters import (
    Filter,
    box_mean,
    box_sum,
    correlate,
    gaussian_blur,
    gaussian_radius,
    gaussian_taps,
    smoothing_taps,
)

FILTERS = (
    Filter((((1, -2, 1), (0, 1, 0)), ((0, 1, 0), (1, -2, 1)))),
    Filter((((1, 2, 3), (5, 0, -4, 0, 5)),), 16),
    Filter((((-1, 0, 0, 0, 2), (1,)), ((7,), (-3, 2, 0))), 3),
)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("linear", FILTERS)
def test_correlation_is_that_of_the_dense_kernel(linear, dtype):
    image = np.random.default_rng(0).integers(0, 256, (23, 31)).astype(dtype)
    expected = ndimage.correlate(image.astype(float), linear.kernel, mode="mirror")
    np.testing.assert_allclose(correlate(image, linear), expected, rtol=2e-7, atol=1e-4)


def test_a_filter_too_long_to_be_exact_is_refused():
    huge = Filter((((1 << 30, 0, 0), (1 << 20, 0, 0)),))
    with pytest.raises(InputError, match="exactly"):
        correlate(np.zeros((4, 4), np.uint16), huge)


def test_even_taps_are_refused():
    with pytest.raises(InputError, match="odd"):
        Filter((((1, 1), (1,)),))


def test_smoothing_before_a_filter_equals_smoothing_first():
    image = np.random.default_rng(1).integers(0, 65536, (20, 21), np.uint16)
    taps, divisor = smoothing_taps(5)
    first = correlate(image, Filter(((taps, taps),), divisor**2))
    np.testing.assert_allclose(
        correlate(image, FILTERS[0].after(taps, divisor)), correlate(first, FILTERS[0]), atol=1e-9
    )


@pytest.mark.parametrize("size", [1, 3, 5, 7, 9])
def test_smoothing_taps_are_opencv_s(size):
    taps, divisor = smoothing_taps(size)
    np.testing.assert_allclose(np.array(taps) / divisor, cv2.getGaussianKernel(size, 0)[:, 0], atol=1e-12)


def test_smoothing_of_another_size_is_refused():
    with pytest.raises(InputError, match="1, 3, 5, 7, 9"):
        smoothing_taps(4)


@pytest.mark.parametrize("sigma", [0.0, 0.4, 1.0, 3.7])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_gaussian_is_scipy_s_up_to_the_rounding_of_its_taps(sigma, dtype):
    image = np.random.default_rng(2).integers(0, 256, (40, 50)).astype(dtype)
    radius = gaussian_radius(sigma)
    expected = image.astype(float)
    if radius:
        expected = ndimage.gaussian_filter(image.astype(float), sigma, mode="mirror", radius=radius)
    result = gaussian_blur(image, sigma)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=255 * (2 * radius + 1) * 2**-16)


def test_gaussian_taps_sum_to_one_and_bad_sigmas_are_refused():
    taps, one = gaussian_taps(2.3)
    assert sum(taps) == one
    for sigma in (-1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="sigma"):
            gaussian_taps(sigma)


@given(size=st.integers(1, 40), height=st.integers(1, 50), width=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_box_sums_are_those_of_integers(size, height, width):
    values = np.random.default_rng(size).integers(0, 1000, (height, width))
    expected = cv2.boxFilter(
        values.astype(float), -1, (size, size), normalize=False, borderType=cv2.BORDER_REFLECT_101
    )
    for dtype in (np.float32, np.float64):
        result = box_sum(values.astype(dtype), size)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_allclose(box_mean(values.astype(dtype), size), expected / size**2, rtol=1e-6)


def test_a_window_without_pixels_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        box_sum(np.zeros((3, 3)), 0)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_float_windows_give_the_bits_of_the_whole_image(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    height, width = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 200)))
    image = rng.normal(size=(height, width)).astype(np.float32)
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    for function, halo in ((lambda i: box_sum(i, 11), 5), (lambda i: gaussian_blur(i, 1.7), 7)):
        top, left = max(0, y0 - halo), max(0, x0 - halo)
        np.testing.assert_array_equal(
            function(image[top:, left:])[y0 - top :, x0 - left :], function(image)[y0:, x0:]
        )

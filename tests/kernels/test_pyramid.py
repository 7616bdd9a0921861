"""REDUCE and EXPAND against Burt and Adelson's definition, and on any window."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.kernels.pyramid import BINOMIAL, expand, expand_whole, level_shapes, reduce

SIDES = st.integers(1, 60)
KINDS = st.sampled_from(
    [("uint16", BINOMIAL), ("float32", BINOMIAL), ("float64", 0.4), ("float64", BINOMIAL)]
)


def picture(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "uint16":
        # Extremes side by side: a sum that overflowed or a mirror that was off would show.
        return rng.choice(np.array([0, 1, 300, 65534, 65535], dtype), shape)
    return (rng.normal(size=shape) * 100).astype(dtype)


def weights(a: float) -> np.ndarray:
    return np.array([0.25 - a / 2, 0.25, a, 0.25, 0.25 - a / 2])


def smooth(values: np.ndarray, a: float) -> np.ndarray:
    """The generating kernel along the first axis by its definition, pixel by pixel, mirrored at the ends."""
    last = len(values) - 1
    period = 2 * last or 1
    out = np.zeros(values.shape)
    for i in range(len(values)):
        for offset, weight in zip(range(-2, 3), weights(a), strict=True):
            j = (i + offset) % period
            out[i] += weight * values[min(j, period - j) if last else 0]
    return out


def both(function, values: np.ndarray) -> np.ndarray:
    return function(function(values).swapaxes(0, 1)).swapaxes(0, 1)


def reduced(image: np.ndarray, a: float) -> np.ndarray:
    return both(lambda values: smooth(values, a), image.astype(float))[::2, ::2]


def expanded(image: np.ndarray, shape: tuple[int, int], a: float) -> np.ndarray:
    sparse = np.zeros((2 * image.shape[0], 2 * image.shape[1], *image.shape[2:]))
    sparse[::2, ::2] = image
    return 4 * both(lambda values: smooth(values, a), sparse)[: shape[0], : shape[1]]


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, channels=st.sampled_from([0, 1, 3, 5]), kind=KINDS, seed=st.integers(0, 99))
def test_reduce_and_expand_are_the_definition(height, width, channels, kind, seed):
    dtype, a = kind
    shape = (height, width, *((channels,) if channels else ()))
    image = picture(seed, shape, dtype)
    small = reduce(image, a=a)
    tolerance = {"uint16": 0.5, "float32": 1e-4, "float64": 1e-10}[dtype]
    assert small.dtype == image.dtype
    assert small.shape[:2] == level_shapes((height, width), 1)[1]
    np.testing.assert_allclose(small.reshape(small.shape[:2] + shape[2:]), reduced(image, a), atol=tolerance)
    large = expand(small, (height, width), a=a).reshape(shape)
    assert large.dtype == image.dtype
    expected = expanded(small.reshape(small.shape[:2] + shape[2:]), (height, width), a)
    np.testing.assert_allclose(large, expected, atol=tolerance)


@settings(max_examples=40, deadline=None)
@given(height=SIDES, width=SIDES, kind=KINDS, level=st.integers(0, 65535))
def test_a_constant_stays_the_constant(height, width, kind, level):
    dtype, a = kind
    image = np.full((height, width, 2), level, dtype)
    small = reduce(image, a=a)
    np.testing.assert_allclose(small, level, rtol=1e-6)
    np.testing.assert_allclose(expand(small, (height, width), a=a), level, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, channels=st.sampled_from([1, 3, 5]), seed=st.integers(0, 99))
def test_expanding_whole_floats_is_expanding_integers(height, width, channels, seed):
    small = picture(seed, (*level_shapes((height, width), 1)[1], channels), "uint16")
    expected = expand(small, (height, width))
    whole = expand_whole(small.astype(np.float32), (height, width))
    np.testing.assert_array_equal(whole, expected)
    # Signs are kept: what a Laplacian adds may be negative, and shifts by whole numbers pass through.
    shifted = expand_whole(small.astype(np.float32) - 70000, (height, width))
    np.testing.assert_array_equal(shifted, expected.astype(np.float32) - 70000)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=KINDS, levels=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_window_on_the_grid_has_the_bits_of_the_whole_image(data, kind, levels, seed):
    dtype, a = kind
    shape = data.draw(st.tuples(st.integers(1, 150), st.integers(1, 150)))
    image = picture(seed, (*shape, 3), dtype)
    corner = tuple(data.draw(st.integers(0, (side - 1) >> levels)) << levels for side in shape)
    end = tuple(data.draw(st.integers(c + 1, side)) for c, side in zip(corner, shape, strict=True))
    whole, window = image, image[corner[0] : end[0], corner[1] : end[1]]
    for level in range(levels):
        reach = 4 * 2 ** (level + 1) - 4
        first = tuple(c + reach if c else 0 for c in corner)
        last = tuple(e - reach if e < side else e for e, side in zip(end, shape, strict=True))
        first, last = (tuple(-(-v // 2**level) for v in ends) for ends in (first, last))
        corner_here = tuple(c >> level for c in corner)
        up_whole = expand(reduce(whole, a=a), whole.shape[:2], a=a)
        up = expand(reduce(window, a=a), window.shape[:2], a=a)
        there = tuple(slice(s, max(s, e)) for s, e in zip(first, last, strict=True))
        here = tuple(slice(s.start - c, s.stop - c) for s, c in zip(there, corner_here, strict=True))
        np.testing.assert_array_equal(up[here], up_whole[there])
        whole, window = reduce(whole, a=a), reduce(window, a=a)


def test_the_binomial_on_floats_is_opencv_s():
    image = picture(0, (37, 64, 3), "float32")
    np.testing.assert_allclose(reduce(image), cv2.pyrDown(image), atol=1e-4)
    np.testing.assert_allclose(
        expand(reduce(image), (37, 64)), cv2.pyrUp(cv2.pyrDown(image), dstsize=(64, 37)), atol=1e-4
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 300), (31, 33), (8, 8)])
def test_level_shapes_are_those_of_reduce(shape):
    image = np.zeros(shape, np.uint16)
    for expected in level_shapes(shape, 5):
        assert image.shape == expected
        image = reduce(image)


@pytest.mark.parametrize("function", [reduce, lambda image, a: expand(image, (8, 8), a=a)])
def test_integers_take_no_other_kernel(function):
    with pytest.raises(InputError, match="float64"):
        function(np.zeros((4, 4), np.uint16), a=0.4)

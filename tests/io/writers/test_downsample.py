import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bigstack.io.writers.downsample import halve

shapes = array_shapes(min_dims=2, max_dims=2, max_side=9)


@given(st.sampled_from(["uint8", "uint16", "uint32", "int16"]).flatmap(lambda d: arrays(d, shapes)))
def test_integers_are_rounded_half_up(image):
    """The independent statement: the exact mean of what the block holds, an edge counted twice."""
    found = halve(image)
    assert found.dtype == image.dtype
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            block = image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(object)
            total, count = block.sum(), block.size
            assert found[y, x] == (2 * total + count) // (2 * count)


def test_full_range_does_not_wrap():
    for dtype in ("uint8", "uint16", "uint32", "int16"):
        for value in (np.iinfo(dtype).min, np.iinfo(dtype).max):
            assert halve(np.full((3, 5), value, dtype)).tolist() == [[value] * 3] * 2


def test_holes_do_not_grow():
    image = np.array([[1, np.nan, np.nan], [3, 5, np.nan]], np.float32)
    found = halve(image)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[3, np.nan]], np.float32))


@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 8), st.integers(1, 8), st.booleans())
def test_a_piece_equals_the_whole(y, x, height, width, holes):
    """Tiles begin at even pixels; where they end inside the image they end at even pixels too."""
    image = np.random.default_rng(0).normal(size=(37, 41)).astype(np.float32)
    if holes:
        image[image > 0.7] = np.nan
    region = np.s_[2 * y : 2 * (y + height), 2 * x : 2 * (x + width)]
    expected = halve(image)[y : y + height, x : x + width]
    np.testing.assert_array_equal(halve(image[region]), expected)

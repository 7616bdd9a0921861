"""Boxes, block grids and randomness by position."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.synthetic.plane import BlockGrid, Box, child_seed, hashed, hashed_cells, mirrored

boxes = st.builds(
    lambda y, x, h, w: Box(y, y + h, x, x + w),
    st.integers(-2000, 2000),
    st.integers(-2000, 2000),
    st.integers(1, 70),
    st.integers(1, 70),
)


@given(boxes)
def test_mirrored_and_cells_are_functions_of_the_position(box):
    whole = mirrored(box.y0 - 7, box.y1 + 9, 23)
    np.testing.assert_array_equal(mirrored(box.y0, box.y1, 23), whole[7:-9])
    around = box.grow(11)
    cells = hashed_cells(5, around, 16, 1)
    np.testing.assert_array_equal(hashed_cells(5, box, 16, 1), cells[box.inside(around)])


def test_mirrored_repeats_the_border_sample():
    np.testing.assert_array_equal(mirrored(-3, 6, 3), [2, 1, 0, 0, 1, 2, 2, 1, 0])


def test_hashed_numbers_are_uniform_and_independent():
    numbers = hashed(3, np.arange(300)[:, None], np.arange(300))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    expected = numbers.size / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-squared, 19 degrees, p = 0.001
    for other in (numbers[1:, :], hashed(4, np.arange(300)[:, None], np.arange(300))):
        same = numbers[: other.shape[0]]
        assert abs(np.corrcoef(same.ravel(), other.ravel())[0, 1]) < 0.015


def test_child_seeds_differ_by_key_and_parent():
    seeds = {child_seed(parent, part) for parent in range(20) for part in range(20)}
    assert len(seeds) == 400


@given(st.integers(1, 3000), st.integers(1, 3000), st.data())
def test_block_grid_covers_any_box_once(height, width, data):
    canvas = Box(-5, height - 5, 17, width + 17)
    y0 = data.draw(st.integers(canvas.y0, canvas.y1 - 1))
    x0 = data.draw(st.integers(canvas.x0, canvas.x1 - 1))
    box = Box(y0, min(y0 + 600, canvas.y1), x0, min(x0 + 40, canvas.x1))
    times = np.zeros(box.shape, int)
    for block in BlockGrid(canvas).blocks(box):
        assert max(block.shape) <= 512
        assert block.overlap(canvas) == block
        part = box.overlap(block)
        times[part.inside(box)] += 1
    assert (times == 1).all()


def test_gather_puts_blocks_in_place():
    grid = BlockGrid(Box(0, 700, 0, 900))
    box = Box(333, 455, 400, 800)
    got = grid.gather(box, lambda block: sum(np.broadcast_arrays(*block.axes())) * 1.0)
    y, x = box.axes()
    np.testing.assert_array_equal(got, y + x)
    with pytest.raises(InputError, match="empty region"):
        grid.gather(Box(5, 5, 0, 3), lambda block: np.zeros(block.shape))

"""Means of blocks: any window of whole blocks gives the same bits, NaN is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigstack.kernels.block_mean import block_mean, block_spread

IMAGE = np.random.default_rng(3).normal(100, 30, (61, 83)).astype(np.float32)
HOLED = np.where(np.random.default_rng(4).random(IMAGE.shape) < 0.3, np.nan, IMAGE)


@given(st.integers(1, 9), st.integers(0, 5), st.integers(0, 5), st.integers(1, 8), st.integers(1, 8))
def test_windows_of_whole_blocks_give_the_bits_of_the_whole(side, row, column, rows, columns):
    whole = block_mean(HOLED, side)
    y, x = slice(row * side, (row + rows) * side), slice(column * side, (column + columns) * side)
    if HOLED[y, x].size:
        found = block_mean(HOLED[y, x], side)
        np.testing.assert_array_equal(found, whole[row : row + rows, column : column + columns])


@pytest.mark.parametrize("side", [1, 2, 5, 7, 100])
def test_means_and_spreads_are_numpys(side):
    means, spreads = block_mean(IMAGE, side), block_spread(HOLED, side)
    for j in range(means.shape[0]):
        for i in range(means.shape[1]):
            part = np.s_[j * side : (j + 1) * side, i * side : (i + 1) * side]
            assert means[j, i] == pytest.approx(IMAGE[part].mean(dtype=float), rel=1e-6)
            known = HOLED[part][np.isfinite(HOLED[part])]
            assert np.isnan(spreads[j, i]) if not known.size else spreads[j, i] == np.ptp(known)


def test_blocks_that_are_mostly_holes_are_holes():
    image = np.full((2, 6), 4.0)
    image[0, :2] = np.nan
    image[:, 4] = np.nan
    image[0, 5] = np.nan
    np.testing.assert_array_equal(block_mean(image, 2), [[4, 4, np.nan]])


def test_channels_are_averaged_apart():
    image = np.random.default_rng(1).integers(0, 255, (5, 6, 3)).astype(np.uint8)
    for channel in range(3):
        np.testing.assert_array_equal(block_mean(image, 2)[..., channel], block_mean(image[..., channel], 2))

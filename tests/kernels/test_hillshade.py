"""Slopes, light and colours against what they are by definition."""

import cv2
import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels import colormap, hillshade

HEIGHTS = np.random.default_rng(2).normal(0, 3, (61, 83)).astype(np.float32)
HEIGHTS[20:25, 30:40] = np.nan


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50), st.integers(0, 70), st.integers(1, 40), st.integers(1, 40))
def test_a_window_gives_the_bits_of_the_whole(y, x, height, width):
    whole = hillshade.hillshade(HEIGHTS, 0.7, 1.3, 300, 40)
    y1, x1 = min(61, y + height), min(83, x + width)
    top, left, bottom, right = max(0, y - 1), max(0, x - 1), min(61, y1 + 1), min(83, x1 + 1)
    found = hillshade.hillshade(HEIGHTS[top:bottom, left:right], 0.7, 1.3, 300, 40)
    np.testing.assert_array_equal(found[y - top : y1 - top, x - left : x1 - left], whole[y:y1, x:x1])


def test_slopes_are_horns():
    heights = np.nan_to_num(HEIGHTS)
    down, right = hillshade.slopes(heights)
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8
    for found, expected in ((right, -kernel), (down, -kernel.T)):
        whole = cv2.filter2D(heights.astype(float), -1, expected, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(found, whole, atol=1e-5)


@pytest.mark.parametrize(("azimuth", "altitude"), [(315, 45), (90, 30), (200, 80)])
def test_light_on_planes_is_that_of_their_normals(azimuth, altitude):
    y, x = np.mgrid[:7, :9].astype(np.float32)
    found = hillshade.hillshade(2 * x - 3 * y, 0.5, 0.25, azimuth, altitude)[3, 4]
    normal = np.array([-2 * 0.25, -3 * 0.5, 1])  # x to the right, y up
    a, b = np.radians([azimuth, altitude])
    light = np.array([np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    assert found == pytest.approx(max(0, normal @ light / np.linalg.norm(normal)), abs=1e-6)


def test_holes_are_dark_and_leave_their_neighbours_alone():
    heights = np.zeros((5, 5), np.float32)
    heights[2, 2] = np.nan
    found = hillshade.hillshade(heights, 1, 1, 315, 45)
    assert np.isnan(found[2, 2])
    assert np.ptp(found[~np.isnan(found)]) == 0


@pytest.mark.parametrize("name", sorted(set(colormap.TABLES) - {"jet"}))
def test_colours_are_those_of_matplotlib(name):
    expected = matplotlib.colormaps[name](np.arange(256))[:, :3] * 255
    np.testing.assert_allclose(colormap.colour_table(name), expected, atol=1.5)


@pytest.mark.parametrize("bits", [8, 16])
def test_levels_go_from_black_to_white(bits):
    values = np.array([-5, 2, 3, 4, 99, np.nan, np.inf, -np.inf], np.float32)
    most = 2**bits - 1
    expected = [0, 0, (most + 1) // 2, most, most, 0, most, 0]
    found = colormap.stretched(values, 2, 4, bits)
    assert found.tolist() == expected
    assert found.dtype == f"uint{bits}"
    assert not colormap.stretched(values, 3, 3, bits).any()

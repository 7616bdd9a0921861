"""Hot pixels: what counts as one, and what is put there."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.kernels.correction.hot_pixels import SPIKE_HALO, blur_residual, fill, fill_radii, spikes

SHAPE = (17, 23, 2)


def test_the_residual_is_the_image_minus_opencv_s_gaussian():
    image = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    expected = image.astype(float) - cv2.GaussianBlur(image.astype(float), (5, 5), 0)
    np.testing.assert_allclose(blur_residual(image.astype(np.int64)) / 256, expected, atol=1e-9)
    np.testing.assert_array_equal(
        blur_residual(image.astype(float)), blur_residual(image.astype(np.int64)).astype(float)
    )


def test_bright_and_dark_pixels_stand_out_and_texture_does_not():
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal(100, 1, (40, 60, 2)), 0, 255).astype(np.uint8)
    image[:, 30:] += 80  # an edge
    image[10, 10, 0], image[20, 40, 1] = 180, 60
    found = spikes(image, np.array([10.0, 10.0]))
    assert found.dtype == np.int8
    assert np.argwhere(found).tolist() == [[10, 10, 0], [20, 40, 1]]
    assert found[10, 10, 0] == 1
    assert found[20, 40, 1] == -1


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_spikes_of_a_window_are_those_of_the_whole(data):
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    height, width = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 50))
    image = (np.random.default_rng(0).random((height, width, 1)) ** 4 * 250).astype(dtype)
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    top, left = max(0, y - SPIKE_HALO), max(0, x - SPIKE_HALO)
    part = spikes(image[top:, left:], np.array([5.0]))[y - top :, x - left :]
    np.testing.assert_array_equal(part, spikes(image, np.array([5.0]))[y:, x:])


def naive(frame, hot, statistic):
    """Pixel by pixel: the smallest window that has a good pixel."""
    result = frame.astype(float)
    bad = {tuple(p) for p in hot.tolist()}
    for y, x, c in bad:
        for radius in range(1, 20):
            good = [
                float(frame[i, j, c])
                for i in range(max(0, y - radius), min(frame.shape[0], y + radius + 1))
                for j in range(max(0, x - radius), min(frame.shape[1], x + radius + 1))
                if (i, j, c) not in bad
            ]
            if good:
                break
        result[y, x, c] = np.mean(good) if statistic == "mean" else np.median(good)
    return result if frame.dtype.kind == "f" else np.rint(result)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_hot_pixels_get_the_mean_or_median_of_good_neighbours(data):
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    statistic = data.draw(st.sampled_from(["mean", "median"]))
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    frame = (rng.random(SHAPE) * top).astype(dtype)
    hot = np.argwhere(rng.random(SHAPE) < data.draw(st.sampled_from([0.02, 0.5])))
    radii = fill_radii(SHAPE, hot)
    result = frame.copy()
    fill(result, hot, radii, hot, statistic, origin=(0, 0), shape=SHAPE)
    np.testing.assert_allclose(result, naive(frame, hot, statistic), rtol=1e-6, atol=0 if top > 1 else 1e-7)
    untouched = np.ones(SHAPE, bool)
    untouched[tuple(hot.T)] = False
    np.testing.assert_array_equal(result[untouched], frame[untouched])


def test_a_hot_pixel_counts_in_its_channel_only():
    frame = np.full((5, 5, 3), 50, np.uint16)
    frame[2, 2] = 60_000
    hot = np.array([[2, 2, 1]])
    fill(frame, hot, fill_radii(frame.shape, hot), hot, "mean", origin=(0, 0), shape=frame.shape)
    assert frame[2, 2].tolist() == [60_000, 50, 60_000]


def test_windows_grow_until_there_is_a_good_pixel():
    block = np.array([(y, x, 0) for y in range(4, 9) for x in range(4, 9)])
    radii = fill_radii((20, 20, 1), block)
    assert radii[block.tolist().index([6, 6, 0])] == 3
    assert radii[block.tolist().index([4, 4, 0])] == 1
    everything = np.array([(y, x, 0) for y in range(40) for x in range(40)])
    with pytest.raises(InputError, match="no good neighbour within 16"):
        fill_radii((40, 40, 1), everything)

"""Light of near objects out of focus, taken off what they cover: right at edges, harmless elsewhere."""

import numpy as np
import pytest

from bigstack.kernels.fusion.depth_blend import blur_of
from bigstack.kernels.fusion.uncover import uncover
from bigstack.synthetic import scene


def error(image, truth, where):
    return float(np.sqrt(np.mean(np.square(image[where] - truth[where]))))


@pytest.fixture(scope="module")
def discs():
    made = scene("discs", seed=5, shape=(200, 260)).compute()
    return made.stack.values, made.truth.depth.values, made.truth.image.values, made.truth.unobserved.values


def test_rings_about_bright_discs_lose_half_of_their_error(discs):
    frames, depth, truth, covered = discs
    focused = np.take_along_axis(frames, np.rint(depth).astype(int)[None, ..., None], 0)[0].astype(np.float32)
    found = uncover(focused, frames, depth, 1.0)
    assert error(found, truth, covered) < 0.5 * error(focused, truth, covered)
    far = np.abs(found - focused).max(axis=2) > 0
    assert not far[~covered & (depth < 10)].any()


def test_a_wrong_lens_is_hardly_worse_than_none(discs):
    frames, depth, truth, covered = discs
    focused = np.take_along_axis(frames, np.rint(depth).astype(int)[None, ..., None], 0)[0].astype(np.float32)
    for blur in (0.6, 3.0):
        found = uncover(focused, frames, depth, 1.0, blur=blur)
        assert error(found, truth, covered) < 1.02 * error(focused, truth, covered)


def test_depths_that_are_wrong_are_not_painted_into_the_image():
    made = scene("ramp", seed=6, shape=(160, 200)).compute()
    frames, truth = made.stack.values, made.truth.image.values
    depth = made.truth.depth.values.copy()
    right = np.take_along_axis(frames, np.rint(depth).astype(int)[None, ..., None], 0)[0].astype(np.float32)
    depth[60:90, 70:110] = np.maximum(depth[60:90, 70:110] - 9, 0)
    found = uncover(right, frames, depth, 1.0)
    everywhere = np.ones(depth.shape, bool)
    assert error(found, truth, everywhere) < 1.15 * error(right, truth, everywhere)


def test_nothing_is_done_to_a_surface_or_with_pixels_that_were_made_up(discs):
    frames, depth, _, _ = discs
    image = frames[10].astype(np.float32)
    assert uncover(image, frames, np.full_like(depth, 7.2), 1.0) is image
    nowhere = np.zeros(frames.shape[:3], bool)
    np.testing.assert_array_equal(uncover(image, frames, depth, 1.0, nowhere), image)


@pytest.mark.parametrize("channels", [1, 2])
def test_any_number_of_channels_and_floats(discs, channels):
    frames, depth, truth, covered = discs
    some = frames[..., :channels].astype(np.float32) / 255
    image = np.take_along_axis(some, np.rint(depth).astype(int)[None, ..., None], 0)[0]
    found = uncover(image, some, depth, 1.0 / 255)
    assert found.dtype == np.float32
    assert error(found * 255, truth[..., :channels], covered) < 0.7 * error(
        image * 255, truth[..., :channels], covered
    )


def test_blur_is_read_off_how_contrast_falls():
    fall = [((2.5 / (2 * 2**level)) ** 2, True) for level in range(6)]
    assert blur_of(fall) == pytest.approx(2.5)
    assert blur_of([(k, False) for k, _ in fall]) == 1.2

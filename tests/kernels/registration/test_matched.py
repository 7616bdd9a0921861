"""Frames far apart in focus: what blurs does not move."""

import numpy as np
import pytest

from bigstack.kernels.registration.coarse import PairOptions
from bigstack.kernels.registration.matched import distant_pair
from bigstack.kernels.registration.models import corner_distance
from bigstack.kernels.registration.refine import fine_pair
from bigstack.kernels.registration.view import view_of
from bigstack.synthetic import render_stack


def seen(frame):
    view = view_of(lambda y, x: frame[y, x], frame.shape, 1)
    view.grey = frame
    view.pixels = view.read_grey
    return view


@pytest.fixture(scope="module")
def blurred():
    """A flat scene 3 px and 9 px out of focus, the second turned, scaled and shifted; and how."""
    made = render_stack(
        depth=np.full((240, 320), -3.0), shape=(240, 320), frames=7, channels=1, blur_per_frame=1.0, seed=4,
        breathing=0.01, rotation=0.3, shift=2.0, reference=0,
    )  # fmt: skip
    frames = made.stack.isel(z=[0, 6], channel=0).values
    return [seen(frame) for frame in frames], made.truth.transform.values[6]


def test_a_change_of_blur_does_not_look_like_motion(blurred):
    (first, second), truth = blurred
    near = np.array([[1, 0, 0.5], [0, 1, -0.5], [0, 0, 1]]) @ truth
    found = distant_pair(first, second, near, PairOptions())
    error = corner_distance(found.matrix, truth, first.shape)
    assert found.trusted
    assert error < 0.25
    assert error < 4 * found.error
    # Patches whose blur is left as it is are drawn towards where the blur grows.
    assert corner_distance(fine_pair(first, second, near, PairOptions()).matrix, truth, first.shape) > error


def test_either_order_finds_the_same(blurred):
    (first, second), truth = blurred
    there = distant_pair(first, second, truth, PairOptions())
    back = distant_pair(second, first, np.linalg.inv(truth), PairOptions())
    assert corner_distance(np.linalg.inv(back.matrix), there.matrix, first.shape) < 0.2


def test_exposure_does_not_matter(blurred):
    (first, second), truth = blurred
    brighter = seen((second.grey * 0.6 + 20).astype(np.float32))
    found = distant_pair(first, brighter, truth, PairOptions())
    assert corner_distance(found.matrix, truth, first.shape) < 0.25


def test_only_the_motions_asked_for(blurred):
    (first, second), _ = blurred
    found = distant_pair(first, second, np.eye(3), PairOptions(motions=("shift_x", "shift_y")))
    assert np.array_equal(found.matrix[:2, :2], np.eye(2))


def test_frames_of_different_scenes_do_not_match(blurred):
    (first, _), truth = blurred
    rng = np.random.default_rng(0)
    other = seen(rng.integers(0, 255, first.shape).astype(np.uint8))
    found = distant_pair(first, other, truth, PairOptions())
    assert not found.trusted
    assert np.array_equal(found.matrix, truth)


def test_frames_without_room_for_patches_do_not_match():
    tiny = seen(np.zeros((20, 24), np.uint8))
    assert not distant_pair(tiny, tiny, np.eye(3), PairOptions()).trusted

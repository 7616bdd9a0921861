"""Pictures with depth, cut into layers."""

import numpy as np
import pytest

from bigstack.errors import InputError
from bigstack.synthetic import layers_from_depth, render_stack
from bigstack.synthetic.cut import motorcycle

SHAPE = (90, 128)
QUIET = {"shape": SHAPE, "frames": 11, "noise": (0.0, 0.0), "dtype": "float32", "blur_per_frame": 1.5}


def board_before_ramp() -> tuple[np.ndarray, np.ndarray]:
    """A board at depth 0.5 left of column 50, before a surface that falls from depth 4 to 10 downwards."""
    image = np.random.default_rng(0).random((*SHAPE, 3)).astype(np.float32)
    depth = np.linspace(4, 10, SHAPE[0])[:, None].repeat(SHAPE[1], axis=1)
    depth[:, :50] = 0.5
    return image, depth


@pytest.mark.parametrize("cuts", [1, 4, 9])
def test_all_in_focus_the_layers_are_the_picture_and_its_depth(cuts):
    image, depth = board_before_ramp()
    truth = render_stack(depth=layers_from_depth(image, depth, cuts=cuts), **QUIET).truth
    np.testing.assert_array_equal(truth.image, image)
    np.testing.assert_allclose(truth.depth, depth, atol=1e-6)


def test_a_surface_cut_into_ranges_renders_as_the_whole_surface_where_it_is_in_focus():
    image, depth = board_before_ramp()
    depth[:, :50] = depth[:, 50:51]  # no board: one smooth surface
    cut = render_stack(depth=layers_from_depth(image, depth, cuts=5), **QUIET)
    whole = render_stack(texture=image, depth=depth, **QUIET)
    assert not cut.truth.unobserved.any()
    for z in (5, 8):
        focused = np.abs(depth - z) < 0.5
        error = np.abs(cut.stack.values[z] - whole.stack.values[z])
        assert error[focused].max() < 0.08  # of white noise; a leaking seam would show a quarter of it
        assert error.mean() < 0.01


def test_what_is_near_hides_what_is_far_with_a_soft_edge():
    image, depth = board_before_ramp()
    image[:, :50], image[:, 50:] = 0.9, 0.1
    scene = render_stack(depth=layers_from_depth(image, depth), **QUIET).compute()
    row = scene.stack.values[
        9, 75, :, 0
    ]  # the surface at this row is at depth 9; the board's blur is 12.75 px
    assert row[50] == pytest.approx(0.5, abs=0.05)
    assert row[43] > row[46] > row[50] > row[54] > row[57]
    np.testing.assert_allclose(row[[30, 70]], (0.9, 0.1), atol=1e-5)
    assert scene.truth.unobserved.values[75, 51:58].all()
    assert not scene.truth.unobserved.values[75, 66:].any()
    sharp = scene.stack.values[0, 75, :, 0]  # the board in focus: the surface does not spread over it
    np.testing.assert_allclose(sharp[:49], 0.9, atol=1e-3)


def test_hidden_parts_are_made_up_of_what_is_beside_them():
    image, depth = board_before_ramp()
    image[:, :50] = 0.0  # black board before bright noise
    far = layers_from_depth(image, depth)[0].texture.image
    np.testing.assert_array_equal(far[80, 30:50], image[80, 70:50:-1])  # mirrored at the board's edge
    assert far[80:, :50].mean() > 0.4


def test_the_motorcycle_has_depth_in_frames():
    picture, depth = motorcycle(12)
    assert picture.shape[:2] == depth.shape == (500, 741)
    assert depth.min() == 0
    assert depth.max() == 11
    assert depth[440, 640] < 2 < 8 < depth[100, 100]  # the front tyre is near, the wall far


@pytest.mark.parametrize(
    ("depth", "cuts", "message"),
    [
        (np.ones((3, 4)), 2, "equal sizes"),
        (np.full((4, 4), np.inf), 2, "finite"),
        (np.ones((4, 4)), 0, "at least one"),
    ],
)
def test_what_cannot_be_cut_is_refused(depth, cuts, message):
    with pytest.raises(InputError, match=message):
        layers_from_depth(np.zeros((4, 4)), depth, cuts=cuts)


def test_layers_come_with_their_own_textures():
    with pytest.raises(InputError, match="leave out `texture`"):
        render_stack(texture="photo", depth=layers_from_depth(*board_before_ramp()), **QUIET)

"""Transforms compose and invert; alignments survive JSON; rectangles lie where all frames have data."""

import pickle

import numpy as np
import pytest
from dask.base import tokenize
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.geometry.alignment import Alignment, FrameAlignment
from bigstack.geometry.overlap import largest_rectangle, overlap
from bigstack.geometry.transform import IDENTITY, Transform
from bigstack.kernels.warp import valid_region

SHAPE = (120, 180)

similarities = st.builds(
    lambda x, y, scale, turn: Transform.similarity(SHAPE, shift=(x, y), scale=scale, rotation=turn),
    st.floats(-20, 20),
    st.floats(-20, 20),
    st.floats(0.85, 1.2),
    st.floats(-8, 8),
)


@given(similarities, similarities)
def test_composition_is_one_after_the_other_and_inverse_the_way_back(a, b):
    points = np.array([[0.0, 0.0], [179.0, 119.0], [13.5, 77.25]])
    assert np.allclose((a @ b).apply(points), a.apply(b.apply(points)), atol=1e-9)
    assert np.allclose((a.inverse() @ a).matrix, np.eye(3), atol=1e-9)


def test_similarity_moves_the_centre_by_the_shift_and_turns_x_towards_y():
    made = Transform.similarity((101, 201), shift=(3, -2), scale=1.5, rotation=90)
    assert np.allclose(made.apply([100, 50]), [103, 48])
    assert np.allclose(made.apply([101, 50]), [103, 49.5])
    parts = made.decompose((101, 201))
    assert parts["shift_x"] == pytest.approx(3)
    assert parts["shift_y"] == pytest.approx(-2)
    assert parts["scale"] == pytest.approx(1.5)
    assert parts["rotation"] == pytest.approx(90)
    assert parts["shear"] == pytest.approx(0, abs=1e-9)


def test_identity_is_exact_and_stays_so():
    assert IDENTITY.is_identity
    assert IDENTITY.inverse() is IDENTITY
    assert (IDENTITY @ IDENTITY).is_identity
    assert not Transform.similarity(SHAPE, shift=(1e-9, 0)).is_identity


@pytest.mark.parametrize(
    "wrong", [np.eye(2), np.zeros((3, 3)), [[1, 0, 0], [0, 1, np.nan], [0, 0, 1]], "identity", None]
)
def test_what_is_no_transform_is_refused(wrong):
    with pytest.raises(InputError, match="transform"):
        Transform.of(wrong)


def test_perspective_points_divide():
    tilted = Transform.of([[1, 0, 0], [0, 1, 0], [0.001, 0, 1]])
    assert np.allclose(tilted.apply([100, 50]), [100 / 1.1, 50 / 1.1])
    assert not tilted.is_affine


def alignment():
    frames = [
        FrameAlignment(Transform.similarity(SHAPE, shift=(z / 3, 0.1), scale=1 + z / 700), 0.1 * z, 1e-3, z)
        for z in range(4)
    ]
    frames[1] = FrameAlignment(IDENTITY)
    frames[3] = FrameAlignment(frames[3].transform, flags=("blurred", "no match"), dropped=True)
    return Alignment(SHAPE, 1, tuple(frames), "similarity", "auto", "global")


def test_alignment_survives_json_and_pickle_to_the_bit():
    value = alignment()
    assert Alignment.from_json(value.to_json()) == value
    assert pickle.loads(pickle.dumps(value)) == value
    assert tokenize(Alignment.from_json(value.to_json()).to_json()) == tokenize(value.to_json())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "JSON"),
        ("[]", "format"),
        ('{"format": "bigstack-alignment", "version": 99}', "version 99"),
        ('{"format": "bigstack-alignment", "version": 1, "shape": [2, 2], "reference": 0}', "frames"),
        ('{"format": "bigstack-alignment", "version": 1, "shape": [2, 2], "reference": 5, "frames": '
         '[{"transform": [[1,0,0],[0,1,0],[0,0,1]]}]}', "reference"),
        ('{"format": "bigstack-alignment", "version": 1, "shape": [2, 2], "reference": 0, "frames": '
         '[{"transform": [[1,0],[0,1]]}]}', "3x3"),
    ],
)  # fmt: skip
def test_what_is_no_alignment_says_why(text, says):
    with pytest.raises(InputError, match=says):
        Alignment.from_json(text)


def test_an_edited_alignment_needs_no_more_than_transforms():
    text = (
        '{"format": "bigstack-alignment", "version": 1, "shape": [2, 2], "reference": 0, '
        '"frames": [{"transform": [[2, 0, 1], [0, 2, 1], [0, 0, 2]]}]}'
    )
    assert Alignment.from_json(text).frames[0].transform.matrix.tolist() == [
        [1, 0, 0.5],
        [0, 1, 0.5],
        [0, 0, 1],
    ]


def test_another_reference_changes_no_frame_against_another():
    value = alignment()
    other = value.with_reference(2)
    assert other.frames[2].transform.is_identity
    between = value.transforms[3] @ value.transforms[0].inverse()
    again = other.transforms[3] @ other.transforms[0].inverse()
    assert np.allclose(between.matrix, again.matrix, atol=1e-12)


def test_kept_flagged_and_selected_frames():
    value = alignment()
    assert value.kept == (0, 1, 2)
    assert value.flagged == (3,)
    assert value.select([2, 1]).reference == 1
    assert not value.is_identity
    assert Alignment.identity(SHAPE, 3).is_identity
    assert value.corners().shape == (4, 4, 2)
    assert Alignment.of([np.eye(3) * 2, value.transforms[0]], SHAPE).frames[0].transform.is_identity


@settings(max_examples=60, deadline=None)
@given(st.lists(similarities, min_size=1, max_size=4))
def test_common_rectangle_is_valid_everywhere_and_cannot_grow_on_all_sides(transforms):
    try:
        tile = largest_rectangle(transforms, SHAPE)
    except InputError:
        assert min(overlap(t, SHAPE) for t in transforms) < 0.9
        return
    region = (tile.y0, tile.y1, tile.x0, tile.x1)
    for transform in transforms:
        assert valid_region(SHAPE, transform.matrix, region, "cubic") is None
    grown = tile.pad(2, within=SHAPE)
    region = (grown.y0, grown.y1, grown.x0, grown.x1)
    touches = tile == Tile(0, SHAPE[0], 0, SHAPE[1])
    assert touches or any(valid_region(SHAPE, t.matrix, region, "cubic") is not None for t in transforms)


def test_rectangle_of_a_shift_is_what_is_left():
    left = Transform.of([[1, 0, -10], [0, 1, 0], [0, 0, 1]])
    down = Transform.of([[1, 0, 0], [0, 1, 7.5], [0, 0, 1]])
    assert largest_rectangle([left, down], SHAPE) == Tile(0, 112, 10, 180)


def test_frames_apart_have_no_rectangle():
    away = [Transform.of([[1, 0, x], [0, 1, 0], [0, 0, 1]]) for x in (-100, 100)]
    with pytest.raises(InputError, match="no area in common"):
        largest_rectangle(away, SHAPE)
    assert overlap(away[0], SHAPE) == pytest.approx(80 / 180, abs=0.02)

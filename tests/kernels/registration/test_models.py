"""The algebra of motions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from bigstack.errors import InputError
from bigstack.kernels.registration.models import (
    MODELS,
    corner_radius,
    corners,
    decompose,
    frame_units,
    held_still,
    inverse,
    jacobian,
    logarithm,
    map_points,
    motions_of,
    rescaled,
    step,
)

SHAPE = (90, 130)
ALL = motions_of("homography")
parameters = st.lists(st.floats(-3, 3), min_size=8, max_size=8).map(np.array)


@given(parameters)
def test_step_is_the_exponential_of_its_generators(values):
    units = frame_units(SHAPE)
    names = {"shift_x": (0, 2, 1), "shift_y": (1, 2, 1), "tilt_x": (2, 0, -1), "tilt_y": (2, 1, -1)}
    generator = np.zeros((3, 3))
    for name, value in zip(ALL, values, strict=True):
        if name in names:
            row, column, sign = names[name]
            generator[row, column] += sign * value
    linear = dict(zip(ALL, values, strict=True))
    generator[0, 0] += linear["scale"] + linear["stretch"]
    generator[1, 1] += linear["scale"] - linear["stretch"]
    generator[0, 1] += linear["shear"] - linear["rotation"]
    generator[1, 0] += linear["shear"] + linear["rotation"]
    expected = inverse(units) @ expm(generator / corner_radius(SHAPE)) @ units
    assert np.allclose(step(values, ALL, SHAPE), expected / expected[2, 2], atol=1e-9)


@given(parameters)
def test_jacobian_is_what_a_small_step_does(values):
    points = np.array([[0.0, 0.0], [129.0, 0.0], [30.0, 77.0]])
    tiny = 1e-6
    moved = map_points(step(values * tiny, ALL, SHAPE), points) - points
    assert np.allclose(moved / tiny, jacobian(points, ALL, SHAPE) @ values, atol=1e-3)


@given(parameters)
def test_logarithm_finds_small_steps(values):
    assert np.allclose(logarithm(step(values * 1e-3, ALL, SHAPE), ALL, SHAPE), values * 1e-3, atol=1e-5)


@pytest.mark.parametrize("motion", motions_of("affine"))
def test_a_unit_of_each_motion_moves_the_corners_by_about_a_pixel(motion):
    moved = map_points(step(np.array([1.0]), (motion,), SHAPE), corners(SHAPE)) - corners(SHAPE)
    assert np.allclose(np.hypot(*moved.T), 1, rtol=0.02)


def test_models_nest():
    names = [motions_of(model) for model in MODELS]
    assert [len(n) for n in names] == [2, 4, 6, 8]
    assert all(set(a) < set(b) for a, b in pairwise(names))
    with pytest.raises(InputError, match="did you mean 'similarity'"):
        motions_of("similarty")


@given(parameters, st.sampled_from([2, 3, 4, 8]))
def test_reduced_frames_follow_block_centres(values, factor):
    matrix = step(values, ALL, SHAPE)
    places = np.array([[0.0, 0.0], [10.0, 7.0]])
    full = places * factor + (factor - 1) / 2
    expected = (map_points(matrix, full) - (factor - 1) / 2) / factor
    assert np.allclose(map_points(rescaled(matrix, factor), places), expected, atol=1e-9)
    assert np.allclose(rescaled(rescaled(matrix, factor), 1 / factor), matrix, atol=1e-9)


@given(parameters, st.sets(st.sampled_from(["shift_x", "shift_y", "scale", "rotation"])))
def test_motions_held_still_do_not_move(values, fixed):
    matrix = step(values[:4], motions_of("similarity"), SHAPE)
    before, after = decompose(matrix, SHAPE), decompose(held_still(matrix, tuple(fixed), SHAPE), SHAPE)
    still = {"shift_x": 0, "shift_y": 0, "scale": 1, "rotation": 0}
    for name, value in still.items():
        assert after[name] == pytest.approx(value if name in fixed else before[name], abs=1e-6)

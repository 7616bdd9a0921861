"""Fits forgive outliers; many pairs together do not drift; limits and oddities are told."""

import numpy as np
import pytest

from bigstack.errors import InputError
from bigstack.kernels.registration.fit import corner_error, fit_transform
from bigstack.kernels.registration.models import (
    corner_distance,
    corner_radius,
    decompose,
    inverse,
    motions_of,
    step,
)
from bigstack.kernels.registration.plausible import (
    Limits,
    blurred_frames,
    empty_frames,
    implausible,
    jumps,
)
from bigstack.kernels.registration.solve import Pair, solve_chain, solve_global

SHAPE = (300, 400)
MOTIONS = motions_of("similarity")


def walk(frames, seed=0):
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.standard_normal((frames, 4)) * (2, 2, 1, 0.5), axis=0)
    return np.array([step(p, MOTIONS, SHAPE) for p in path - path[frames // 2]])


def pairs_of(truth, distances, sigma=0.05, seed=1):
    rng = np.random.default_rng(seed)
    made = []
    for distance in distances:
        for i in range(0, len(truth) - distance, max(1, distance // 2)):
            error = step(sigma * rng.standard_normal(4), MOTIONS, SHAPE)
            between = error @ truth[i + distance] @ inverse(truth[i])
            made.append(Pair(i, i + distance, between, np.eye(4) / sigma**2))
    return made


def errors(found, truth, reference):
    back = inverse(truth[reference])
    return np.array([corner_distance(m, t @ back, SHAPE) for m, t in zip(found, truth, strict=True)])


def test_fit_leaves_a_third_of_outliers_out_and_knows_its_error():
    rng = np.random.default_rng(0)
    truth = step(np.array([4.0, -2.0, 3.0, 1.0]), MOTIONS, SHAPE)
    distances, claims = [], []
    for _ in range(20):
        first = rng.random((90, 2)) * (399, 299)
        second = (np.c_[first, np.ones(90)] @ truth.T)[:, :2] + 0.1 * rng.standard_normal((90, 2))
        second[:30] += rng.uniform(-9, 9, (30, 2))
        information = np.broadcast_to(np.eye(2) * 100, (90, 2, 2))
        fit = fit_transform(first, second, information, MOTIONS, SHAPE)
        distances.append(corner_distance(fit.matrix, truth, SHAPE))
        claims.append(corner_error(fit.information, MOTIONS, SHAPE))
        assert (fit.weights[:30] > 0).mean() < 0.2
    assert np.median(distances) < 0.1
    assert 0.4 < np.median(distances) / np.median(claims) < 3


def test_errors_in_common_do_not_average_out():
    rng = np.random.default_rng(0)
    first = rng.random((200, 2)) * (399, 299)
    information = np.broadcast_to(np.eye(2) * 100, (200, 2, 2))
    alone = fit_transform(first, first, information, MOTIONS, SHAPE)
    shared = fit_transform(first, first, information, MOTIONS, SHAPE, common=np.full(200, 0.2))
    assert corner_error(alone.information, MOTIONS, SHAPE) < 0.03
    assert 0.15 < corner_error(shared.information, MOTIONS, SHAPE) < 0.4


def test_fit_moves_only_as_it_may():
    rng = np.random.default_rng(0)
    first = rng.random((50, 2)) * (399, 299)
    second = first * 1.01 + 3
    information = np.broadcast_to(np.eye(2), (50, 2, 2))
    fit = fit_transform(first, second, information, ("shift_x",), SHAPE)
    assert np.array_equal(fit.matrix[:2, :2], np.eye(2))
    assert fit.matrix[1, 2] == 0
    assert fit.matrix[0, 2] == pytest.approx(3 + 0.01 * first[:, 0].mean(), abs=0.3)


def test_five_hundred_frames_do_not_drift():
    truth = walk(500)
    near = solve_global(pairs_of(truth, (1,)), 500, 0, MOTIONS, SHAPE)
    far = solve_global(pairs_of(truth, (1, 2, 4, 8, 16, 32, 64, 128)), 500, 0, MOTIONS, SHAPE)
    first, second = errors(near.matrices, truth, 0), errors(far.matrices, truth, 0)
    assert second.max() < 0.4
    assert second.max() < first.max() / 2
    assert np.median(second / np.maximum(far.errors, 0.01)) < 3


def test_pairs_that_contradict_the_others_lose_their_say():
    truth = walk(30)
    good = pairs_of(truth, (1, 2, 4))
    wrong = step(np.array([60.0, -40.0, 10.0, 5.0]), MOTIONS, SHAPE)
    bad = [Pair(p.first, p.second, wrong @ p.matrix, p.information * 4) for p in good[::9]]
    found = solve_global([*good, *bad], 30, 15, MOTIONS, SHAPE)
    assert errors(found.matrices, truth, 15).max() < 0.3
    assert found.weights[len(good) :].max() < 0.05
    assert np.array_equal(found.matrices[15], np.eye(3))


def test_frames_that_nothing_ties_down_are_not_made_up():
    truth = walk(6)
    pairs = [p for p in pairs_of(truth, (1,)) if 4 not in (p.first, p.second)]
    found = solve_global(pairs, 6, 0, MOTIONS, SHAPE)
    assert np.isnan(found.matrices[[4, 5]]).all()
    assert np.isfinite(found.matrices[:4]).all()
    assert np.isnan(solve_chain(pairs, 6, 0)[5]).all()


def test_homographies_are_solved_too():
    motions = motions_of("homography")
    rng = np.random.default_rng(0)
    truth = [np.eye(3)]
    for _ in range(11):
        truth.append(step(rng.standard_normal(8), motions, SHAPE) @ truth[-1])
    truth = np.array([t / t[2, 2] for t in truth])
    pairs = []
    for distance in (1, 2, 4):
        for i in range(12 - distance):
            error = step(0.02 * rng.standard_normal(8), motions, SHAPE)
            between = error @ truth[i + distance] @ inverse(truth[i])
            pairs.append(Pair(i, i + distance, between, np.eye(8) / 0.02**2))
    found = solve_global(pairs, 12, 0, motions, SHAPE)
    assert errors(found.matrices, truth, 0).max() < 0.3


def test_held_scales_stay_as_given():
    truth = walk(12)
    held = np.array([np.log(decompose(t, SHAPE)["scale"]) for t in truth]) * corner_radius(SHAPE)
    held -= held[6]
    found = solve_global(pairs_of(truth, (1, 2)), 12, 6, MOTIONS, SHAPE, held={"scale": held})
    scales = [np.log(decompose(m, SHAPE)["scale"]) * corner_radius(SHAPE) for m in found.matrices]
    assert np.allclose(scales, held, atol=1e-9)
    assert errors(found.matrices, truth, 6).max() < 0.4


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        (np.diag([2.5, 2.5, 1.0]), "scale 2.500 beyond 2"),
        (np.array([[1, 0, 250], [0, 1, 0], [0, 0, 1.0]]), r"shift_x \+250.0 px beyond 50%"),
        (np.array([[1, 0.3, 0], [0, 1, 0], [0, 0, 1.0]]), "shear"),
        (np.array([[0, -1, 300], [1, 0, -50], [0, 0, 1.0]]), r"rotation \+90.00 degrees"),
        (np.array([[1, 0, 0], [0, 1, 0], [1e-3, 0, 1.0]]), "perspective"),
        (np.array([[1, 0, 190], [0, 1, 140], [0, 0, 1.0]]), "overlap"),
    ],
)
def test_implausible_transforms_say_why(matrix, says):
    reasons = implausible(matrix, SHAPE, Limits())
    assert any(__import__("re").search(says, reason) for reason in reasons)
    assert implausible(np.eye(3), SHAPE, Limits()) == []


def test_limits_of_nothing_hold_motions_still():
    assert Limits(shift_x=0, scale=1).fixed == ("shift_x", "scale")
    for wrong in (Limits(scale=0.5), Limits(overlap=2), Limits(rotation=-1)):
        with pytest.raises(InputError, match="limit"):
            wrong.checked()


def test_a_frame_out_of_line_is_a_jump_and_a_drift_is_none():
    drift = np.array([[[1, 0, 15.0 * z], [0, 1, 0], [0, 0, 1]] for z in range(12)])
    assert not jumps(drift, SHAPE).any()
    drift[7, 0, 2] += 200
    assert np.flatnonzero(jumps(drift, SHAPE)).tolist() == [7]
    drift[3] = np.nan
    assert np.flatnonzero(jumps(drift, SHAPE)).tolist() == [7]


def test_only_a_frame_blurred_between_sharper_ones_is_blurred():
    focus = [np.exp(-((np.arange(20) - 2 * z) ** 2) / 20)[None].repeat(6, axis=0) for z in range(10)]
    textures = [(f * 10 + 1).astype(np.float32) for f in focus]
    identity = np.stack([np.eye(3)] * 10)
    assert not blurred_frames(textures, identity, 16).any()
    textures[4] = np.ones((6, 20), np.float32)
    assert np.flatnonzero(blurred_frames(textures, identity, 16)).tolist() == [4]


def test_a_black_frame_is_empty():
    textures = [np.full((5, 5), 10, np.float32) for _ in range(5)]
    textures[2] = np.full((5, 5), 0.1, np.float32)
    assert empty_frames(textures).tolist() == [False, False, True, False, False]

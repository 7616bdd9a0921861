"""Every way to register two images finds a known transform, with blur, flicker and noise between them."""

import cv2
import numpy as np
import pytest

from bigstack.errors import InputError
from bigstack.kernels.registration.coarse import PairOptions, coarse_pair
from bigstack.kernels.registration.ecc import correlation_at, ecc, pyramid
from bigstack.kernels.registration.features import (
    DETECTORS,
    FeatureOptions,
    detect,
    fit_matches,
    match,
    to_bytes,
)
from bigstack.kernels.registration.models import corner_distance, corner_radius, motions_of, rescaled, step
from bigstack.kernels.registration.patches import MARGIN, REACH, measure_patches, unresolved
from bigstack.kernels.registration.phase import phase_shift, phase_similarity
from bigstack.kernels.registration.refine import fine_pair, levels_of, patch_size
from bigstack.kernels.registration.view import area_reduced, view_of
from tests.kernels.registration.pictures import seen_through, texture

SHAPE = (240, 320)
SIMILARITY = motions_of("similarity")


def moved(shift=(3.3, -2.6), scale=1.01, turn=0.6, shape=SHAPE):
    radius = corner_radius(shape)
    return step(np.array([*shift, np.log(scale) * radius, np.radians(turn) * radius]), SIMILARITY, shape)


def pair(matrix, *, seed=0, blur=1.0, gain=1.15, noise=2.0, shape=SHAPE):
    scene = texture(shape, seed)
    return (
        seen_through(scene, np.eye(3), shape, noise=noise, seed=seed + 100),
        seen_through(scene, matrix, shape, blur=blur, gain=gain, noise=noise, seed=seed + 200),
    )


def view(image, factor=1):
    made = view_of(lambda y, x: image[y, x], image.shape, factor)
    made.pixels = lambda y, x: image[y, x]
    return made


@pytest.mark.parametrize(("shift", "near"), [((12.4, -7.7), 0.2), ((-70.0, 41.5), 0.2), ((0.0, 0.0), 0.1)])
def test_phase_finds_any_shift(shift, near):
    matrix = moved(shift, 1.0, 0.0)
    found = phase_shift(*pair(matrix))
    assert corner_distance(found.matrix, matrix, SHAPE) < near
    assert found.response > 15


@pytest.mark.parametrize(("scale", "turn"), [(1.1, 4.0), (0.8, -15.0), (1.3, 30.0)])
def test_phase_finds_scale_and_rotation(scale, turn):
    matrix = moved((8.0, -5.0), scale, turn)
    found = phase_similarity(*pair(matrix))
    assert corner_distance(found.matrix, matrix, SHAPE) < 5
    assert found.response > 12


def test_phase_of_unrelated_images_has_no_peak():
    found = phase_shift(pair(np.eye(3), seed=1)[0], pair(np.eye(3), seed=2)[0])
    assert found.response < 8


@pytest.mark.parametrize("model", ["translation", "similarity", "affine", "homography"])
def test_ecc_climbs_every_model(model):
    motions = motions_of(model)
    truth = step(np.array([3.0, -2.0, 2.0, 1.5, 1.0, -0.8, 0.7, 0.9])[: len(motions)], motions, SHAPE)
    found = ecc(*pair(truth, blur=0.6), motions)
    assert corner_distance(found.matrix, truth, SHAPE) < 0.15
    assert found.correlation > 0.9


def test_ecc_of_nothing_in_common_or_nothing_at_all_says_so():
    first, second = pair(np.eye(3), seed=1)[0], pair(np.eye(3), seed=2)[0]
    assert ecc(first, second, SIMILARITY).correlation < 0.35
    black = np.zeros(SHAPE, np.uint8)
    assert ecc(black, black, SIMILARITY).correlation == 0
    levels = pyramid(first, 64)
    assert correlation_at(levels[0], levels[0], np.eye(3)) == pytest.approx(1)


@pytest.mark.parametrize("matcher", ["brute", "flann"])
@pytest.mark.parametrize("detector", DETECTORS)
def test_features_of_every_detector(detector, matcher):
    matrix = moved((25.0, -18.0), 0.9, 12.0)
    images = pair(matrix, blur=0.7)
    options = FeatureOptions(detector=detector, matcher=matcher, threshold=2.0)
    points = [detect(image, options) for image in images]
    pairs = match(*points, options)
    assert np.array_equal(pairs, match(*points, options))
    found = fit_matches(
        points[0].points[pairs[:, 0]], points[1].points[pairs[:, 1]], "similarity", SIMILARITY, SHAPE, options
    )
    assert found is not None
    assert corner_distance(found.matrix, matrix, SHAPE) < 0.8


@pytest.mark.parametrize("estimator", ["ransac", "usac", "magsac", "lmeds"])
@pytest.mark.parametrize("model", ["translation", "similarity", "affine", "homography"])
def test_estimators_leave_false_matches_out(model, estimator):
    rng = np.random.default_rng(0)
    motions = motions_of(model)
    truth = step(np.array([9.0, -6.0, 5.0, 4.0, 2.0, -2.0, 2.0, 1.0])[: len(motions)], motions, SHAPE)
    first = rng.random((200, 2)) * (319, 239)
    second = np.concatenate(
        [
            (np.c_[first[:140], np.ones(140)] @ truth.T)[:, :2]
            / (np.c_[first[:140], np.ones(140)] @ truth.T)[:, 2:],
            rng.random((60, 2)) * (319, 239),
        ]
    )
    second[:140] += 0.2 * rng.standard_normal((140, 2))
    options = FeatureOptions(estimator=estimator, threshold=1.5)
    found = fit_matches(first, second, model, motions, SHAPE, options)
    assert corner_distance(found.matrix, truth, SHAPE) < 0.3
    assert (found.weights[140:] > 0).mean() < 0.1
    assert fit_matches(first[140:], second[140:], model, motions, SHAPE, options) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (FeatureOptions(detector="SURF"), "SURF is patented .* use one of SIFT"),
        (FeatureOptions(descriptor="surf"), "SURF"),
        (FeatureOptions(detector="SHIFT"), "did you mean 'SIFT'"),
        (FeatureOptions(detector="ORB", descriptor="AKAZE"), "key points of AKAZE or KAZE"),
        (FeatureOptions(ratio=1.5), "ratio"),
        (FeatureOptions(min_matches=0), "min_matches"),
        (FeatureOptions(confidence=1.0), "confidence"),
        (FeatureOptions(matcher="kd"), "matcher"),
    ],
)
def test_feature_options_that_cannot_work(options, says):
    with pytest.raises(InputError, match=says):
        options.checked()


def test_points_of_one_kind_take_descriptors_of_another():
    options = FeatureOptions(detector="BRISK", descriptor="SIFT", threshold=2.0)
    images = pair(moved())
    points = [detect(image, options) for image in images]
    assert points[0].descriptors.dtype == np.float32
    assert len(match(*points, options)) > 30


def test_sixteen_bits_and_floats_are_stretched():
    image = pair(np.eye(3))[0]
    for other in (image.astype(np.uint16) * 3 + 500, image.astype(np.float32) / 1e4):
        assert np.abs(to_bytes(other).astype(int) - to_bytes(image)).max() <= 1
    assert (to_bytes(np.full((5, 5), 7, np.uint16)) == 0).all()


def windows(image, origins, side):
    return np.array([image[y : y + side, x : x + side] for x, y in origins], np.float32)


@pytest.mark.parametrize("blur", [0.0, 0.7, 1.5])
def test_patches_are_found_to_hundredths_although_one_frame_is_blurred(blur):
    matrix = moved((0.37, -0.81), 1.002, 0.1)
    first, second = pair(matrix, blur=blur)
    size = 48
    side, reach = size + 2 * MARGIN, size + 2 * MARGIN + 2 * REACH + 4
    origins = np.array([(x, y) for y in range(20, 140, 30) for x in range(20, 220, 30)])
    found = measure_patches(
        windows(first, origins, side),
        windows(second, origins - 8, reach),
        origins,
        origins - 8,
        np.eye(3),
        size=size,
    )
    truth = (np.c_[found.first, np.ones(len(origins))] @ matrix.T)[:, :2]
    misses = found.second - truth
    assert np.median(np.hypot(*misses.T)) < 0.05 + 0.04 * blur
    assert np.hypot(*misses.mean(axis=0)) < 0.02
    claimed = 1 / np.sqrt(np.trace(found.information, axis1=1, axis2=2) / 2)
    assert 0.1 < np.median(np.hypot(*misses.T) / claimed) < 2
    assert (found.grain[found.correlation > 0.9] < 5).all()


def test_patches_measured_backwards_say_the_opposite():
    first, second = pair(moved((0.4, -0.3), 1.0, 0.0), blur=0.0)
    size, side = 40, 40 + 2 * MARGIN
    origins = np.array([(x, y) for y in range(30, 150, 40) for x in range(30, 230, 40)])
    reach = side + 2 * REACH
    there = measure_patches(
        windows(first, origins, side),
        windows(second, origins - 6, reach),
        origins,
        origins - 6,
        np.eye(3),
        size=size,
    )
    back = measure_patches(
        windows(second, origins, side),
        windows(first, origins - 6, reach),
        origins,
        origins - 6,
        np.eye(3),
        size=size,
    )
    both = (there.second - there.first) + (back.second - back.first)
    assert np.abs(both.mean(axis=0)).max() < 0.01


def test_patches_of_nothing_are_worth_nothing():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 4, 64, 64)).astype(np.float32)
    origins = np.zeros((4, 2), int)
    flat = np.zeros((4, 80, 80), np.float32)
    for second in (flat, np.pad(noise[1], ((0, 0), (8, 8), (8, 8)))):
        found = measure_patches(noise[0], second, origins, origins - 8, np.eye(3), size=48)
        assert (found.information == 0).all()


def test_ends_of_a_blurred_edge_do_not_count_at_full_resolution():
    """A disc of defocus turns an edge into a ramp; its ends move as the disc shrinks, all alike."""
    line = np.zeros((400, 600), np.float32)
    line[310:335] = 200
    discs = [cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1,) * 2).astype(float) for r in (14, 8)]
    first, second = (cv2.filter2D(line, -1, disc / disc.sum()) for disc in discs)
    origins = np.array([(x, 285) for x in range(10, 500, 60)])
    side = 48 + 2 * MARGIN
    windows = [
        np.stack([image[y - pad : y + side + pad, x - pad : x + side + pad] for x, y in origins])
        for image, pad in ((first, 0), (second, 6))
    ]
    found = measure_patches(*windows, origins, origins - 6, np.eye(3), size=48)
    followed = found.information.any(axis=(1, 2))
    if followed.any():
        assert np.abs((found.second - found.first)[followed, 1]).max() > 1
    assert not unresolved(found).information.any()
    sharp = [texture((80, 80), seed).astype(np.float32) for seed in range(4)]
    kept = measure_patches(
        np.stack([s[8:72, 8:72] for s in sharp]),
        np.stack([s[2:78, 2:78] for s in sharp]),
        np.zeros((4, 2), int),
        np.full((4, 2), -6),
        np.eye(3),
        size=48,
    )
    assert np.array_equal(unresolved(kept).information, kept.information)
    assert kept.information.any()


def test_more_patches_than_remap_has_rows_for():
    image = pair(np.eye(3))[0]
    origins = np.array([(x, y) for y in range(40, 120, 4) for x in range(40, 220, 4)])
    many = measure_patches(
        windows(image, origins, 64), windows(image, origins - 8, 80), origins, origins - 8, np.eye(3), size=48
    )
    assert len(many.first) == 900
    assert np.abs(many.second - many.first).max() < 1e-3


@pytest.mark.parametrize("method", ["auto", "features", "ecc", "phase"])
def test_pairs_from_nothing_and_refined(method):
    matrix = moved((6.0, -4.0), 1.015, 0.8)
    first, second = (view(image) for image in pair(matrix))
    options = PairOptions(method=method)
    coarse = coarse_pair(first, second, options)
    assert coarse.trusted
    assert corner_distance(coarse.matrix, matrix, SHAPE) < 5
    fine = fine_pair(first, second, coarse.matrix, options)
    assert fine.trusted
    assert corner_distance(fine.matrix, matrix, SHAPE) < 0.06
    assert fine.error < 0.2
    assert len(fine.first) > 20


@pytest.mark.parametrize("method", ["auto", "features", "ecc", "phase"])
def test_pairs_of_different_scenes_are_not_trusted(method):
    first, second = view(pair(np.eye(3), seed=1)[0]), view(pair(np.eye(3), seed=2)[0])
    options = PairOptions(method=method)
    assert not coarse_pair(first, second, options).trusted
    assert not fine_pair(first, second, np.eye(3), options).trusted


def test_reduced_frames_are_refined_at_full_resolution():
    shape = (480, 640)
    matrix = moved((7.3, 4.4), 1.004, -0.3, shape)
    first, second = (view(image, 4) for image in pair(matrix, shape=shape))
    assert first.small.shape == (120, 160)
    options = PairOptions()
    coarse = coarse_pair(first, second, options)
    fine = fine_pair(first, second, coarse.matrix, options)
    assert corner_distance(fine.matrix, matrix, shape) < 0.05
    first.pixels = None
    less = fine_pair(first, second, coarse.matrix, options)
    assert less.trusted
    assert less.error > fine.error


def test_small_frames_are_compared_as_wholes():
    shape = (60, 72)
    matrix = moved((1.4, -0.8), 1.0, 0.0, shape)
    first, second = (view(image) for image in pair(matrix, shape=shape, blur=0.5))
    assert patch_size(shape, 48) is None
    found = fine_pair(first, second, np.eye(3), PairOptions())
    assert found.trusted
    assert corner_distance(found.matrix, matrix, shape) < 0.2


def test_views_do_not_depend_on_how_frames_are_read():
    image = pair(np.eye(3), shape=(230, 317))[0]
    for pixels in (image, image.astype(np.uint16) * 200, image.astype(np.float32) / 7):
        whole = view_of(lambda y, x, p=pixels: p[y, x], pixels.shape, 2, rows=10_000)
        strips = view_of(lambda y, x, p=pixels: p[y, x], pixels.shape, 2, rows=32)
        assert np.array_equal(whole.small, strips.small)
        assert np.array_equal(whole.texture, strips.texture)


def test_reduced_pixels_are_block_means():
    image = np.arange(24, dtype=np.float32).reshape(4, 6)
    assert area_reduced(image, 2).tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]
    points = rescaled(np.array([[1, 0, 4], [0, 1, 2], [0, 0, 1.0]]), 2)
    assert points[:2, 2].tolist() == [2, 1]


def test_levels_go_down_to_full_resolution_only_where_it_can_be_read():
    assert levels_of((4000, 6000), 4, True) == [16, 4, 1]
    assert levels_of((4000, 6000), 4, False) == [16, 4]
    assert levels_of((16384, 16384), 16, True) == [64, 16, 4, 1]

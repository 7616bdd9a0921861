"""Guided median: outliers, edges, slopes, threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bigstack.kernels.depth.median import guided_median, refine, slope

ALL = np.ones((100, 100), bool)


def two_surfaces() -> tuple[np.ndarray, np.ndarray]:
    """Guide with an edge at column 40, depth whose edge is six pixels off it."""
    guide = np.full((80, 80, 3), 60, np.uint8)
    guide[:, 40:] = 200
    depth = np.full((80, 80), 2, np.float32)
    depth[:, 46:] = 9
    return guide, depth


def test_depth_edges_move_to_where_colours_change():
    guide, depth = two_surfaces()
    found = guided_median(depth, guide, 1.0, ALL[:80, :80], radius=16)
    np.testing.assert_allclose(found[:, :40], 2, atol=0.1)
    np.testing.assert_allclose(found[:, 40:], 9, atol=0.1)


def test_outliers_go_and_exact_depths_stay():
    rng = np.random.default_rng(0)
    guide = np.full((64, 64, 1), 90, np.uint8)
    depth = np.tile(np.linspace(3, 3.4, 64, dtype=np.float32), (64, 1))
    wrong = rng.random(depth.shape) < 0.05
    given = np.where(wrong, np.float32(11), depth)
    found = refine(
        given, np.full_like(depth, 0.01), guided_median(given, guide, 1.0, ALL[:64, :64], radius=8), 8
    )
    np.testing.assert_allclose(found, depth, atol=0.25)
    assert np.abs(found - depth)[~wrong].mean() < 0.01


def test_noisy_depths_become_smooth():
    rng = np.random.default_rng(1)
    depth = (5 + rng.normal(0, 0.4, (64, 64))).astype(np.float32)
    guide = np.full((64, 64, 1), 90, np.uint8)
    found = refine(
        depth, np.full_like(depth, 0.4), guided_median(depth, guide, 1.0, ALL[:64, :64], radius=8), 8
    )
    assert found.std() < 0.5 * depth.std()


def test_slope_is_that_of_the_plane_and_no_step_counts():
    plane = np.add.outer(np.arange(40) * 0.03, np.arange(40) * 0.04).astype(np.float32)
    np.testing.assert_allclose(slope(plane)[8:-8, 8:-8], 0.05, atol=1e-5)
    step = np.zeros((40, 40), np.float32)
    step[:, 20:] = 9
    assert (slope(step) == 0).all()


def test_threads_get_the_same_bits():
    rng = np.random.default_rng(2)
    guides = [rng.integers(0, 256, (70, 60 + i, 3), np.uint8) for i in range(4)]
    depths = [rng.random(g.shape[:2]).astype(np.float32) for g in guides]

    def median(i: int) -> np.ndarray:
        return guided_median(depths[i], guides[i], 1.0, depths[i] > 0.2, radius=5)

    alone = [median(i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda i: median(i % 4), range(16)))
    for i, found in enumerate(many):
        np.testing.assert_array_equal(found, alone[i % 4])


def test_only_voters_count_and_where_there_are_none_the_depth_stays():
    depth = np.full((60, 60), 7, np.float32)
    depth[:, :20] = 1
    depth[:, 40:] = 4
    guide = np.full((60, 60, 3), 90, np.uint8)
    voters = np.zeros(depth.shape, bool)
    voters[:, :20] = True
    found = guided_median(depth, guide, 1.0, voters, radius=10, votes=6)
    assert (found[:, :29] == 1).all()
    assert (found[:, 31:40] == 7).all()
    assert (found[:, 40:] == 4).all()

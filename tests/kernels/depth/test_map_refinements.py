"""Refinements of maps against plain statements of what they are, and their halos."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import spsolve

from bigstack.kernels.depth.defocus import from_defocus
from bigstack.kernels.depth.diamond import diamond_halo, diamond_median
from bigstack.kernels.depth.fill import fill_holes
from bigstack.kernels.depth.membrane import certainty, stretch
from bigstack.kernels.depth.total_variation import HUBER, total_variation, tv_halo
from bigstack.synthetic import scene


def plain_diamond(depth: np.ndarray, confidence: np.ndarray, radius: int) -> np.ndarray:
    """The published statement: each value as often as its weight says, sorted, the middle one."""
    out = np.empty_like(depth)
    for y, x in np.ndindex(depth.shape):
        votes = [
            (depth[v, u], (radius + 2 - abs(v - y) - abs(u - x)) * confidence[v, u])
            for v in range(max(0, y - radius), min(depth.shape[0], y + radius + 1))
            for u in range(max(0, x - radius), min(depth.shape[1], x + radius + 1))
            if abs(v - y) + abs(u - x) < radius + 2
        ]
        values, weights = np.array(sorted(votes)).T
        out[y, x] = (
            values[np.searchsorted(np.cumsum(weights), weights.sum() / 2)] if weights.sum() else depth[y, x]
        )
    return out


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    window=st.sampled_from([1, 3, 7, 9]),
    labels=st.integers(1, 20),
)
def test_diamond_is_the_sorted_statement(seed, shape, window, labels):
    rng = np.random.default_rng(seed)
    depth = rng.integers(0, labels, shape).astype(np.float32)
    confidence = rng.integers(0, 3, shape).astype(np.float32)
    found = diamond_median(depth, window=window, confidence=confidence)
    np.testing.assert_array_equal(found, plain_diamond(depth, confidence, window // 2))


def test_diamond_of_seven_weighs_eighty_one():
    radius = 3
    offsets = np.abs(np.arange(-radius, radius + 1))
    assert np.maximum(5 - np.add.outer(offsets, offsets), 0).sum() == 81
    # Forty of 81 do not move it, forty-one do.
    depth = np.zeros((7, 7), np.float32)
    depth[np.maximum(5 - np.add.outer(offsets, offsets), 0) >= 3] = 1
    assert diamond_median(depth)[3, 3] == 1
    depth[3, 3] = 0
    assert diamond_median(depth)[3, 3] == 0


def test_diamond_keeps_edges_of_its_guide():
    depth = np.zeros((20, 20), np.float32)
    depth[:, 10:] = 5
    depth[:, 9] = np.where(np.arange(20) % 3 == 0, 5, 0)
    guide = np.zeros((20, 20, 3), np.uint8)
    guide[:, 10:] = 200
    found = diamond_median(depth, guide=guide, window=9)
    assert (found[:, :10] == 0).all()
    assert (found[:, 10:] == 5).all()


@settings(max_examples=10, deadline=None)
@given(
    top=st.integers(0, 90),
    left=st.integers(0, 90),
    side=st.integers(1, 40),
    window=st.sampled_from([3, 7, 15]),
)
def test_bounded_refinements_need_their_halo_and_no_more(top, left, side, window):
    rng = np.random.default_rng(0)
    depth = rng.normal(5, 2, (130, 130)).astype(np.float32)
    weight = rng.random((130, 130)).astype(np.float32)
    guide = rng.integers(0, 256, (130, 130, 3)).astype(np.uint8)
    methods = [
        (diamond_halo(window), lambda *a: diamond_median(a[0], window=window, confidence=a[1], guide=a[2])),
        (tv_halo(), lambda *a: total_variation(a[0], a[1])),
    ]
    for halo, method in methods:
        y, x = (slice(max(0, at - halo), min(130, at + side + halo)) for at in (top, left))
        inside = np.s_[top - y.start :, left - x.start :]
        part = method(depth[y, x], weight[y, x], guide[y, x])[inside][:side, :side]
        whole = method(depth, weight, guide)[top : top + side, left : left + side]
        np.testing.assert_array_equal(part[: whole.shape[0], : whole.shape[1]], whole)


def tv_energy(found: np.ndarray, data: np.ndarray, weight: np.ndarray, strength: float) -> float:
    down, right = np.zeros_like(found), np.zeros_like(found)
    down[:-1], right[:, :-1] = np.diff(found, axis=0), np.diff(found, axis=1)
    slope = np.hypot(down, right)
    huber = np.where(slope < HUBER, slope**2 / (2 * HUBER), slope - HUBER / 2)
    return float(strength * huber.sum() + (weight * np.square(found - data)).sum() / 2)


def test_total_variation_makes_its_energy_least():
    rng = np.random.default_rng(1)
    data = rng.normal(0, 0.3, (40, 40)).astype(np.float32)
    data[:, 20:] += 4
    weight = rng.uniform(0.2, 1, data.shape).astype(np.float32)
    found = total_variation(data, weight, strength=0.5)
    least = tv_energy(found, data, weight, 0.5)
    assert least < 0.5 * tv_energy(data, data, weight, 0.5)
    for seed in range(20):
        other = found + np.random.default_rng(seed).normal(0, 0.02, data.shape).astype(np.float32)
        assert least < tv_energy(other, data, weight, 0.5)
    assert np.abs(np.diff(found[:, [19, 20]], axis=1)).min() > 3


def test_the_sheet_interpolates_between_what_is_sure_and_tears_at_steps():
    y, x = np.mgrid[:64, :64].astype(np.float32)
    truth = np.where(x < 40, x / 20, 9 + y / 30).astype(np.float32)
    sure = (y % 8 < 2) & (x % 8 < 2)
    given_depth = np.where(sure, truth, np.rint(truth)).astype(np.float32)
    weight = certainty(np.where(sure, 100, 0).astype(np.float32), sure)
    found = stretch(given_depth, given_depth, weight)
    assert np.sqrt(np.mean(np.square(found - truth))) < 0.5 * np.sqrt(np.mean(np.square(given_depth - truth)))
    assert np.abs(found - truth)[:, 38:42].max() < 0.6


def test_the_sheet_changes_nothing_that_is_flat():
    flat = np.full((33, 47), 4.25, np.float32)
    np.testing.assert_allclose(stretch(flat, flat, np.full_like(flat, 0.3)), flat, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (5, 4)])
def test_maps_of_a_few_pixels_are_refined_too(shape):
    depth = np.random.default_rng(0).random(shape).astype(np.float32)
    for found in (stretch(depth, depth, np.ones_like(depth)), total_variation(depth), diamond_median(depth)):
        assert found.shape == shape
        assert np.isfinite(found).all()


def harmonic(depth: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The mean of neighbours inside the hole, solved exactly."""
    number = np.cumsum(hole).reshape(hole.shape) - 1
    count = int(hole.sum())
    rows, columns, values, right = [], [], [], np.zeros(count)
    for y, x in np.argwhere(hole):
        at = number[y, x]
        rows.append(at), columns.append(at), values.append(4.0)
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if hole[v, u]:
                rows.append(at), columns.append(number[v, u]), values.append(-1.0)
            else:
                right[at] += depth[v, u]
    found = depth.astype(np.float64).copy()
    found[hole] = spsolve(sparse.csr_array((values, (rows, columns)), shape=(count, count)).tocsc(), right)
    return found


def test_holes_are_filled_by_the_solution_of_diffusion():
    y, x = np.mgrid[:96, :96]
    depth = (np.sin(x / 17) + y / 40).astype(np.float32)
    hole = (np.hypot(y - 40, x - 50) < 25) | ((np.abs(y - 80) < 6) & (x > 10) & (x < 30))
    found = fill_holes(np.where(hole, -99, depth).astype(np.float32), (~hole).astype(np.float32))
    np.testing.assert_array_equal(found[~hole], depth[~hole])
    assert np.abs(found - harmonic(depth, hole)).max() < 0.06


def test_no_hole_and_nothing_but_hole_stay():
    depth = np.arange(12, dtype=np.float32).reshape(3, 4)
    for weight in (np.ones_like(depth), np.zeros_like(depth)):
        np.testing.assert_array_equal(fill_holes(depth, weight), depth)


def test_defocus_finds_the_fraction_of_a_frame():
    made = scene("ramp", seed=3, shape=(120, 160), frames=10, noise=(0.5, 0.0)).compute()
    lumas = made.stack.values.mean(axis=3, dtype=np.float32)
    truth = made.truth.depth.values
    rounded = np.rint(truth).astype(np.float32)
    found = from_defocus(lumas, rounded, 0.3)
    inside = (truth > 1) & (truth < 8)
    before, after = (np.sqrt(np.mean(np.square(m - truth)[inside])) for m in (rounded, found))
    assert after < 0.75 * before


def test_defocus_moves_nothing_where_there_is_no_contrast():
    flat = np.full((6, 30, 30), 80, np.float32) + np.random.default_rng(0).normal(0, 1, (6, 30, 30)).astype(
        "f4"
    )
    depth = np.full((30, 30), 2.0, np.float32)
    assert np.abs(from_defocus(flat, depth, 1.0) - depth).mean() < 0.1

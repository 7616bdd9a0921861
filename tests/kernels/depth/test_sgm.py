"""Semi-global paths against a plain statement of them, and what they are for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.depth.sgm import MOST_JUMP, SCALE, regularise

SIDES = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def plain(cost: np.ndarray, step: int, jump: int) -> np.ndarray:
    """Hirschmueller's recursion, pixel by pixel; a path that comes from beside the image repeats its edge."""
    labels, height, width = cost.shape
    total = np.zeros(cost.shape, np.int64)
    for dy, dx in SIDES:
        path = np.zeros(cost.shape, np.int64)
        rows = range(height) if dy <= 0 else range(height - 1, -1, -1)
        columns = range(width) if dx <= 0 else range(width - 1, -1, -1)
        for y in rows:
            for x in columns:
                v, u = y + dy, x + dx
                if dy:
                    u = min(max(u, 0), width - 1)
                if not (0 <= v < height and 0 <= u < width):
                    path[:, y, x] = cost[:, y, x]
                    continue
                before = path[:, v, u]
                for z in range(labels):
                    near = [before[k] + step for k in (z - 1, z + 1) if 0 <= k < labels]
                    best = min([before[z], *near, before.min() + jump])
                    path[z, y, x] = cost[z, y, x] + best - before.min()
        total += path
    return total


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), shape=st.tuples(*[st.integers(1, 6)] * 3))
def test_costs_are_those_of_the_plain_recursion(seed, shape):
    log = np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 10
    cost = ((log.max(axis=0) - log) * np.float32(SCALE)).astype(np.int64)
    np.testing.assert_array_equal(regularise(log, 2, 5), plain(cost, 2 * SCALE, 5 * SCALE))


def test_the_largest_costs_do_not_wrap():
    log = np.zeros((4, 9, 9), np.float32)
    log[1] = 1e6
    found = regularise(log, MOST_JUMP, MOST_JUMP)
    assert (found.argmin(axis=0) == 1).all()
    assert found.max() == found[0, 4, 4]


@pytest.mark.parametrize("label", [0, 3])
def test_a_pixel_without_evidence_takes_its_neighbours_label(label):
    log = np.zeros((4, 15, 15), np.float32)
    log[label] = 5
    log[:, 6:9, 6:9] = 0
    log[1, 7, 7] = 2
    assert (regularise(log).argmin(axis=0) == label).all()

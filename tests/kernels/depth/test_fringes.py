"""Fringes: what strong edges out of focus can have made is no evidence; textures of their own stay."""

import cv2
import numpy as np

from bigstack.kernels.depth import tree
from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.fringes import without_fringes
from bigstack.synthetic import scene


def window_in_the_dark(frames=20, depth=16.0, noise=1.0):
    """A bright pane on black, in focus in a frame near the last, with the blur of a lens."""
    sharp = np.zeros((96, 128), np.float32)
    sharp[30:66, 20:60] = 230
    rng, made = np.random.default_rng(3), []
    for z in range(frames):
        radius = 1.2 * abs(z - depth)
        y, x = np.mgrid[-25:26, -25:26]
        disc = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1).astype(np.float32)
        made.append(cv2.filter2D(sharp, -1, disc / disc.sum()) + rng.normal(0, noise, sharp.shape))
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)[..., None]


def test_darkness_beside_a_window_is_not_where_the_blur_of_the_window_reaches_it(monkeypatch):
    frames = window_in_the_dark()
    beside = np.s_[20:76, 8:72]
    with_them = estimate(frames).depth[beside]
    monkeypatch.setattr(tree, "without_fringes", lambda energy, level, blur: None)
    without = estimate(frames).depth[beside]
    assert np.mean(np.abs(with_them - 16) > 2) < 0.1
    assert np.mean(np.abs(without - 16) > 2) > np.mean(np.abs(with_them - 16) > 2) + 0.1


def test_weak_texture_keeps_its_energy_where_no_edge_is_within_reach_or_strong():
    energy = np.full((8, 32, 32), 1.0, np.float32)
    energy[1, 16, 4] = 1e5
    energy[6, 16, 28] = 15
    energy[6, 16, 7] = 15
    before = energy.copy()
    without_fringes(energy, 1, 1.2)
    changed = np.argwhere(energy != before)
    assert [6, 16, 7] in changed.tolist()
    assert [6, 16, 28] not in changed.tolist()
    assert energy[6, 16, 7] == 1
    weak = np.minimum(before, 19)
    copy = weak.copy()
    without_fringes(weak, 1, 1.2)
    np.testing.assert_array_equal(weak, copy)


def test_neighbouring_frames_and_stacks_of_two_are_left_alone():
    rng = np.random.default_rng(0)
    energy = rng.uniform(0, 1e4, (2, 21, 33)).astype(np.float32)
    before = energy.copy()
    without_fringes(energy, 2, 1.2)
    np.testing.assert_array_equal(energy, before)


def test_plain_discs_are_near(monkeypatch):
    made = scene("discs", seed=1, shape=(240, 320)).compute()
    truth = made.truth.depth.values
    found = estimate(made.stack.values).depth
    monkeypatch.setattr(tree, "without_fringes", lambda energy, level, blur: None)
    before = estimate(made.stack.values).depth
    error, old = (np.sqrt(np.mean((d - truth) ** 2)) for d in (found, before))
    assert error < 0.75 * old

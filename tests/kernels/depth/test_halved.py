"""Depth of frames of half the size: near that of the whole, at any size, made-up pixels left out."""

import numpy as np
import pytest

from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.halved import halved_estimate
from bigstack.kernels.depth.recipe import Recipe
from bigstack.synthetic import scene


def test_depth_is_near_that_of_whole_frames_and_noise_is_the_whole_frames():
    made = scene("ramp", seed=7, shape=(160, 203), frames=6).compute()
    frames, truth = made.stack.values, made.truth.depth.values
    found, whole = halved_estimate(frames, None, Recipe()), estimate(frames)
    assert found.depth.shape == truth.shape
    assert np.sqrt(np.mean((found.depth - truth) ** 2)) < 0.3
    assert np.median(np.abs(found.depth - truth)) < 0.1
    assert found.noise == pytest.approx(whole.noise, rel=0.1)
    for name in ("sigma", "confidence", "valid", "unobserved", "clean"):
        values, other = getattr(found, name), getattr(whole, name)
        assert values.shape == other.shape
        assert values.dtype == other.dtype


def test_steps_stay_steps():
    made = scene("steps", seed=8, shape=(200, 260), frames=8).compute()
    truth = made.truth.depth.values
    found = halved_estimate(made.stack.values, None, Recipe())
    whole = estimate(made.stack.values)
    assert np.mean(np.abs(found.depth - truth) > 1) < np.mean(np.abs(whole.depth - truth) > 1) + 0.03


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 5), (33, 64)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_any_size_and_number_of_channels(shape, channels):
    frames = np.random.default_rng(0).integers(0, 256, (4, *shape, channels), np.uint8)
    found = halved_estimate(frames, np.ones(frames.shape[:3], bool), Recipe())
    assert found.depth.shape == shape
    assert np.isfinite(found.depth).all()


def test_made_up_pixels_give_no_evidence():
    frames = scene("ramp", seed=9, shape=(96, 128), frames=5).stack.values.copy()
    frames[4] = np.random.default_rng(1).integers(0, 256, frames.shape[1:])
    valid = np.ones(frames.shape[:3], bool)
    valid[4] = False
    found = halved_estimate(frames, valid, Recipe())
    assert (np.rint(found.depth) < 4).mean() > 0.95

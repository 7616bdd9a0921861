"""Depth between frames: focus curves of a known lens have a known peak."""

import numpy as np
import pytest

from bigstack.kernels.depth.peak import sub_frame


def curves(truth: np.ndarray, frames: int, height: float, width: float = 1.3) -> np.ndarray:
    """Energy over noise of a lens: a Gaussian about the true depth on a floor of one."""
    z = np.arange(frames)[:, None, None]
    return (1 + height * np.exp(-((z - truth) ** 2) / (2 * width**2))).astype(np.float32)


@pytest.mark.parametrize("depth", [0.0, 0.3, 2.5, 4.8, 6.7, 7.0])
def test_the_peak_of_a_strong_curve_is_found_exactly(depth):
    truth = np.full((20, 20), depth)
    energy = curves(truth, 8, 1e6)
    label = energy.argmax(axis=0)
    found, spread, _ = sub_frame(label, energy, np.log(energy))
    np.testing.assert_allclose(found, truth, atol=0.01)
    assert (spread < 0.2).all()


def test_a_flat_curve_is_loose_and_stays_at_its_label():
    flat = np.ones((6, 12, 12), np.float32)
    found, spread, _ = sub_frame(np.full((12, 12), 3), flat, np.zeros_like(flat))
    assert (found == 3).all()
    assert (spread >= 5).all()


def test_spread_is_that_of_noisy_curves():
    rng = np.random.default_rng(0)
    truth = np.full((24, 24), 3.3)
    mean = curves(truth, 7, 2.0, 1.0)
    found, spreads = [], []
    for _ in range(60):
        # Nine independent values a pixel, squared: what the pooling window of the tree sees.
        noise = rng.normal(size=(7, 24, 24, 9))
        energy = np.square(noise + np.sqrt(mean - 1)[..., None]).mean(axis=-1).astype(np.float32)
        depth, spread, _ = sub_frame(np.full((24, 24), 3), energy, np.log(mean))
        found.append(depth[12, 12])
        spreads.append(spread[12, 12])
    assert np.std(found) < 2.5 * np.mean(spreads)


@pytest.mark.parametrize("frames", [1, 2])
def test_so_few_frames_have_nothing_between_them(frames):
    energy = np.ones((frames, 5, 5), np.float32)
    assert (sub_frame(np.full((5, 5), frames - 1), energy, energy)[0] == frames - 1).all()

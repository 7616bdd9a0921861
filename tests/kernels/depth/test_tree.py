"""Evidence over scales: the frame in focus, noise alone, made-up pixels."""

import numpy as np
import pytest

from bigstack.kernels.depth.tree import gather, level_count, softmax


def frames(sharp: int, count: int = 5, side: int = 64) -> np.ndarray:
    """Noise of deviation 1 all over, and a strong pattern in one frame."""
    rng = np.random.default_rng(0)
    stack = rng.normal(size=(count, side, side)).astype(np.float32)
    stack[sharp] += 20 * rng.normal(size=(side, side)).astype(np.float32)
    return stack


@pytest.mark.parametrize("sharp", [0, 2, 4])
def test_the_frame_with_texture_wins_everywhere(sharp):
    found = gather(frames(sharp), 1.0)
    assert (found.log.argmax(axis=0) == sharp).all()
    assert (found.snr > 20).all()


def test_energy_of_noise_is_one():
    noise = np.random.default_rng(1).normal(0, 3, (4, 128, 128)).astype(np.float32)
    assert gather(noise, 3.0).energy.mean() == pytest.approx(1, rel=0.05)


def test_made_up_pixels_give_no_evidence():
    stack = frames(2)
    stack[4, :, 32:] += 5 * np.random.default_rng(3).normal(size=(64, 32)).astype(np.float32)
    invalid = np.zeros(stack.shape, bool)
    invalid[2, :, 32:] = True
    found = gather(stack, 1.0, invalid)
    assert (found.energy[2, :, 32:] == 0).all()
    assert (found.log[:, :, :16].argmax(axis=0) == 2).all()
    assert (gather(stack, 1.0).log.argmax(axis=0) == 2).all()
    assert (found.log[:, :, 48:].argmax(axis=0) == 4).all()


def test_softmax_is_a_probability():
    share = softmax(np.random.default_rng(2).normal(size=(6, 4, 5)).astype(np.float32) * 50, 0.4)
    np.testing.assert_allclose(share.sum(axis=0), 1, rtol=1e-5)


def test_small_images_have_fewer_levels():
    assert [level_count((side, 999)) for side in (1, 4, 8, 300)] == [1, 1, 2, 6]

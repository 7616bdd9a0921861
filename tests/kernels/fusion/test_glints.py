"""Clipped highlights: where they are found, what is taken, what is left alone."""

import numpy as np
import pytest

from bigstack.kernels.fusion import glints
from bigstack.kernels.fusion.glints import take_glints
from bigstack.kernels.quality import psnr
from bigstack.synthetic import scene


def glint(dtype: str = "uint8") -> np.ndarray:
    """Three frames of grey texture; a disc that clips is 3 pixels wide in the first, 15 in the last."""
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    frames = np.stack([rng.normal(0.4, s, (60, 60, 3)) * top for s in (0.05, 0.01, 0.005)])
    frames = np.clip(frames, 0, top).astype(dtype)
    for frame, half in zip(frames, (1, 4, 7), strict=True):
        frame[30 - half : 31 + half, 30 - half : 31 + half] = top
    return frames


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pixels_come_whole_from_one_frame_about_a_glint_and_stay_elsewhere(dtype):
    frames = glint(dtype)
    image = np.zeros(frames.shape[1:], np.float32)
    found = take_glints(image, frames)
    inside = found[26:35, 26:35].astype(dtype)
    assert (inside[None] == frames[:, 26:35, 26:35]).all(axis=-1).any(axis=0).all()
    far = np.ones(found.shape[:2], bool)
    far[11:50, 11:50] = False
    assert (found[far] == 0).all()


def test_what_is_white_in_every_frame_or_in_none_is_left_alone():
    image = np.full((20, 20, 3), 7, np.float32)
    for grey in (255, 240):
        frames = np.full((3, 20, 20, 3), grey, np.uint8)
        assert take_glints(image, frames) is image
    floats = np.random.default_rng(0).random((3, 20, 20, 3)).astype(np.float32)
    assert take_glints(image, floats) is image


def test_made_up_frames_are_not_taken():
    frames = glint()
    valid = np.ones(frames.shape[:3], bool)
    valid[0] = False
    found = take_glints(np.zeros(frames.shape[1:], np.float32), frames, valid)[26:35, 26:35]
    assert (found[None] == frames[1:, 26:35, 26:35]).all(axis=-1).any(axis=0).all()


def test_noise_does_not_count_as_sharpness():
    """Before a white window a dark thing goes out of focus: no highlight, however much noise there is."""
    rng = np.random.default_rng(3)
    edge = np.arange(80, dtype=float) - 30
    frames = [np.clip(150 + 150 * edge / (1 + 12 * z), 20, 255) for z in range(6)]
    noisy = np.stack([f + rng.normal(0, 6, (80, 80)) for f in frames])
    noisy = np.clip(noisy, 0, 255).astype(np.uint8)[..., None]
    image = np.zeros((80, 80, 1), np.float32)
    taken = [np.count_nonzero(take_glints(image, noisy, noise=sigma)) for sigma in (0.0, 6.0)]
    assert taken[1] < 0.3 * taken[0]


def test_highlights_gain():
    from bigstack.kernels.depth.estimate import estimate
    from bigstack.kernels.fusion.depth_blend import depth_blend

    made = scene("highlights", seed=31, shape=(240, 320)).compute()
    frames, truth = made.stack.values, made.truth.image.values
    depth = estimate(frames)
    plain = depth_blend(frames, depth.depth, depth.noise)
    assert psnr(take_glints(plain, frames), truth, data_range=255) > 6 + psnr(plain, truth, data_range=255)


def test_glitter_whose_darkest_frame_changes_from_cell_to_cell_is_mostly_left_alone(monkeypatch):
    rng = np.random.default_rng(4)
    cells = rng.integers(0, 2, (12, 48, 48)) * 200 + 55
    frames = np.repeat(np.repeat(cells, 6, axis=1), 6, axis=2).astype(np.uint8)[..., None]
    image = frames[2].astype(np.float32)
    changed = np.mean(take_glints(image, frames) != image)
    monkeypatch.setattr(glints, "_ALIKE", len(frames))
    assert changed < 0.6 * np.mean(take_glints(image, frames) != image)

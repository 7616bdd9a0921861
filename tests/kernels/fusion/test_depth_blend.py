"""Fusion by depth: what it must keep, average and leave out."""

import numpy as np
import pytest

from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.fusion.depth_blend import depth_blend
from bigstack.kernels.quality import psnr
from bigstack.synthetic import scene


def flat(frames: int, sigma: float, side: int = 192) -> np.ndarray:
    rng = np.random.default_rng(frames)
    return np.clip(np.rint(120 + rng.normal(0, sigma, (frames, side, side, 3))), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (33, 64), (130, 127)])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_equal_frames_are_given_back(shape, frames):
    one = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    stack = np.repeat(one[None], frames, axis=0)
    depth = np.zeros(shape, np.float32)
    np.testing.assert_allclose(depth_blend(stack, depth, 1.0, shrink=0), one, atol=0.01)


@pytest.mark.parametrize("frames", [5, 12, 40])
def test_noise_of_a_flat_stack_falls_to_half(frames):
    stack = flat(frames, 6.0)
    found = estimate(stack)
    image = depth_blend(stack, found.depth, found.noise)
    assert (image - 120).std() <= 0.55 * 6


@pytest.mark.parametrize(("name", "gain"), [("ramp-noisy", 4.0), ("steps-dots", 3.0), ("ramp", 0.0)])
def test_psnr_exceeds_that_of_pyramid_selection(name, gain):
    import xarray as xr

    from bigstack.fusion import fuse

    made = scene(name, seed=11, shape=(200, 264)).compute()
    truth = made.truth.image.values
    stack = xr.DataArray(made.stack.values, dims=made.stack.dims)
    found = fuse(stack, method="depth").image.values
    assert psnr(found, truth) > psnr(fuse(stack).image.values, truth) + gain


def test_with_the_true_depth_a_smooth_surface_is_near_the_truth():
    made = scene("noise-free", seed=3, shape=(200, 264)).compute()
    image = depth_blend(made.stack.values, made.truth.depth.values, 0.3)
    assert psnr(np.clip(np.rint(image), 0, 255).astype(np.uint8), made.truth.image.values) > 42


@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_texture_that_is_sharp_in_most_frames_is_not_taken_for_noise(sigma):
    rng = np.random.default_rng(5)
    texture = rng.normal(120, 12, (128, 160, 1))
    stack = np.stack([texture, texture, np.full_like(texture, 120), texture, texture])
    stack = (stack + rng.normal(0, sigma, stack.shape)).astype(np.float32)
    one, two = (depth_blend(stack, np.zeros((128, 160), np.float32), 12.0, shrink=s) for s in (0, 1))
    lost = np.sqrt(np.mean((two - one) ** 2))
    assert lost < (2 if sigma else 0.1)


def test_of_two_frames_hardly_anything_is_shrunk():
    stack = flat(2, 6.0)
    images = [depth_blend(stack, np.zeros(stack.shape[1:3], np.float32), 4.0, shrink=s) for s in (0, 1)]
    assert images[1].std() > 0.9 * images[0].std()


def test_pixels_without_data_have_no_part():
    stack = flat(4, 2.0)
    stack[2, :, :80] = 255
    valid = np.ones(stack.shape[:3], bool)
    valid[2, :, :80] = False
    depth = np.full(stack.shape[1:3], 2, np.float32)
    image = depth_blend(stack, depth, 1.4, valid)
    assert np.abs(image - 120).max() < 12
    assert depth_blend(stack, depth, 1.4)[:, :60].mean() > 130


def test_where_no_frame_has_data_the_frames_still_fill_the_image():
    stack = flat(3, 1.0)
    image = depth_blend(stack, np.ones(stack.shape[1:3], np.float32), 0.7, np.zeros(stack.shape[:3], bool))
    assert np.isfinite(image).all()
    assert np.abs(image - 120).max() < 8

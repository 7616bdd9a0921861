"""Noise that a blend leaves: shrunk where it is alone, while what is there stays."""

import numpy as np
import pytest

from bigstack.kernels.fusion.residual import SIDE, band_gains, shrink_noise


def noise_map(shape: tuple[int, int], sigma: float, levels: int = 3) -> np.ndarray:
    """A blend that left every frame's noise, which its levels share as a pyramid does."""
    cells = tuple(-(-side // SIDE) for side in shape)
    return np.full((levels + 1, *cells), sigma, np.float32)


def noise(shape: tuple[int, ...], sigma: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sigma, shape).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("shape", [(8, 8), (40, 131), (77, 64)])
def test_noise_alone_nearly_goes_and_the_mean_stays(channels, shape):
    image = 100 + noise((channels, *shape), 5)
    found = shrink_noise(image, noise_map(shape, 5), 2.5)
    assert found.std() < 0.5 * image.std()
    assert abs(found.mean() - image.mean()) < 0.5


def test_an_edge_far_above_the_noise_keeps_its_height_and_sharpness():
    image = np.full((1, 64, 64), 50, np.float32)
    image[..., 30:] = 200
    found = shrink_noise(image + noise(image.shape, 2), noise_map((64, 64), 2), 2.2)
    assert np.abs(found[..., 28:32] - image[..., 28:32]).mean() < 2
    assert np.sqrt(np.mean((found - image) ** 2)) < 1


def test_colours_stay_what_they_are():
    image = np.stack([np.full((24, 24), level, np.float32) for level in (10, 120, 240)])
    found = shrink_noise(image, noise_map((24, 24), 1), 2.2)
    np.testing.assert_allclose(found, image, atol=1e-3)


def test_without_noise_nothing_changes():
    image = noise((3, 30, 45), 30)
    np.testing.assert_allclose(shrink_noise(image, noise_map((30, 45), 0), 2.2), image, atol=1e-3)


def test_images_smaller_than_a_block_are_left_alone():
    image = noise((3, 7, 50), 3)
    assert shrink_noise(image, noise_map((7, 50), 3), 2.2) is image


def test_levels_together_pass_a_wave_whole():
    # Amplitudes of bands that are added up; only the squared filters of neighbours overlap.
    assert np.allclose(band_gains(3).sum(axis=0), 1, atol=0.15)

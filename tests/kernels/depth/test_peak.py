"""Depth between frames: focus curves of a known lens have a known peak."""

import numpy as np
import pytest
from scipy.special import j1

from bigstack.kernels.depth.peak import stride_of, sub_frame
from bigstack.kernels.depth.three_point import three_point


def curves(truth: np.ndarray, frames: int, height: float, width: float = 1.3) -> np.ndarray:
    """Energy over noise of a lens: a Gaussian about the true depth on a floor of one."""
    z = np.arange(frames)[:, None, None]
    return (1 + height * np.exp(-((z - truth) ** 2) / (2 * width**2))).astype(np.float32)


@pytest.mark.parametrize("depth", [0.0, 0.3, 2.5, 4.8, 6.7, 7.0])
def test_the_peak_of_a_strong_gaussian_is_found(depth):
    """Gaussians are not quite what lenses give: what is exact for those is a little off here, at the ends."""
    truth = np.full((20, 20), depth)
    energy = curves(truth, 8, 1e6)
    label = energy.argmax(axis=0)
    found, spread, _ = sub_frame(label, energy, np.log(energy))
    np.testing.assert_allclose(found, truth, atol=0.01 if 1 < depth < 6 else 0.07)
    assert (spread < 0.2).all()


def lens_curve(psf: str, blur: float, depth: float, frames: int) -> np.ndarray:
    """Energy (z) of the Laplacian of 1/f texture that a lens blurs by `blur` pixels a frame."""
    f = np.hypot(*np.meshgrid(np.arange(-0.5, 0.5, 1 / 256), np.arange(-0.5, 0.5, 1 / 256)))
    f[128, 128] = 1e-3
    seen = f**-2.0 * np.exp(-((2 * np.pi * f * 0.7) ** 2)) * f**4
    radii = np.maximum(blur * np.abs(np.arange(frames) - depth), 1e-6)[:, None, None]
    w = 2 * np.pi * f * radii
    transfer = 2 * j1(w) / w if psf == "disc" else np.exp(-(w**2) / 8)
    return (seen * transfer**2).sum(axis=(1, 2))


@pytest.mark.parametrize("psf", ["disc", "gaussian"])
@pytest.mark.parametrize("blur", [0.6, 1.2, 2.5, 3.5])
@pytest.mark.parametrize("offset", [0.0, 0.15, 0.3, 0.45, 0.5])
def test_frames_far_apart_do_not_draw_depths_to_themselves(psf, blur, offset):
    energy = lens_curve(psf, blur, 3 + offset, 7)
    energy = 1 + 1e6 * (energy / energy.max())[:, None, None] * np.ones((1, 20, 20))
    found, _, _ = sub_frame(np.full((20, 20), 3), energy.astype(np.float32), np.log(energy))
    np.testing.assert_allclose(found, 3 + offset, atol=0.04)
    plain = three_point(np.full((20, 20), 3), energy.astype(np.float32), gaussian=True)
    if blur > 2 and 0 < offset < 0.45:
        assert np.abs(plain - 3 - offset).max() > 0.04


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


def test_frames_further_apart_tell_more_where_focus_falls_slowly():
    rng = np.random.default_rng(1)
    truth = np.full((60, 60), 14.3)
    slow = curves(truth, 30, 400.0, 3.5) * rng.gamma(60, 1 / 60, (30, 60, 60))
    label = np.full((60, 60), 14)
    assert stride_of(label, curves(truth, 30, 400.0, 1.0)) == 1
    assert stride_of(label, curves(truth, 30, 400.0, 3.5)) == 4
    found, spread, fall = sub_frame(label, slow.astype(np.float32), np.log(slow))
    close, _, _ = sub_frame(
        label, slow.astype(np.float32), np.log(slow), positions=tuple(float(z) for z in range(30))
    )
    assert np.std(found) < 0.5 * np.std(close)
    assert abs(np.mean(found) - 14.3) < 0.05
    np.testing.assert_allclose(np.median(fall), 1 / 3.5**2, rtol=0.3)
    assert np.median(spread) < 0.3


def test_a_label_on_the_wrong_side_of_the_middle_does_not_hold_the_depth():
    energy = curves(np.full((20, 20), 3.4), 8, 1e6)
    assert abs(sub_frame(np.full((20, 20), 4), energy, np.log(energy))[0] - 3.4).max() < 0.05


@pytest.mark.parametrize("frames", [3, 4, 9])
def test_no_frame_outside_the_stack_is_asked_for(frames):
    energy = curves(np.tile(np.linspace(0, frames - 1, 60), (60, 1)), frames, 400.0, 3.5)
    found = sub_frame(energy.argmax(axis=0), energy, np.log(energy))[0]
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= frames - 1

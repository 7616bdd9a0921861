"""Guided-filter fusion against a statement of the paper in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bigstack.errors import InputError
from bigstack.kernels.fusion.guided import Guided, faded, guided_filter, saliency, two_layers
from bigstack.kernels.luminance import luminance

from ...test_fuse import results
from .folding import random_frames, run


def mean(values: np.ndarray, side: int) -> np.ndarray:
    return ndimage.uniform_filter(values, side, mode="mirror")


def stated_filter(guide: np.ndarray, image: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """He, Sun and Tang: the best line through (guide, image) of each window, averaged."""
    side = 2 * radius + 1
    covariance = mean(guide * image, side) - mean(guide, side) * mean(image, side)
    variance = mean(guide**2, side) - mean(guide, side) ** 2
    slope = covariance / (variance + eps)
    offset = mean(image, side) - slope * mean(guide, side)
    return mean(slope, side) * guide + mean(offset, side)


def stated(frames: np.ndarray, fold: Guided) -> np.ndarray:
    """Li, Kang and Hu: equations 1 to 12."""
    guides = [luminance(frame).astype(float) / fold.white for frame in frames]
    laplace = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    salient = []
    for guide in guides:
        edges = np.abs(ndimage.correlate(guide, laplace, mode="mirror"))
        salient.append(ndimage.gaussian_filter(edges, 5, radius=5, mode="mirror"))
    sharpest = np.argmax(salient, axis=0)
    total = 0
    for base, radius, eps in (
        (True, fold.base_radius, fold.base_eps),
        (False, fold.detail_radius, fold.detail_eps),
    ):
        weights = [
            np.clip(stated_filter(guide, (sharpest == z).astype(float), radius, eps), 0, 1)
            for z, guide in enumerate(guides)
        ]
        layer = 0
        for frame, weight in zip(frames.astype(float), weights, strict=True):
            low = np.stack([mean(frame[..., c], fold.window) for c in range(frame.shape[2])], axis=-1)
            layer = layer + (low if base else frame - low) * (weight / sum(weights))[..., None]
        total = total + layer
    return total


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), frames=st.integers(1, 4), channels=st.sampled_from([1, 3]))
def test_fusion_is_that_of_the_paper(seed, frames, channels):
    stack = ndimage.gaussian_filter(random_frames(seed, (frames, 60, 70, channels), "uint8"), (0, 2, 2, 0))
    stack = stack + random_frames(seed, (frames, 60, 70, channels), "uint8") // 8
    fold = Guided((), 255.0, window=9, base_radius=8, detail_radius=3, detail_eps=1e-4)
    found = run(fold, stack)["image"].astype(float)
    np.testing.assert_allclose(found, np.clip(stated(stack, fold), 0, 255), atol=1.0)


def test_the_filter_is_stated_and_keeps_the_guide_s_edges():
    rng = np.random.default_rng(1)
    guide, image = rng.random((50, 60), np.float32), rng.random((50, 60), np.float32)
    found = guided_filter(guide, image, 6, 0.01)
    np.testing.assert_allclose(found, stated_filter(guide.astype(float), image, 6, 0.01), atol=1e-5)
    step = np.repeat(np.float32([0, 1]), 30)[None].repeat(40, axis=0)
    noisy = (step + rng.normal(0, 0.2, step.shape)).astype(np.float32)
    kept = guided_filter(step, noisy, 8, 1e-4)
    assert np.abs(kept - step).max() < 0.1 < np.abs(noisy - step).max()


def test_layers_add_up_and_made_up_pixels_are_not_in_them():
    frame = random_frames(2, (1, 40, 50, 3), "uint16")[0]
    base, detail = two_layers(frame, None, 7)
    np.testing.assert_allclose(base + detail, frame, rtol=1e-6)
    valid = np.ones((40, 50), bool)
    valid[:, :20] = False
    black = np.where(valid[..., None], frame, 0)
    base, _ = two_layers(black, valid, 7)
    for y, x in ((10, 20), (20, 22)):
        around = frame[y - 3 : y + 4, max(20, x - 3) : x + 4].reshape(-1, 3)
        np.testing.assert_allclose(base[y, x], around.mean(axis=0), rtol=1e-4)
    assert saliency(black[..., 0].astype(np.float32), valid)[:, :20].max() == -1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 4}, "odd number of pixels from 3 to 201"),
        ({"base_radius": 0}, "base_radius must be 1 to 100"),
        ({"detail_eps": 0.0}, "detail_eps must be a positive"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    import dask.array as da

    with pytest.raises(InputError, match=words):
        results(da.from_array(random_frames(0, (2, 20, 20, 1), "uint8")), method="guided", **options)


def test_floats_count_in_shares_of_their_brightest_pixel():
    import dask.array as da

    frames = random_frames(4, (3, 80, 90, 1), "uint8").astype(np.float32)
    frames[0, 0, 0] = 255
    small = results(da.from_array(frames / 1000), method="guided")["image"]
    np.testing.assert_allclose(
        small * 1000, results(da.from_array(frames), method="guided")["image"], atol=0.5
    )


def test_frames_fade_in_where_their_real_pixels_begin():
    valid = np.ones((90, 120), bool)
    valid[:, :40] = False
    share = faded(valid)[45]
    assert (share[:40] == 0).all()
    assert share[40] < 0.1
    assert (share[57:] == 1).all()
    assert (np.diff(share) < 0.1).all()
    assert (faded(np.ones((20, 30), bool)) == 1).all()

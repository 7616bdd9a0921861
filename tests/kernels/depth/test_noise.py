"""Noise of frames, and what pyramids make of it, against random numbers."""

import cv2
import numpy as np
import pytest

from bigstack.kernels.depth.noise import PRE_SIGMA, band_gain, laplacian_gain, noise_sigma


def white(seed: int = 0, side: int = 1024) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.5, 6.0])
def test_noise_is_found_whatever_smooth_scene_lies_beneath(sigma):
    ramp = np.add.outer(np.arange(256.0), np.arange(256.0))
    frames = np.stack([white(z, 256) * sigma + ramp for z in range(3)]).astype(np.float32)
    assert noise_sigma(frames, 0.01) == pytest.approx(sigma, rel=0.05)


def test_frames_without_noise_have_the_floor():
    assert noise_sigma(np.full((2, 32, 32), 7, np.float32), 0.29) == 0.29


def test_one_textured_frame_among_others_does_not_count():
    frames = np.stack([white(z, 256) * (30 if z == 1 else 2) for z in range(5)])
    assert noise_sigma(frames, 0.01) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_laplacian_gain_is_the_variance_of_filtered_noise(level):
    low = white(3)
    for _ in range(level):
        low = cv2.pyrDown(low)
    edges = cv2.Laplacian(cv2.GaussianBlur(low, (5, 5), PRE_SIGMA), cv2.CV_32F)[4:-4, 4:-4]
    assert laplacian_gain(level) == pytest.approx(edges.var(), rel=0.1)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_band_gain_is_about_the_variance_of_a_laplacian_pyramid(level):
    low = white(4)
    for _ in range(level):
        low = cv2.pyrDown(low)
    band = (low - cv2.pyrUp(cv2.pyrDown(low), dstsize=low.shape[::-1]))[4:-4, 4:-4]
    assert band_gain(level) == pytest.approx(band.var(), rel=0.25)

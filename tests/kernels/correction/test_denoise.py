"""Non-local means against a plain statement of it, its exactness, and the estimate of noise."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.correction.denoise import BEST, denoise, denoise_halo
from bigstack.kernels.correction.noise import noise_responses, noise_sigma


def naive(image, noise, strength, search, template):
    """The definition, a pixel at a time, in float64; distances are between values in 1/8 of the noise."""
    s, t = search // 2, template // 2
    padded = np.pad(image.astype(float), ((s + t, s + t), (s + t, s + t), (0, 0)), mode="reflect")
    h = strength * BEST
    result = np.empty(image.shape)

    rounded = np.rint(padded / noise * 8) / 8

    def patch(y, x):
        return rounded[y - t : y + t + 1, x - t : x + t + 1]

    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            total, weights = np.zeros(image.shape[2]), 0.0
            for i in range(y + t, y + t + search):
                for j in range(x + t, x + t + search):
                    d = ((patch(y + s + t, x + s + t) - patch(i, j)) ** 2).mean()
                    weight = np.exp(-max(d - 2, 0) / h**2)
                    total += weight * padded[i, j]
                    weights += weight
            result[y, x] = total / weights
    return result


@pytest.mark.parametrize(("search", "template"), [(5, 3), (7, 1), (3, 5)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_it_is_the_definition(channels, search, template):
    rng = np.random.default_rng(0)
    noise = (4.0, 8.0, 2.0)[:channels]
    image = 100 + 30 * rng.random((1, 14, channels)).repeat(11, axis=0)
    image = (image + rng.normal(0, noise, image.shape)).astype(np.float32)
    expected = naive(image, np.array(noise), 0.8, search, template)
    found = denoise(image, noise, strength=0.8, search=search, template=template)
    assert np.abs(expected - image).max() > 4
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def noisy_scene(dtype="float32", channels=3, sigma=9.0, shape=(120, 160)):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: shape[0], : shape[1]]
    truth = 110 + 50 * np.sign(np.sin(x / 9) * np.sin(y / 13)) + 0.2 * x
    truth = np.repeat(truth[..., None], channels, axis=2)
    noisy = truth + rng.normal(0, sigma, truth.shape)
    scale = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
    if dtype == "float32":
        return truth * scale, (noisy * scale).astype(dtype), sigma * scale
    return truth * scale, np.clip(np.rint(noisy * scale), 0, 255 * scale).astype(dtype), sigma * scale


def rms(error):
    return float(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_goes_and_edges_stay(dtype, channels):
    truth, noisy, sigma = noisy_scene(dtype, channels)
    result = denoise(noisy, (sigma,) * channels)
    assert result.dtype == noisy.dtype
    assert rms(result - truth) < 0.36 * sigma
    stronger = denoise(noisy, (sigma,) * channels, strength=3.0)
    weaker = denoise(noisy, (sigma,) * channels, strength=0.3)
    change = [rms(image.astype(float) - noisy) for image in (weaker, result, stronger)]
    assert change == sorted(change)


def test_all_dtypes_are_treated_alike():
    results = {}
    for dtype in ("uint8", "uint16", "float32"):
        _, noisy, sigma = noisy_scene("uint8")
        scale = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
        image = (
            (noisy * np.float32(scale)).astype(dtype) if dtype == "float32" else noisy.astype(dtype) * scale
        )
        results[dtype] = denoise(image.astype(dtype), (sigma * scale,) * 3) / scale
    assert np.abs(results["uint16"] - results["float32"]).max() < 0.05
    assert np.abs(results["uint8"] - results["float32"]).max() <= 0.51


def test_it_is_better_than_opencv_s_at_its_best():
    truth, noisy, sigma = noisy_scene("uint8")
    theirs = min(
        rms(cv2.fastNlMeansDenoising(noisy, None, float(k * sigma), 5, 13) - truth)
        for k in (0.6, 0.8, 1, 1.3)
    )
    assert rms(denoise(noisy, (sigma,) * 3) - truth) < theirs


def test_a_channel_without_noise_stays_and_no_strength_changes_nothing():
    _, noisy, sigma = noisy_scene("uint8")
    result = denoise(noisy, (sigma, 0.0, sigma))
    np.testing.assert_array_equal(result[..., 1], noisy[..., 1])
    assert (result[..., 0] != noisy[..., 0]).any()
    np.testing.assert_array_equal(denoise(noisy, (sigma,) * 3, strength=0.0), noisy)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_windows_give_the_bits_of_the_whole_image(data):
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    channels = data.draw(st.integers(1, 3))
    search, template = data.draw(st.sampled_from([(5, 3), (7, 5), (3, 7)]))
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 90))
    shape = (max(height, 12), max(width, 12))
    _, image, sigma = noisy_scene(dtype, channels, shape=shape)
    if dtype == "float32" and data.draw(st.booleans()):
        image[shape[0] // 2, shape[1] // 2] = data.draw(st.sampled_from([np.nan, np.inf, 1e20]))
    options = {"search": search, "template": template}
    noise = (sigma,) * channels
    y0 = data.draw(st.integers(0, shape[0] - 1))
    x0 = data.draw(st.integers(0, shape[1] - 1))
    y1 = data.draw(st.integers(y0 + 1, shape[0]))
    x1 = data.draw(st.integers(x0 + 1, shape[1]))
    halo = denoise_halo(search, template)
    top, left = max(0, y0 - halo), max(0, x0 - halo)
    part = denoise(image[top : y1 + halo, left : x1 + halo], noise, **options)
    part = part[y0 - top : y1 - top, x0 - left : x1 - left]
    np.testing.assert_array_equal(part, denoise(image, noise, **options)[y0:y1, x0:x1])


def test_windows_larger_than_its_blocks_agree():
    _, image, sigma = noisy_scene("uint16", 1, shape=(211, 801))
    halo = denoise_halo(13, 5)
    part = denoise(image[37 - halo :, 91 - halo :], (sigma,))[halo:, halo:]
    np.testing.assert_array_equal(part, denoise(image, (sigma,))[37:, 91:])


def test_values_that_are_not_finite_stay_where_they_are():
    _, image, sigma = noisy_scene("float32", 1)
    image[50, 60] = np.nan
    result = denoise(image, (sigma,))
    assert np.isnan(result[50, 60]).all()
    assert np.isfinite(result).sum() == result.size - 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("sigma", [1.0, 4.0, 15.0])
def test_noise_is_measured_beside_texture(sigma, dtype):
    _, noisy, expected = noisy_scene(dtype, 1, sigma, (400, 600))
    step = 0.0 if dtype == "float32" else 1.0
    top = None if dtype == "float32" else float(np.iinfo(dtype).max)
    found = noise_sigma(noise_responses(noisy[..., 0], top), step)
    assert found == pytest.approx(expected, rel=0.1)


def test_no_noise_is_measured_where_there_is_none_to_see():
    white = np.full((50, 50), 255, np.uint8)
    assert np.isnan(noise_sigma(noise_responses(white, 255.0), 1.0))
    assert noise_sigma(noise_responses(np.full((50, 50), 90, np.uint8), 255.0), 1.0) < 0.1

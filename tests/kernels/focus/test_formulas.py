"""Each measure against an independent statement of its formula."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from bigstack.errors import InputError
from bigstack.kernels.focus import measure

CV = {"ddepth": cv2.CV_64F}


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    rng = np.random.default_rng(11)
    smooth = cv2.GaussianBlur(rng.normal(size=(60, 70)), (0, 0), 1.5)
    return (128 + 300 * smooth + rng.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)


def run(name, image, **options):
    return measure(name).function(image, **options)


def box(values, window):
    return cv2.blur(values, (window, window))


def close(found, expected, rtol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_laplacian_is_opencv_s(grey, kernel):
    expected = cv2.Laplacian(grey.astype(float), cv2.CV_64F, ksize=kernel)
    close(run("laplacian", grey, kernel=kernel, window=1, power=1.0), np.abs(expected))
    close(run("laplacian", grey, kernel=kernel, window=6), box(expected**2, 6))


@pytest.mark.parametrize("blur", [1, 3, 5, 7, 9])
def test_log_is_opencv_s_gaussian_and_laplacian(grey, blur):
    smooth = cv2.GaussianBlur(grey.astype(float), (blur, blur), 0)
    expected = cv2.Laplacian(smooth, cv2.CV_64F, ksize=5)
    close(run("log", grey, blur=blur), np.abs(expected))
    close(run("energy", grey, blur=blur), box(expected**2, 64))


def test_modified_laplacian_and_its_sum(grey):
    padded = np.pad(grey.astype(float), 2, mode="reflect")
    centre = padded[2:-2, 2:-2]
    both = [
        np.abs(2 * centre - padded[2:-2, :-4] - padded[2:-2, 4:]),
        np.abs(2 * centre - padded[:-4, 2:-2] - padded[4:, 2:-2]),
    ]
    close(run("modified_laplacian", grey, step=2), both[0] + both[1])
    close(run("modified_laplacian", grey, step=2, power=2.0), both[0] ** 2 + both[1] ** 2)
    counted = np.where(both[0] + both[1] >= 30, both[0] + both[1], 0)
    close(run("sml", grey, step=2, threshold=30.0, window=5), 25 * box(counted, 5))


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_gradients_are_opencv_s(grey, kernel):
    down = cv2.Sobel(grey.astype(float), cv2.CV_64F, 0, 1, ksize=kernel)
    across = cv2.Sobel(grey.astype(float), cv2.CV_64F, 1, 0, ksize=kernel)
    close(run("tenengrad", grey, kernel=kernel, window=3), box(down**2 + across**2, 3))
    close(run("sobel", grey, kernel=kernel), np.abs(down) + np.abs(across))


def test_brenner_compares_pixels_two_apart(grey):
    padded = np.pad(grey.astype(float), ((0, 2), (0, 2)), mode="reflect")
    down, across = padded[2:, :-2] - grey, padded[:-2, 2:] - grey
    close(run("brenner", grey, window=1), down**2 + across**2)


def test_variance_is_that_of_the_window(grey):
    padded = np.pad(grey.astype(float), 3, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7))
    close(run("variance", grey, window=7), windows.var(axis=(2, 3)))


def test_variance_of_a_bright_float_image_keeps_its_digits():
    noise = np.random.default_rng(1).normal(size=(40, 40))
    image = (30000 + noise).astype(np.float32)
    expected = run("variance", (image - np.float32(30000)).astype(np.float32), window=9)
    close(run("variance", image, window=9), expected, rtol=1e-4)


def test_variance_needs_a_window(grey):
    with pytest.raises(InputError, match="at least 2"):
        run("variance", grey, window=1)


def test_pre_smoothing_is_a_gaussian(grey):
    smooth = ndimage.gaussian_filter(grey.astype(float), 1.2, mode="mirror", radius=5)
    expected = box(cv2.Laplacian(smooth, cv2.CV_64F, ksize=3) ** 2, 5)
    close(run("laplacian", grey, sigma=1.2), expected, rtol=1e-3)


def haar(image):
    low, high = np.array([1, 1]) / np.sqrt(2), np.array([1, -1]) / np.sqrt(2)
    padded = np.pad(image.astype(float), ((1, 0), (1, 0)), mode="reflect")

    def along(taps, values, axis):
        return taps[0] * np.roll(values, 1, axis) + taps[1] * values

    bands = [along(a, along(b, padded, 1), 0)[1:, 1:] for a, b in ((low, high), (high, low), (high, high))]
    return sum(band**2 for band in bands)


def test_haar_wavelet_energy(grey):
    close(run("wavelet", grey, family="haar", window=1), haar(grey), rtol=1e-3)


@pytest.mark.parametrize("family", ["haar", "db2", "db3"])
def test_orthogonal_wavelets_keep_the_energy_of_noise(family):
    # Each of the three detail bands of an orthonormal, undecimated transform has the variance of white noise.
    noise = np.random.default_rng(3).normal(0, 10, (300, 300)).astype(np.float32)
    assert run("wavelet", noise, family=family, window=1).mean() == pytest.approx(300, rel=0.03)


@pytest.mark.parametrize("family", ["cdf53", "db2", "db3"])
def test_wavelets_do_not_see_a_ramp(family):
    ramp = np.add.outer(3 * np.arange(60), 2 * np.arange(60)).astype(np.uint16)
    edge = run("wavelet", (ramp > 150).astype(np.uint16) * 150, family=family, levels=2)[20:-20, 20:-20].max()
    assert run("wavelet", ramp, family=family, levels=2)[20:-20, 20:-20].max() < 1e-4 * edge


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1, 2.5])
def test_steerable_finds_a_wave_in_any_direction(angle):
    y, x = np.mgrid[:80, :80]
    wave = (100 + 50 * np.sin(0.5 * (x * np.cos(angle) + y * np.sin(angle)))).astype(np.float32)
    for order in (1, 2):
        best = run("steerable", wave, order=order, angles=32, sigma=1.0, window=25)[30:-30, 30:-30].mean()
        amplitude = 50 * 0.5**order * np.exp(-(0.5**2) / 2)
        # Half the squared amplitude, less what the derivative's scaling takes.
        assert best == pytest.approx(amplitude**2 / 2, rel=0.12)


def test_structure_tensor_is_the_largest_eigenvalue(grey):
    y, x = np.mgrid[:60, :60]
    slanted = (10 + 3.0 * x + 1.5 * y).astype(np.float32)
    found = run("structure_tensor", slanted, window=5)[20:-20, 20:-20]
    close(found, np.full_like(found, 3.0**2 + 1.5**2), rtol=2e-3)
    both = run("structure_tensor", grey, window=9) <= run("tenengrad", grey, window=9)
    assert both.all()


def test_eigenvalue_is_that_of_the_window_s_covariance(grey):
    small = grey[:12, :13]
    padded = np.pad(small.astype(float), 2, mode="reflect")
    for normalize in (False, True):
        found = run("eigenvalue", small, count=2, normalize=normalize)
        for y, x in ((0, 0), (5, 7), (11, 12)):
            part = padded[y : y + 5, x : x + 5]
            part = part / np.sqrt((part**2).sum()) if normalize else part
            part = part - part.mean()
            singular = np.linalg.svd(part, compute_uv=False)
            assert found[y, x] == pytest.approx((singular[:2] ** 2).sum() / 24, rel=1e-4)


def test_log_energy_averages_logarithms(grey):
    image = grey.astype(float)
    values = ndimage.gaussian_filter(image, 1.0, order=(2, 0), mode="mirror", radius=4) ** 2
    values += ndimage.gaussian_filter(image, 1.0, order=(0, 2), mode="mirror", radius=4) ** 2
    values += 2 * ndimage.gaussian_filter(image, 1.0, order=(1, 1), mode="mirror", radius=4) ** 2
    found = run("log_energy", grey, sigma=1.0, inner=0.0, outer=0.0)
    assert np.corrcoef(found.ravel(), np.log1p(values).ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("laplacian", {"kernel": 4}, "kernel"),
        ("laplacian", {"power": 0.0}, "power"),
        ("laplacian", {"noise": -1.0}, "noise"),
        ("log", {"blur": 2}, "Gaussian"),
        ("sml", {"step": 0}, "step"),
        ("sml", {"threshold": 1.0, "noise": 1.0}, "not both"),
        ("wavelet", {"family": "db20"}, "did you mean 'db2'"),
        ("wavelet", {"levels": 0}, "levels"),
        ("steerable", {"order": 3}, "order"),
        ("steerable", {"angles": 5}, "angles"),
        ("steerable", {"power": -1.0}, "power"),
        ("steerable", {"sigma": 0.0}, "sigma"),
        ("eigenvalue", {"window": 4}, "odd"),
        ("eigenvalue", {"count": 9}, "count"),
    ],
)
def test_options_out_of_range_are_refused(grey, name, options, match):
    with pytest.raises(InputError, match=match):
        run(name, grey, **options)


def test_log_energy_of_several_scales_is_their_mean(grey):
    of_each = [run("log_energy", grey, sigma=sigma, outer=0.0) for sigma in (0.5, 1.0, 2.0)]
    found = run("log_energy", grey, sigma=[0.5, 1.0, 2.0], outer=0.0)
    np.testing.assert_allclose(found, np.mean(of_each, axis=0), rtol=1e-5)
    with pytest.raises(InputError, match="several, got none"):
        run("log_energy", grey, sigma=())

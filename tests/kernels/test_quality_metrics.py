"""Metrics against independent statements of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.kernels.quality import depth_errors, full_scale, inner, psnr, qabf, ssim

RANDOM = np.random.default_rng(4)
IMAGE = RANDOM.integers(0, 256, (40, 50, 3), np.uint8)


def noisy(sigma: float, image: np.ndarray = IMAGE) -> np.ndarray:
    return np.clip(image + RANDOM.normal(0, sigma, image.shape), 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_full_scale_is_white(dtype, white):
    assert full_scale(dtype) == white


@given(st.floats(0.5, 60))
def test_psnr_of_a_constant_error(error):
    image = np.full((8, 9), 100, np.float32)
    assert psnr(image, image + np.float32(error), data_range=255) == pytest.approx(
        20 * math.log10(255 / error), abs=1e-3
    )


def test_psnr_is_scikit_images():
    from skimage.metrics import peak_signal_noise_ratio

    other = noisy(7)
    assert psnr(other, IMAGE) == pytest.approx(peak_signal_noise_ratio(IMAGE, other))
    assert psnr(IMAGE, IMAGE) == math.inf
    assert psnr(IMAGE.astype(np.uint16) * 257, other.astype(np.uint16) * 257) == pytest.approx(
        psnr(IMAGE, other)
    )


def test_psnr_counts_only_the_mask():
    other = IMAGE.copy()
    other[:20] = 255 - other[:20]
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[20:] = True
    assert psnr(other, IMAGE, mask=mask) == math.inf
    assert psnr(other, IMAGE, mask=~mask) == pytest.approx(psnr(other, IMAGE) - 10 * math.log10(2))


def test_ssim_is_the_formula_of_its_paper():
    from scipy.ndimage import gaussian_filter

    first, second = IMAGE[..., 0].astype(float), noisy(20)[..., 0].astype(float)

    def mean(image):
        return gaussian_filter(image, 1.5, truncate=3.5)

    m1, m2 = mean(first), mean(second)
    v1, v2, v12 = mean(first**2) - m1**2, mean(second**2) - m2**2, mean(first * second) - m1 * m2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * m1 * m2 + c1) * (2 * v12 + c2) / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2))
    expected = similarity[5:-5, 5:-5].mean()
    assert ssim(second.astype(np.uint8), first.astype(np.uint8)) == pytest.approx(expected, abs=1e-9)


def test_ssim_falls_with_noise():
    assert ssim(IMAGE, IMAGE) == pytest.approx(1)
    values = [ssim(noisy(sigma), IMAGE) for sigma in (2, 10, 40)]
    assert values == sorted(values, reverse=True)


def test_depth_errors_by_hand():
    truth = np.array([[1.0, 2.0, 3.0, np.nan], [4.0, 5.0, 6.0, 7.0]])
    depth = np.array([[1.5, 2.0, 6.0, 9.0], [np.nan, 4.0, 6.0, 7.0]], np.float32)
    errors = depth_errors(depth, truth, thresholds=(0.4, 2.0))
    assert errors.pixels == 7
    assert errors.missing == pytest.approx(1 / 7)
    assert errors.rmse == pytest.approx(math.sqrt((0.25 + 9 + 1) / 6))
    assert errors.mae == pytest.approx(4.5 / 6)
    assert errors.median == pytest.approx(0.25)
    assert errors.bias == pytest.approx(2.5 / 6)
    assert errors.bad == pytest.approx((4 / 7, 2 / 7))
    mask = np.zeros((2, 4), bool)
    mask[1, 2:] = True
    assert depth_errors(depth, truth, mask=mask).rmse == 0


def test_depth_that_is_missing_everywhere_is_all_bad():
    errors = depth_errors(np.full((3, 3), np.nan), np.ones((3, 3)))
    assert math.isnan(errors.rmse)
    assert errors.bad == (1.0, 1.0, 1.0)


def slow_qabf(first: np.ndarray, second: np.ndarray, fused: np.ndarray) -> float:
    """The formula, pixel by pixel in plain Python, for grey images."""

    def edges(image):
        padded = np.pad(image.astype(int), 1, mode="reflect")
        for y in range(image.shape[0]):
            for x in range(image.shape[1]):
                p = padded[y : y + 3, x : x + 3]
                sx = (p[:, 2] - p[:, 0]) @ (1, 2, 1)
                sy = (p[2] - p[0]) @ (1, 2, 1)
                angle = math.atan(sy / sx) if sx else math.copysign(math.pi / 2, sy) if sy else 0.0
                yield math.hypot(sx, sy), angle

    total = weights = 0.0
    fused_edges = list(edges(fused))
    for image in (first, second):
        for (g, a), (gf, af) in zip(edges(image), fused_edges, strict=True):
            strength = min(g, gf) / max(g, gf) if max(g, gf) else 0.0
            angle = 1 - abs(a - af) / (math.pi / 2)
            kept = (
                0.9994 / (1 + math.exp(-15 * (strength - 0.5))) * 0.9879 / (1 + math.exp(-22 * (angle - 0.8)))
            )
            total += kept * g
            weights += g
    return total / weights


def test_qabf_is_the_formula():
    first = RANDOM.integers(0, 256, (15, 18), np.uint8)
    first[:6] = 90  # places without any edge
    second = np.repeat(RANDOM.integers(0, 256, (15, 1), np.uint8), 18, axis=1)
    fused = np.where(np.arange(18) < 9, first, second)
    assert qabf(first, second, fused) == pytest.approx(slow_qabf(first, second, fused), rel=1e-12)


def test_qabf_is_highest_for_all_the_edges_and_lowest_for_none():
    left, right = IMAGE.copy(), IMAGE.copy()
    left[:, 25:], right[:, :25] = 128, 128
    best, mean = (
        qabf(left, right, IMAGE),
        qabf(left, right, ((left.astype(int) + right) // 2).astype(np.uint8)),
    )
    assert best > 0.9 > mean
    assert qabf(left, right, np.full_like(IMAGE, 128)) < 0.001
    assert qabf(*[np.zeros((9, 9), np.uint8)] * 3) == 0


def test_inner_cuts_a_border():
    np.testing.assert_array_equal(inner(IMAGE, 3), IMAGE[3:-3, 3:-3])
    np.testing.assert_array_equal(inner(IMAGE, 0), IMAGE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: psnr(IMAGE, IMAGE[1:]), "equal shapes"),
        (lambda: psnr(IMAGE, IMAGE, mask=np.zeros((40, 50), bool)), "no pixel"),
        (lambda: psnr(IMAGE, IMAGE, mask=np.zeros((40, 50))), "must be bool"),
        (lambda: ssim(IMAGE[:8], IMAGE[:8]), "at least 11"),
        (lambda: depth_errors(np.ones((3, 3)), np.full((3, 3), np.nan)), "no pixel"),
        (lambda: qabf(*[IMAGE.astype(np.uint16)] * 3), "uint8"),
        (lambda: inner(IMAGE, 20), "leaves nothing"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()

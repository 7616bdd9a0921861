"""Point-spread functions against what defines them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft

from bigstack.errors import InputError
from bigstack.synthetic.psf import PSFS, disc_kernel, radius_table, support, transfer


def moments(kernel: np.ndarray) -> tuple[float, float, float]:
    offset = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    return kernel.sum(), (kernel.sum(axis=1) * offset**2).sum(), (kernel.sum(axis=0) * offset**2).sum()


def impulse_response(psf: str, radius: float, size: int = 129) -> np.ndarray:
    image = np.zeros((size, size), np.float32)
    image[size // 2, size // 2] = 1
    return fft.irfft2(fft.rfft2(image) * transfer(psf, radius, (size, size)), (size, size))


@given(st.floats(0.05, 30))
def test_disc_kernel_keeps_light_and_has_the_variance_of_a_uniform_disc(radius):
    kernel = disc_kernel(radius)
    total, down, across = moments(kernel)
    assert total == pytest.approx(1)
    assert down == pytest.approx(radius**2 / 4, rel=1e-6)
    assert across == pytest.approx(radius**2 / 4, rel=1e-6)
    assert kernel.min() >= 0
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-15)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-15)


def test_disc_kernel_is_the_area_a_disc_covers():
    radius = 6.3
    kernel = disc_kernel(radius)
    half, fine = kernel.shape[0] // 2, 40
    place = (np.arange(kernel.shape[0] * fine) + 0.5) / fine - half - 0.5
    # For discs much larger than a pixel, pixels add 1/12 to the variance, so the disc drawn is this one.
    drawn = place[:, None] ** 2 + place**2 <= radius**2 - 1 / 3
    covered = drawn.reshape(kernel.shape[0], fine, kernel.shape[0], fine).mean(axis=(1, 3))
    np.testing.assert_allclose(kernel, covered / covered.sum(), atol=2e-4)


@pytest.mark.parametrize("psf", PSFS)
@pytest.mark.parametrize("radius", [0.3, 1.0, 4.7, 12.0])
def test_transfer_spreads_a_point_by_the_radius_and_no_farther_than_its_support(psf, radius):
    response = impulse_response(psf, radius)
    total, down, across = moments(response)
    assert total == pytest.approx(1, abs=1e-5)
    assert down == pytest.approx(radius**2 / 4, rel=5e-3, abs=2e-3)
    assert across == pytest.approx(radius**2 / 4, rel=5e-3, abs=2e-3)
    assert response.min() > -1e-6
    middle, reach = response.shape[0] // 2, support(psf, radius)
    inside = response[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1].sum()
    assert inside == pytest.approx(total, abs=1e-5)


def test_wide_gaussian_is_a_gaussian():
    sigma = 5.0
    response = impulse_response("gaussian", 2 * sigma)
    offset = np.arange(129) - 64
    expected = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    np.testing.assert_allclose(response, expected, atol=0.02 * expected.max())


@given(st.floats(0, 200))
def test_radius_table_starts_sharp_rises_finely_and_reaches_the_largest_radius(largest):
    table = radius_table(largest)
    assert table[0] == 0
    assert table[-1] >= largest
    steps = np.diff(table)
    assert (steps > 0).all()
    assert (steps <= np.maximum(0.25, 0.16 * table[:-1]) + 1e-9).all()


def test_unknown_psf_is_named():
    with pytest.raises(InputError, match="did you mean 'disc'"):
        transfer("disk", 1.0, (8, 8))

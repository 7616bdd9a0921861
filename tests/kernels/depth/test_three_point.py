"""Three values of focus: exact for the curve each fit stands for, however frames are spaced."""

import numpy as np
import pytest

from bigstack.kernels.depth.curve import curve_fit
from bigstack.kernels.depth.three_point import three_point

UNEVEN = (0.0, 1.0, 1.5, 3.0, 5.0, 6.0, 6.5, 8.0)


def gaussian(z: np.ndarray, peak: float, width: float = 1.7) -> np.ndarray:
    return (50 * np.exp(-np.square(np.asarray(z) - peak) / (2 * width**2))).astype(np.float32)[:, None, None]


@pytest.mark.parametrize("fit", [lambda *a: three_point(*a, gaussian=True), curve_fit])
@pytest.mark.parametrize("peak", [0.0, 0.4, 2.5, 3.3, 6.7, 7.0])
def test_a_gaussian_is_found_exactly(fit, peak):
    curve = gaussian(np.arange(8), peak)
    assert fit(curve.argmax(axis=0), curve)[0, 0] == pytest.approx(peak, abs=1e-3)


@pytest.mark.parametrize("peak", [0.2, 1.3, 2.1, 4.2, 5.6, 7.6])
@pytest.mark.parametrize("order", [1, -1])
def test_frames_may_be_anywhere(peak, order):
    z = UNEVEN[::order]
    curve = gaussian(np.array(z), peak)
    label = curve.argmax(axis=0)
    for found in (three_point(label, curve, gaussian=True, positions=z), curve_fit(label, curve, z)):
        depth = np.interp(found[0, 0], np.arange(8), z)
        assert depth == pytest.approx(peak, abs=0.02)


def test_a_parabola_is_found_exactly_between_uneven_frames():
    z = np.array(UNEVEN)
    curve = (100 - np.square(z - 2.6)).astype(np.float32)[:, None, None]
    found = three_point(curve.argmax(axis=0), curve, gaussian=False, positions=UNEVEN)
    assert np.interp(found[0, 0], np.arange(8), z) == pytest.approx(2.6, abs=1e-3)


def test_the_whole_curve_beats_three_values_in_noise():
    rng = np.random.default_rng(0)
    clean = np.broadcast_to(gaussian(np.arange(15), 7.3, 3.0), (15, 60, 60))
    noisy = (clean * rng.normal(1, 0.1, clean.shape)).astype(np.float32)
    label = np.full((60, 60), 7)
    errors = [
        np.abs(found - 7.3).mean()
        for found in (curve_fit(label, noisy), three_point(label, noisy, gaussian=True))
    ]
    assert errors[0] < 0.6 * errors[1]


def test_a_second_surface_does_not_draw_the_fit():
    curve = gaussian(np.arange(20), 4.3) + 0.8 * gaussian(np.arange(20), 14.0)
    assert curve_fit(np.array([[4]]), curve)[0, 0] == pytest.approx(4.3, abs=0.1)


@pytest.mark.parametrize("fit", [lambda *a: three_point(*a, gaussian=False), curve_fit])
def test_flat_curves_and_few_frames_stay_at_their_label(fit):
    assert fit(np.array([[1]]), np.ones((2, 1, 1), np.float32))[0, 0] == 1
    assert fit(np.array([[3]]), np.ones((7, 1, 1), np.float32))[0, 0] == 3
    assert np.isfinite(fit(np.array([[3]]), np.zeros((7, 1, 1), np.float32))).all()

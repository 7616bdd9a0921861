"""Filters, forms and parameters against what they are by definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bigstack.kernels.roughness import form as forms
from bigstack.kernels.roughness.gaussian import ALPHA, gaussian_weights, weigh, weigh_rows
from bigstack.kernels.roughness.line import sample
from bigstack.kernels.roughness.parameters import LEVELS, core, height_sums, level_counts, slope_sums

RANDOM = np.random.default_rng(8)


@pytest.mark.parametrize("cutoff", [8.0, 31.5, 200.0])
def test_half_of_the_amplitude_passes_at_the_cutoff(cutoff):
    weights = gaussian_weights(cutoff)
    distance = np.arange(len(weights)) - len(weights) // 2
    for times in (0.5, 1, 2, 4):
        passed = (weights * np.cos(2 * np.pi * distance / (cutoff * times))).sum()
        assert passed == pytest.approx(np.exp(-np.pi * (ALPHA / times) ** 2), abs=1e-5)
    assert np.exp(-np.pi * ALPHA**2) == pytest.approx(0.5)


def test_unknown_heights_have_no_weight():
    rows = RANDOM.normal(0, 1, (3, 60))
    rows[:, 20:30] = np.nan
    weights = gaussian_weights(12.0)
    top, bottom = weigh_rows(rows, weights)
    half = len(weights) // 2
    for x in (0, 15, 25, 31, 59):
        near = np.arange(max(0, x - half), min(60, x + half + 1))
        share = weights[near - x + half] * np.isfinite(rows[0, near])
        expected = np.nansum(rows[:, near] * share, axis=1)
        np.testing.assert_allclose(top[:, x], expected, atol=1e-12)
        assert bottom[0, x] == pytest.approx(share.sum())
    np.testing.assert_allclose(
        weigh(rows[:, :20].T, weights, 0), weigh(rows[:, :20], weights, 1).T, atol=1e-15
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 6), st.integers(0, 2**31))
def test_forms_are_found_exactly_from_blocks_and_with_holes(degree, seed):
    random = np.random.default_rng(seed)
    y, x = forms.places(0, 50, 50), forms.places(0, 70, 70)
    given_form = random.normal(0, 5, len(forms.terms(degree)))
    heights = forms.form_heights(given_form, y, x, degree)
    heights[random.random(heights.shape) < 0.3] = np.nan
    parts = [
        forms.form_sums(heights[a : a + 20, b : b + 30], y[a : a + 20], x[b : b + 30], degree)
        for a in range(0, 50, 20)
        for b in range(0, 70, 30)
    ]
    found = forms.solve_form(sum(p[0] for p in parts), sum(p[1] for p in parts))
    np.testing.assert_allclose(found, given_form, atol=1e-6)


def test_height_sums_are_moments():
    z = RANDOM.gamma(2, 3, (40, 50))
    mean_abs, square, third, fourth = height_sums(z, z.mean()) / z.size
    assert mean_abs == pytest.approx(np.abs(z - z.mean()).mean())
    assert third / square**1.5 == pytest.approx(stats.skew(z.ravel()))
    assert fourth / square**2 == pytest.approx(stats.kurtosis(z.ravel(), fisher=False))
    holed = z.copy()
    holed[3] = np.nan
    np.testing.assert_allclose(height_sums(holed, 1.0), height_sums(np.delete(z, 3, axis=0), 1.0))


def test_slopes_of_planes_are_theirs():
    y, x = np.mgrid[:9, :7].astype(float)
    cells, square, extra = slope_sums(3 * x * 0.5 + 4 * y * 2.0, 2.0, 0.5)
    assert cells == 48
    assert np.sqrt(square / cells) == pytest.approx(5)
    assert extra / cells == pytest.approx(np.sqrt(26) - 1)
    holed = x.copy()
    holed[4, 3] = np.nan
    assert slope_sums(holed, 1, 1)[0] == 44


def test_the_core_of_normal_heights_is_that_of_the_normal_distribution():
    # Exact heights at equal steps of probability instead of random ones.
    z = stats.norm.ppf((np.arange(400_000) + 0.5) / 400_000)
    found = core(level_counts(z, z.min(), z.max()), z.min(), z.max())
    # The flattest 40 % lie about the middle: their secant runs from ratio 30 to 70.
    slope = 2 * stats.norm.ppf(0.7) / 40
    assert found["Sk"] == pytest.approx(100 * slope, rel=1e-3)
    top = 50 * slope
    assert found["Smr1"] == pytest.approx(100 * stats.norm.sf(top), rel=2e-3)
    assert found["Smr2"] == pytest.approx(100 * stats.norm.cdf(top), rel=2e-3)
    area = 100 * (stats.norm.pdf(top) - top * stats.norm.sf(top))
    assert found["Spk"] == pytest.approx(2 * area / found["Smr1"], rel=5e-3)
    assert found["Svk"] == pytest.approx(found["Spk"], rel=5e-3)


def test_the_core_of_a_ramp_is_all_of_it():
    found = core(np.ones(LEVELS, np.int64), 0.0, 8.0)
    assert found["Sk"] == pytest.approx(8, rel=1e-6)
    assert found["Spk"] == pytest.approx(0, abs=2e-3)
    assert found["Smr2"] == pytest.approx(100, abs=0.02)


def test_levels_count_every_known_height_once():
    z = RANDOM.normal(0, 1, (30, 30))
    z[:3] = np.nan
    counts = level_counts(z, np.nanmin(z), np.nanmax(z))
    assert counts.sum() == 27 * 30
    assert counts[0] >= 1
    assert counts[-1] >= 1
    assert level_counts(np.ones(5), 1.0, 1.0).sum() == 5


def test_samples_between_pixels_are_bilinear():
    y, x = np.mgrid[:5, :6].astype(float)
    heights = 2 * x + 3 * y + x * y
    at_y, at_x = RANDOM.uniform(0, 4, 50), RANDOM.uniform(0, 5, 50)
    np.testing.assert_allclose(sample(heights, at_y, at_x), 2 * at_x + 3 * at_y + at_x * at_y)
    heights[2, 3] = np.nan
    found = sample(heights, np.array([2.0, 2.0, 2.5, 1.0]), np.array([2.0, 2.01, 2.5, 3.0]))
    assert np.isnan(found).tolist() == [False, True, True, False]
    assert sample(np.array([[7.0]]), np.zeros(1), np.zeros(1)) == [7.0]

"""Curves that bring a histogram to a mean or to another histogram, and gains of flicker."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.kernels.correction.curves import evaluate, table
from bigstack.kernels.correction.flicker import flicker_gains
from bigstack.kernels.correction.histogram import BINS, Histogram, bins_of, group, value_of
from bigstack.kernels.correction.solve import solve_gamma, solve_linear, solve_match, typical


def histogram(values):
    found, counts = np.unique(np.asarray(values, float), return_counts=True)
    return Histogram(found, counts)


samples = st.lists(st.integers(0, 255), min_size=3, max_size=60).filter(lambda v: 1 < np.mean(v) < 250)


@given(values=samples, target=st.floats(2, 200))
@settings(max_examples=80, deadline=None)
def test_a_factor_makes_the_clipped_mean_what_was_asked_for(values, target):
    h = histogram(values)
    reachable = 255 * np.mean(np.array(values) > 0)
    if target >= reachable:
        with pytest.raises(InputError, match="clipping"):
            solve_linear(h, target, 255.0)
        return
    factor = solve_linear(h, target, 255.0)
    assert np.minimum(np.array(values) * factor, 255).mean() == pytest.approx(target, rel=1e-9)
    assert solve_linear(h, target, None) == pytest.approx(target / np.mean(values), rel=1e-12)


@given(values=samples, exponent=st.floats(0.2, 4.5))
@settings(max_examples=80, deadline=None)
def test_the_exponent_that_made_a_mean_is_found_again(values, exponent):
    h = histogram(values)
    bent = 255 * (np.array(values) / 255) ** (1 / exponent)
    found = solve_gamma(h, float(bent.mean()), 255.0)
    again = 255 * (np.array(values) / 255) ** (1 / found)
    assert again.mean() == pytest.approx(bent.mean(), rel=1e-9)


def test_what_no_exponent_reaches_is_said():
    with pytest.raises(InputError, match="no gamma between"):
        solve_gamma(histogram([10, 20]), 250.0, 255.0)
    with pytest.raises(InputError, match="black"):
        solve_linear(histogram([0, 0]), 10.0, 255.0)


@given(values=samples, gain=st.floats(0.3, 0.95))
@settings(max_examples=60, deadline=None)
def test_matching_undoes_a_monotonic_change(values, gain):
    values = np.array(values, float)
    changed = values * gain + 3
    parameters = solve_match(histogram(changed), histogram(values))
    np.testing.assert_allclose(evaluate(changed, "match_hist", parameters, 255), values, atol=1e-9)


@given(values=samples)
def test_a_histogram_matched_to_itself_stays(values):
    parameters = solve_match(histogram(values), histogram(values))
    half = len(parameters) // 2
    assert parameters[:half] == parameters[half:]


def test_matching_many_values_keeps_the_quantiles():
    rng = np.random.default_rng(0)
    dark = rng.gamma(3, 2000, 200_000)
    wanted = rng.normal(30_000, 5000, 200_000)
    parameters = solve_match(histogram(dark), histogram(wanted))
    assert len(parameters) <= 512
    matched = evaluate(dark, "match_hist", parameters, 65535)
    ranks = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(np.quantile(matched, ranks), np.quantile(wanted, ranks), rtol=0.005)


def test_one_odd_frame_does_not_move_the_typical_histogram():
    same = [histogram(np.arange(100.0)) for _ in range(4)]
    odd = histogram(np.arange(100.0) * 9)
    np.testing.assert_allclose(typical([*same, odd]).mean, 49.5, atol=0.01)


@given(values=st.lists(st.integers(0, 65535), min_size=1, max_size=300))
def test_grouped_counts_keep_the_mean_and_the_number(values):
    counts = np.bincount(bins_of(np.array(values), 0, 65535), minlength=BINS)
    h = group(counts, 0, 65535, groups=16)
    assert h.values.size <= 16
    assert h.counts.sum() == len(values)
    assert h.mean == pytest.approx(np.mean(values))
    assert (np.diff(h.values) > 0).all()


def test_bins_of_8_bit_are_exact():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(value_of(bins_of(levels, 0, 255), 0, 255), levels)


def test_tables_round_and_clip():
    values = table(np.dtype("uint8"), "linear", (1.5,))
    np.testing.assert_array_equal(values, np.minimum(np.rint(np.arange(256) * 1.5), 255))


def scene(frames=40, blocks=200, seed=0):
    rng = np.random.default_rng(seed)
    gains = 1 + 0.2 * rng.uniform(-1, 1, frames)
    levels = gains[:, None] * rng.uniform(20, 200, blocks)
    return gains / np.median(gains), levels * np.exp(rng.normal(0, 0.003, levels.shape))


def test_gains_of_flicker_are_found():
    gains, levels = scene()
    np.testing.assert_allclose(flicker_gains(levels), gains, rtol=1e-3)


def test_content_that_changes_is_not_flicker():
    gains, levels = scene()
    for z in range(40):  # something twice as bright moves over a fifth of the blocks
        levels[z, (5 * z) % 200 : (5 * z) % 200 + 40] *= 2
    biased = levels.mean(axis=1) / np.median(levels.mean(axis=1))
    assert np.abs(biased / gains - 1).max() > 0.03
    np.testing.assert_allclose(flicker_gains(levels), gains, rtol=0.005)


def test_blocks_without_pixels_and_black_frames():
    gains, levels = scene()
    levels[:, 7] = np.nan
    levels[3, 50:120] = 0
    np.testing.assert_allclose(flicker_gains(levels), gains, rtol=2e-3)
    levels[5] = 0
    with pytest.raises(InputError, match=r"frames \[5\] are black"):
        flicker_gains(levels)


def test_many_frames_do_not_drift():
    gains, levels = scene(frames=500)
    ratio = flicker_gains(levels) / gains
    assert abs(ratio[-50:].mean() / ratio[:50].mean() - 1) < 3e-4

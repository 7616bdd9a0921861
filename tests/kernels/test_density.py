"""Kernel density: the Gaussian it says, the bits of the whole image on any tile, focus_response's figures."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.kernels import pyramid_density as by_levels
from bigstack.kernels.density import (
    DIRECT,
    density_halo,
    gaussian_density,
    impulses,
    scale_density,
    threshold_of,
    whole_density,
)


def gaussian(bandwidth, distance):
    return np.exp(-0.5 * (distance / bandwidth) ** 2) / (np.sqrt(2 * np.pi) * bandwidth)


def spots(rng, shape, strength):
    focus = rng.random(shape, np.float32) ** 4
    return impulses(focus, 0.3, float(focus.max()) if strength else 0.0)


@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 3.3, 10.0, 32.0])
def test_an_impulse_becomes_a_gaussian_cut_at_four_bandwidths(bandwidth):
    reach = density_halo(bandwidth)
    assert reach == pytest.approx(4 * bandwidth, abs=1)
    image = np.zeros((2 * reach + 9, 2 * reach + 9), np.uint8)
    image[reach + 4, reach + 4] = 1
    steps = np.arange(-reach, reach + 1)
    taps = gaussian(bandwidth, steps)
    taps /= taps.sum()
    expected = np.pad(np.outer(taps, taps), 4)
    np.testing.assert_allclose(gaussian_density(image, bandwidth), expected, atol=6e-6 * expected.max())


@pytest.mark.parametrize("bandwidth", [33.0, 50.0, 63.9, 64.0, 100.0])
@pytest.mark.parametrize("at", [(0, 0), (3, 5), (7, 14)])
def test_a_wide_gaussian_is_true_to_a_millionth(bandwidth, at):
    assert bandwidth > DIRECT
    half = round(6 * bandwidth)
    image = np.zeros((2 * half, 2 * half), np.uint8)
    y, x = half + at[0], half + at[1]
    image[y, x] = 1
    expected = np.outer(
        gaussian(bandwidth, np.arange(2 * half) - y), gaussian(bandwidth, np.arange(2 * half) - x)
    )
    found = by_levels.density_by_levels(image, bandwidth)
    assert np.abs(found - expected).max() < 1e-6 * expected.max()
    # The direct Gaussian ends at four bandwidths: that is how far the two differ.
    assert np.abs(gaussian_density(image, bandwidth) - direct(image, bandwidth)).max() < 4e-4 * expected.max()


def direct(image, bandwidth):
    reach = density_halo(bandwidth)
    taps = gaussian(bandwidth, np.arange(-reach, reach + 1))
    taps /= taps.sum()
    rows = np.stack([np.convolve(row, taps, mode="same") for row in image.astype(float)])
    return np.stack([np.convolve(column, taps, mode="same") for column in rows.T]).T


@pytest.mark.parametrize("bandwidth", [2.0, 40.0])
@pytest.mark.parametrize("strength", [False, True])
def test_outside_the_image_there_is_nothing(bandwidth, strength):
    size = round(10 * bandwidth)
    focus = np.ones((size, size), np.float32) * 3
    density = gaussian_density(
        impulses(focus, 1.0, 3.0 if strength else 0.0), bandwidth, 3.0 if strength else 1
    )
    high = 3.0 if strength else 1.0
    assert density[size // 2, size // 2] == pytest.approx(high, rel=2e-4)
    assert density[0, size // 2] == pytest.approx(high * (0.5 + 0.2 / bandwidth), rel=0.01)
    assert density[0, 0] == pytest.approx(high * (0.5 + 0.2 / bandwidth) ** 2, rel=0.01)


@pytest.mark.parametrize("strength", [False, True])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_padded_window_gives_the_bits_of_the_whole_image(strength, data):
    bandwidth = data.draw(st.sampled_from([0.7, 2.0, 5.3, 9.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 160)))
    marks = spots(rng, shape, strength)
    whole = gaussian_density(marks, bandwidth)
    y0, x0 = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, shape[0])), data.draw(st.integers(x0 + 1, shape[1]))
    tile = Tile(y0, y1, x0, x1)
    outer = tile.pad(density_halo(bandwidth), within=shape)
    found = gaussian_density(marks[outer.slices], bandwidth)[tile.inside(outer)]
    np.testing.assert_array_equal(found, whole[tile.slices])


@pytest.mark.parametrize("strength", [False, True])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_reducing_smoothing_and_enlarging_can_be_done_in_tiles(strength, data):
    bandwidth = data.draw(st.sampled_from([17.0, 33.0]))
    levels = by_levels.levels_of(bandwidth)
    unit = 1 << levels
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    cells = data.draw(st.tuples(st.integers(2, 30), st.integers(2, 40)))
    shape = (cells[0] * unit, cells[1] * unit)
    marks = spots(rng, shape, strength)

    def cut(array, size, halo, grid, whole, function, factor):
        """A random tile of ``function(array)``, computed from its padded window alone."""
        y0, x0 = (
            data.draw(st.integers(0, size[0] // grid - 1)),
            data.draw(st.integers(0, size[1] // grid - 1)),
        )
        tile = Tile(y0 * grid, size[0], x0 * grid, size[1])
        outer = tile.pad(halo, within=size, grid=grid)
        found = function(array[outer.slices])
        down = (lambda t: t.reduce(grid)) if factor < 1 else (lambda t: t)
        inside, at = down(tile).inside(down(outer)), down(tile)
        if factor > 1:
            inside = tuple(slice(s.start * factor, s.stop * factor) for s in inside)
            at = Tile(*(edge * factor for edge in (tile.y0, tile.y1, tile.x0, tile.x1)))
        np.testing.assert_array_equal(found[inside], whole[at.slices])

    reduced = by_levels.reduce_marks(marks, levels)
    halo = by_levels.reduce_halo(levels)
    cut(marks, shape, halo, unit, reduced, lambda m: by_levels.reduce_marks(m, levels), 1 / unit)
    smooth = by_levels.smooth_reduced(reduced, bandwidth)
    halo = by_levels.smooth_halo(bandwidth)
    cut(reduced, cells, halo, 1, smooth, lambda r: by_levels.smooth_reduced(r, bandwidth), 1)
    large = by_levels.enlarge(smooth, levels)
    halo = by_levels.ENLARGE_HALO
    cut(smooth, cells, halo, 1, large, lambda s: by_levels.enlarge(s, levels), unit)


@pytest.mark.parametrize("name", ["A_default", "B_multi_mad", "C_const_abs", "D_fft"])
def test_parity_with_focus_response(shared, name):
    arrays = np.load(shared / "reference" / "focus_response.npz")
    given = json.loads(str(arrays[f"{name}__params"]))
    density, threshold = whole_density(
        arrays[f"{name}__fused"],
        top_percent=given["top_percent"],
        bandwidth=given["bandwidth_px"],
        include_strength=given["include_strength"],
        clip_percentile=None,  # which never acts there
    )
    assert threshold == pytest.approx(float(arrays[f"{name}__threshold"]), rel=1e-6)
    np.testing.assert_allclose(density, arrays[f"{name}__density"], atol=1e-5)


def test_clipping_is_by_the_density_s_own_percentile():
    focus = np.zeros((200, 200), np.float32)
    focus[20:24, 20:24] = 1
    focus[100:180, 100:180] = np.random.default_rng(0).random((80, 80)) > 0.8
    plain, _ = whole_density(focus, top_percent=100, bandwidth=3.0, clip_percentile=None, normalize=False)
    clipped, _ = whole_density(focus, top_percent=100, bandwidth=3.0, clip_percentile=95, normalize=False)
    limit = np.percentile(plain, 95)
    assert plain.max() > 1.3 * limit
    np.testing.assert_array_equal(clipped, np.minimum(plain, np.float32(limit)))
    normal, _ = whole_density(focus, top_percent=100, bandwidth=3.0, clip_percentile=95)
    assert normal.max() == pytest.approx(1, abs=1e-6)


def test_an_image_without_focus_selects_nothing():
    density, threshold = whole_density(np.zeros((30, 30), np.float32), include_strength=True)
    assert threshold == np.inf
    assert density.max() == 0


def test_a_density_that_is_nearly_everywhere_zero_is_not_clipped_away():
    density = np.array([[0.0, 0.0, 2.0]], np.float32)
    assert scale_density(density, 0.0, 2.0).max() == pytest.approx(1)
    assert scale_density(density, None, 2.0, normalize=False) is density


@pytest.mark.parametrize("bandwidth", [0, -1.0, float("nan"), float("inf")])
def test_bandwidths_that_are_none_are_refused(bandwidth):
    with pytest.raises(InputError, match="bandwidth"):
        gaussian_density(np.zeros((5, 5), np.uint8), bandwidth)


@pytest.mark.parametrize("percent", [0, -5, 101, float("nan")])
def test_shares_that_are_none_are_refused(percent):
    with pytest.raises(InputError, match="top_percent"):
        threshold_of(np.ones((5, 5), np.float32), percent)

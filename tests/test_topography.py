"""Roughness and profiles through the public functions, against analytic surfaces."""

import re

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import bigstack
from bigstack.engine import height_blocks
from bigstack.errors import InputError

Y, X = np.mgrid[:600, :800].astype(float)
UNITS = {"pixel_size": 0.5, "z_scale": 2.0}
ROUGH = np.random.default_rng(3).normal(0, 1, (300, 400)).astype(np.float32)


def wave(period, amplitude=1.0):
    """Even about the middle, so that it has no tilt."""
    return amplitude * np.cos(2 * np.pi * (X - 399.5) / period)


def test_a_sine_has_the_analytic_parameters():
    found = bigstack.roughness(wave(40, 4.0), form="none", **UNITS)
    assert pytest.approx(2 * 8 / np.pi, rel=3e-3) == found.Sa
    assert pytest.approx(8 / np.sqrt(2), rel=3e-3) == found.Sq
    assert pytest.approx(16, rel=5e-3) == found.Sz
    assert pytest.approx(1.5, abs=0.01) == found.Sku
    assert pytest.approx(0, abs=0.02) == found.Ssk
    assert pytest.approx(8 * 2 * np.pi / (40 * 0.5) / np.sqrt(2), rel=5e-3) == found.Sdq
    assert found.unit == "micrometer"
    assert found.pixels == 480_000


def test_normal_heights_have_those_of_the_normal_distribution():
    found = bigstack.roughness(ROUGH, z_scale=3.0, pixel_size=1.0)
    assert pytest.approx(3 * np.sqrt(2 / np.pi), rel=0.01) == found.Sa
    assert pytest.approx(3, rel=0.01) == found.Sq
    assert pytest.approx(3, abs=0.05) == found.Sku
    assert found.Sp + found.Sv == pytest.approx(found.Sz)


@pytest.mark.parametrize(("form", "degree"), [("plane", 1), ("quadratic", 2), ("cubic", 3), ("quartic", 4)])
def test_forms_are_removed_and_no_more(form, degree):
    u, v = X / 800, Y / 600
    shape = sum((i + 1) * 50 * u**i * v ** (degree - i) for i in range(degree + 1))
    smooth = bigstack.roughness(shape, form=form, **UNITS)
    assert smooth.Sz < 2e-3
    left = bigstack.roughness(shape + wave(37.3, 4.0), form=form, **UNITS)
    assert pytest.approx(8 / np.sqrt(2), rel=0.01) == left.Sq
    assert bigstack.roughness(shape, form="none", **UNITS).Sz > 50


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_filters_pass_what_the_standard_says(times):
    period = 10
    cutoff = times * period * 0.5  # in micrometres
    z = wave(period)
    passes = 2.0 ** -(times**2)
    region = (100, 0, 700, 600)
    short = bigstack.roughness(z, form="none", s_filter=cutoff, region=region, **UNITS)
    long = bigstack.roughness(z, form="none", l_filter=cutoff, region=region, **UNITS)
    assert pytest.approx(2 * passes / np.sqrt(2), rel=0.05) == short.Sq
    assert pytest.approx(2 * (1 - passes) / np.sqrt(2), rel=0.05) == long.Sq


def test_both_filters_leave_the_band_between_them():
    z = wave(8, 3.0) + wave(80, 3.0) + wave(800, 3.0)
    found = bigstack.roughness(z, form="none", s_filter=12.0, l_filter=130.0, **UNITS)
    assert pytest.approx(6 / np.sqrt(2), rel=0.1) == found.Sq


def test_peaks_are_what_is_near_and_swap_when_inverted():
    depth = np.full((100, 100), 10.0)
    depth[50, 50] = 4.0  # nearer: a peak
    found = bigstack.roughness(depth, form="none", **UNITS)
    assert found.Sp > 11
    assert found.Sv < 1
    assert found.Ssk > 0
    turned = bigstack.roughness(depth, form="none", invert=True, **UNITS)
    assert (turned.Sp, turned.Sv) == pytest.approx((found.Sv, found.Sp))


def test_pixels_that_are_not_known_are_left_out():
    z = ROUGH.copy()
    z[100:150, 30:90] = 1e6
    valid = z < 1e5
    known = bigstack.roughness(np.where(valid, ROUGH, np.nan), l_filter=20.0, z_scale=1, pixel_size=1)
    masked = bigstack.roughness(z, valid=valid, l_filter=20.0, z_scale=1, pixel_size=1)
    assert masked == known
    assert known.pixels == valid.sum()
    assert known.share == pytest.approx(valid.mean())
    assert known.Sz < 12


@settings(max_examples=8, deadline=None)
@given(st.integers(50, 300), st.integers(50, 400), st.integers(1, 4), st.booleans())
def test_chunks_workers_and_files_never_change_a_bit(height, width, workers, files):
    how = {"s_filter": 3.0, "l_filter": 60.0, "z_scale": 1.0, "pixel_size": 1.0}
    whole = bigstack.roughness(ROUGH, **how)
    lazy = xr.DataArray(da.from_array(ROUGH, chunks=(height, width)), dims=("y", "x"))
    limit = "1MB" if files else "2GB"
    assert bigstack.roughness(lazy, **how, workers=workers, memory_limit=limit) == whole


def test_large_maps_are_worked_on_in_files(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(np, "memmap", lambda *args, **how: made.append(args) or np.empty(how["shape"], "f4"))
    with height_blocks.room(1000, 1) as here:
        assert here.array((10, 20)).shape == (10, 20)
        assert not made
        here.array((10, 20))
    assert len(made) == 1


def test_flat_surfaces_have_no_shape():
    found = bigstack.roughness(np.full((30, 30), 5.0), **UNITS)
    assert (found.Sa, found.Sz) == (0, 0)
    assert np.isnan(found.Sku)
    assert found.as_dict()["Sku"] is None


@pytest.mark.parametrize(
    ("values", "how", "said"),
    [
        (ROUGH, {}, "give z_scale"),
        (ROUGH, {"form": "sphere", **UNITS}, "unknown form 'sphere'"),
        (ROUGH, {"s_filter": 0.5, **UNITS}, "s_filter must be at least two pixels, 1 micrometer"),
        (ROUGH, {"s_filter": 9.0, "l_filter": 5.0, **UNITS}, "must be below the L-filter's"),
        (ROUGH, {"region": (0, 0, 500, 10), **UNITS}, "is not inside the map of 400 x 300"),
        (np.full((9, 9), np.nan), UNITS, "0 of 81 pixels have a depth"),
        (np.ones((2, 3)), UNITS, "roughness needs 9 or more"),
    ],
)
def test_what_cannot_be_measured_is_told(values, how, said):
    with pytest.raises(InputError, match=re.escape(said)):
        bigstack.roughness(values, **how)


def calibrated(values):
    attrs = {"unit": "mm", "units": "micrometer", "pixel_size": [None, 2.0, 0.5]}
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


def test_profiles_are_in_micrometres():
    found = bigstack.profile(calibrated(X + 10 * Y), (0, 10), (30, 50))
    assert found.size == 51
    assert found.attrs["unit"] == "micrometer"
    np.testing.assert_allclose(found.values, 1000 * np.linspace(100, 530, 51))
    assert float(found.distance[-1]) == pytest.approx(np.hypot(30 * 0.5, 40 * 2))
    assert found.distance.attrs["units"] == "micrometer"
    plain = bigstack.profile(X, (0, 0), (3, 4))
    assert (plain.distance.attrs["units"], plain.attrs) == ("pixel", {})


def test_wide_profiles_average_across():
    noisy = np.sin(X / 30) + np.random.default_rng(1).normal(0, 0.5, X.shape)
    thin, wide = (bigstack.profile(noisy, (10, 300), (700, 300), width=width) for width in (1, 25))
    truth = np.sin(thin.x.values / 30)
    assert np.std(wide - truth) < np.std(thin - truth) / 4
    edge = bigstack.profile(X, (10, 0), (20, 0), width=9)  # lines beyond the border do not count
    np.testing.assert_allclose(edge.values, np.arange(10, 21))


def test_long_profiles_read_what_lies_around_them_only():
    touched = []

    def block(block_info=None):
        touched.append(block_info[None]["chunk-location"])
        return np.ones(block_info[None]["chunk-shape"], np.float32)

    lazy = da.map_blocks(
        block, chunks=((500,) * 20, (500,) * 20), dtype=np.float32, meta=np.empty((0, 0), "f4")
    )
    touched.clear()
    found = bigstack.profile(xr.DataArray(lazy, dims=("y", "x")), (0, 0), (9999, 9999))
    np.testing.assert_allclose(found, 1)
    assert len(set(touched)) < 80  # of 400


def test_holes_of_a_profile_are_nan():
    z = X.copy()
    z[300, 50:60] = np.nan
    found = bigstack.profile(z, (0, 300), (100, 300))
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(50, 60))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"start": (0, 0), "stop": (900, 0)}, "(900, 0) is not on the map: x goes from 0 to 799"),
        ({"start": (3, 3), "stop": (3, 3)}, "has no length"),
        ({"start": (0, 0), "stop": (9, 0), "width": 0}, "width must be 1"),
        ({"start": (0, 0), "stop": (9, 0), "valid": np.zeros((600, 800))}, "no pixel along the line"),
    ],
)
def test_lines_that_cannot_be_are_told(how, said):
    with pytest.raises(InputError, match=re.escape(said)):
        bigstack.profile(X, **how)

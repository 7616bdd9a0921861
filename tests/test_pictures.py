"""Pictures of maps through the public functions: ranges, colours, light, any chunks."""

import re

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import bigstack
from bigstack.errors import InputError
from bigstack.kernels.colormap import colour_table

Y, X = np.mgrid[:151, :207].astype(np.float32)
HILL = np.where((Y > 140) & (X > 190), np.nan, 50 - 40 * np.exp(-((Y - 70) ** 2 + (X - 100) ** 2) / 2000))
HILL = HILL.astype(np.float32)
CASES = [
    lambda m: bigstack.colorize(m),
    lambda m: bigstack.colorize(m, colormap="grey", bits=16),
    lambda m: bigstack.colorize(m, low=20.0),
    lambda m: bigstack.hillshade(m),
    lambda m: bigstack.hillshade(m, colormap="turbo", invert=True),
    lambda m: bigstack.hillshade(m, colormap="grey", exaggeration=2.0, z_scale=0.5, altitude=20),
]


@settings(max_examples=12, deadline=None)
@given(st.integers(31, 151), st.integers(31, 207), st.sampled_from(CASES), st.integers(0, 100))
def test_chunks_and_regions_never_change_a_bit(height, width, draw, x):
    whole = draw(HILL).values
    lazy = draw(xr.DataArray(da.from_array(HILL, chunks=(height, width)), dims=("y", "x")))
    assert isinstance(lazy.data, da.Array)
    np.testing.assert_array_equal(lazy.values, whole)
    np.testing.assert_array_equal(lazy.isel(x=slice(x, x + 50)).values, whole[:, x : x + 50])


def test_the_whole_maps_percentiles_are_shown():
    values = np.arange(10_001, dtype=np.float32).reshape(73, 137)
    found = bigstack.colorize(values, colormap="grey").values
    low, high = np.percentile(values, (0.1, 99.9))
    np.testing.assert_array_equal(found, np.floor(np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5))
    fixed = bigstack.colorize(values, colormap="grey", low=-1e4, high=2e4).values
    assert (fixed.min(), fixed.max()) == (85, 170)


def test_what_is_not_known_is_black():
    for picture in (bigstack.colorize(HILL), bigstack.hillshade(HILL, colormap="viridis")):
        assert picture.dims == ("y", "x", "channel")
        assert (picture.values[np.isnan(HILL)] == 0).all()
        assert (picture.values[~np.isnan(HILL)].max(axis=1) > 0).all()
    masked = bigstack.colorize(HILL, valid=X > 50)
    assert (masked.values[:, :51] == 0).all()
    np.testing.assert_array_equal(np.unique(bigstack.colorize(np.full((4, 4), np.nan)).values), [0])


def test_colours_are_the_tables():
    found = bigstack.colorize(HILL, colormap="magma", low=0, high=255).values
    known = ~np.isnan(HILL)
    np.testing.assert_array_equal(
        found[known], colour_table("magma")[np.floor(HILL[known] + 0.5).astype(int)]
    )


def test_near_things_are_lit_from_the_top_left():
    light = bigstack.hillshade(HILL).values.astype(float)
    # The hill is nearer (its depth less): bright above and to the left of its top.
    assert light[50, 80] > light[90, 120] + 50
    farther = bigstack.hillshade(HILL, invert=True).values.astype(float)
    assert farther[50, 80] < farther[90, 120] - 50


def test_five_in_a_hundred_slopes_are_steeper_than_45_degrees_whatever_the_units():
    np.testing.assert_allclose(bigstack.hillshade(HILL), bigstack.hillshade(HILL * 1000), atol=1)
    flat = bigstack.hillshade(np.zeros((9, 9))).values
    assert np.unique(flat).tolist() == [180]


def test_exaggeration_is_of_the_true_slopes():
    plane = xr.DataArray(X, dims=("y", "x"), attrs={"unit": "micrometer", "units": "um", "pixel_size": 2.0})
    found = bigstack.hillshade(plane, exaggeration=2.0, azimuth=90, altitude=45, invert=True).values
    assert found[5, 5] == 0  # 45 degrees, facing away
    assert bigstack.hillshade(plane, exaggeration=2.0, azimuth=270, altitude=45, invert=True)[5, 5] == 255


@pytest.mark.parametrize(
    ("function", "how", "said"),
    [
        (bigstack.colorize, {"colormap": "virdis"}, "did you mean 'viridis'?"),
        (bigstack.colorize, {"bits": 16}, "bits must be 8, or 16 for grey"),
        (bigstack.colorize, {"low": 3, "high": 3}, "low must be less than high"),
        (bigstack.hillshade, {"altitude": 0}, "altitude must be more than 0"),
        (bigstack.hillshade, {"exaggeration": 2.0}, "give z_scale"),
        (bigstack.hillshade, {"exaggeration": -2.0, "z_scale": 1}, "exaggeration must be a positive number"),
        (bigstack.hillshade, {"colormap": "green"}, "unknown colormap"),
        (bigstack.hillshade, {"valid": np.ones((2, 2))}, "they must have one size"),
    ],
)
def test_what_cannot_be_is_told(function, how, said):
    with pytest.raises(InputError, match=re.escape(said)):
        function(HILL, **how)

"""NaN and infinite pixels are no data: they never win, never spread and raise no warnings."""

from typing import get_args

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import depth_from_focus, fuse
from bigstack.engine.holes import FilledSource, without_holes
from bigstack.engine.sources import as_source
from bigstack.geometry import Tile
from bigstack.io.lazy import lazy_array
from bigstack.names import FusionMethod

DIMS = ("z", "y", "x", "channel")


def stack(seed: int = 0, shape: tuple[int, ...] = (4, 72, 80, 1)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def with_holes(pixels: np.ndarray) -> np.ndarray:
    holed = pixels.copy()
    holed[1, 30:36, 40:45] = np.nan
    holed[2, 10, 10] = np.inf
    holed[0, 0, 0] = -np.inf
    holed[:, 60, 70] = np.nan
    return holed


@pytest.mark.parametrize("method", get_args(FusionMethod))
def test_fused_images_have_numbers_everywhere(method):
    pixels = stack()
    found = fuse(xr.DataArray(with_holes(pixels), dims=DIMS), method=method)
    image = found.image.values
    assert np.isfinite(image).all()
    clean = fuse(xr.DataArray(pixels, dims=DIMS), method=method).image.values
    far = np.ones(image.shape[:2], bool)
    for y, x in ((33, 42), (10, 10), (0, 0), (60, 70)):
        far[max(0, y - 12) : y + 12, max(0, x - 12) : x + 12] = False
    # Coarse levels see a trace of what filled a hole; other noise would be off by a third.
    assert np.abs(image - clean)[far].mean() < 0.06


def test_a_hole_never_wins():
    pixels = np.full((2, 40, 40, 1), 0.5, np.float32)
    pixels[0] += 0.3 * stack(1, (40, 40, 1))
    pixels[0, 10:20, 10:20] = np.nan
    found = fuse(xr.DataArray(pixels, dims=DIMS), method="select", smoothing=0)
    assert (found.index.values[10:20, 10:20] == 1).all()
    assert (found.index.values[26:, 26:] == 0).all()
    np.testing.assert_array_equal(found.image.values[10:20, 10:20], 0.5)
    mean = fuse(xr.DataArray(pixels, dims=DIMS), method="average").image.values
    np.testing.assert_allclose(mean[10:20, 10:20], 0.5)


def test_depth_of_a_stack_with_holes_warns_of_nothing():
    found = depth_from_focus(xr.DataArray(with_holes(stack()), dims=DIMS))
    found.depth.values  # noqa: B018 computed: warnings are errors


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_region_is_filled_with_the_same_bits(data):
    pixels = with_holes(stack(3, (3, 72, 80, 2)))
    pixels[1, 40:60, 5:30, 0] = np.nan
    source = FilledSource(as_source(da.from_array(pixels)))
    z, y0, x0 = (data.draw(st.integers(0, n)) for n in (2, 70, 78))
    y1, x1 = data.draw(st.integers(y0 + 1, 72)), data.draw(st.integers(x0 + 1, 80))
    whole = source.read(z, slice(0, 72), slice(0, 80))
    tile = Tile(y0, y1, x0, x1)
    np.testing.assert_array_equal(source.read(z, *tile.slices), whole[tile.slices])
    real = np.isfinite(pixels[z]).all(axis=2)
    found = source.valid(z, *tile.slices)
    np.testing.assert_array_equal(real[tile.slices] if found is None else found, real[tile.slices])
    assert np.isfinite(whole).all()


def test_stacks_that_cannot_have_holes_stay_as_they_are():
    whole = da.zeros((2, 9, 9, 1), dtype="uint8")
    assert without_holes(whole) is whole
    numbers = da.from_array(stack())
    assert without_holes(numbers) is numbers
    filled = without_holes(lazy_array(as_source(numbers)))
    assert without_holes(filled) is filled

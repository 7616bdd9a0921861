"""Density of lazy focus maps: the kernel's numbers, the same bits however cut and scheduled, clear errors."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import density as module
from bigstack.density import focus_density
from bigstack.engine import windows
from bigstack.errors import InputError
from bigstack.focus import measure_focus
from bigstack.kernels.density import whole_density
from bigstack.names import STACK_DIMS


def focus_of(shape=(90, 120), seed=0, share=0.7):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) ** 3 * (rng.random(shape) < share)).astype(np.float32)


def named(array):
    return xr.DataArray(array, dims=("z", "y", "x")[-array.ndim :])


OPTIONS = {
    "bandwidth": st.sampled_from([0.8, 3.0, 33.0, 70.0]),
    "top_percent": st.sampled_from([5.0, 25.0, 100.0]),
    "include_strength": st.booleans(),
    "clip_percentile": st.sampled_from([None, 90.0, 99.5]),
    "normalize": st.booleans(),
}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_chunks_and_schedulers_never_change_a_bit(data):
    shape = data.draw(st.tuples(st.integers(1, 150), st.integers(1, 200)))
    focus = focus_of(shape, data.draw(st.integers(0, 99)))
    options = {name: data.draw(choice) for name, choice in OPTIONS.items()}
    density, threshold = whole_density(focus, **options)
    sides = data.draw(st.tuples(st.integers(20, 160), st.integers(20, 210)))
    with dask.config.set(scheduler=data.draw(st.sampled_from(["threads", "synchronous"]))):
        found = focus_density(named(da.from_array(focus, chunks=sides)), **options).compute()
    assert float(found.threshold) == threshold
    np.testing.assert_array_equal(found.density, density)


@pytest.mark.parametrize("bandwidth", [4.0, 40.0])
@pytest.mark.parametrize("strength", [False, True])
@pytest.mark.parametrize("small", [0, 10**9])
def test_a_measured_stack_has_the_same_bits_kept_read_again_or_parked(
    bandwidth, strength, small, monkeypatch, tmp_path
):
    monkeypatch.setattr(windows, "SMALL", small)
    monkeypatch.setattr(module, "SMALL", small)
    frames = np.random.default_rng(1).integers(0, 256, (2, 60, 70, 1), np.uint8)
    stack = xr.DataArray(da.from_array(frames, chunks=(1, 31, 47, 1)), dims=STACK_DIMS)
    focus = measure_focus(stack, method="rdf", radii=[(1, 3), (2, 5)], normalize="p99", tile=(33, 40))
    options = {"bandwidth": bandwidth, "include_strength": strength}
    found = focus_density(focus, **options)
    assert found.density.dims == ("z", "y", "x")
    for z in range(2):
        density, threshold = whole_density(focus[z].values, **options)
        np.testing.assert_array_equal(found.density[z], density)
        assert float(found.threshold[z]) == threshold
        one = focus_density(focus[z], **options)
        np.testing.assert_array_equal(one.density, density)
    parked = focus_density(focus, **options, scratch=tmp_path / "scratch")
    xr.testing.assert_equal(parked, found)
    assert (tmp_path / "scratch").exists() == (small == 0)


def test_chunks_smaller_than_a_cell_of_the_reduced_image():
    focus = focus_of((40, 50))
    density, _ = whole_density(focus, bandwidth=40.0)
    found = focus_density(named(da.from_array(focus, chunks=(3, 5))), bandwidth=40.0)
    np.testing.assert_array_equal(found.density, density)


def test_a_frame_without_focus_has_no_density_and_an_infinite_threshold():
    focus = np.stack([focus_of(), np.zeros((90, 120), np.float32)])
    for strength in (False, True):
        for bandwidth in (3.0, 40.0):
            found = focus_density(named(focus), include_strength=strength, bandwidth=bandwidth).compute()
            assert np.isfinite(found.threshold[0])
            assert found.threshold[1] == np.inf
            assert found.density[0].max() > 0.9
            assert found.density[1].max() == 0


def test_bandwidth_in_micrometres():
    focus = named(focus_of())
    focus.attrs.update(pixel_size=[None, 0.5, 0.5], units="micrometer")
    found = focus_density(focus, bandwidth=2.0, unit="micrometer")
    xr.testing.assert_equal(found, focus_density(focus, bandwidth=4.0))
    assert found.density.attrs["bandwidth"] == 4.0
    focus.attrs["pixel_size"] = 0.25
    assert focus_density(focus, bandwidth=2.0, unit="micrometer").density.attrs["bandwidth"] == 8.0
    focus.attrs["pixel_size"] = [None, 0.5, 0.6]
    with pytest.raises(InputError, match="square pixels"):
        focus_density(focus, bandwidth=2.0, unit="micrometer")
    with pytest.raises(InputError, match="pixel size is not known"):
        focus_density(named(focus_of()), bandwidth=2.0, unit="micrometer")


def test_density_gathers_where_focus_does():
    focus = np.zeros((200, 300), np.float32)
    focus[40:80, 200:260] = np.random.default_rng(0).random((40, 60)) + 1
    focus[120:160, 50:90] = 0.1
    found = focus_density(named(focus), top_percent=50, bandwidth=12)
    peak = np.unravel_index(int(found.density.values.argmax()), focus.shape)
    assert 40 <= peak[0] < 80
    assert 200 <= peak[1] < 260
    assert float(found.density[140, 70]) < 0.01
    assert found.density.attrs["bandwidth"] == 12


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"bandwidth": 0}, "bandwidth"),
        ({"bandwidth": float("nan")}, "bandwidth"),
        ({"top_percent": 0}, "top_percent"),
        ({"top_percent": 120}, "top_percent"),
        ({"clip_percentile": 0}, "clip_percentile"),
        ({"unit": "metre"}, "unit"),
    ],
)
def test_bad_options_are_refused_before_any_work(options, match):
    with pytest.raises(InputError, match=match):
        focus_density(named(focus_of()), **options)


def test_other_bad_input_is_refused():
    with pytest.raises(InputError, match="dims"):
        focus_density(xr.DataArray(focus_of(), dims=("row", "column")))
    with pytest.raises(InputError, match="float32"):
        focus_density(named(focus_of().astype(float)))

"""Focus of lazy stacks: the kernels' numbers, the same bits however cut and scheduled, clear errors."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.focus import best_frame, estimate_noise, measure_focus, sharpness
from bigstack.io.lazy import lazy_array
from bigstack.io.source import Source
from bigstack.kernels.focus import MEASURES, measure
from bigstack.kernels.focus.rdf import rdf, rdf_scales, rdf_statistics
from bigstack.kernels.luminance import luminance
from bigstack.names import STACK_DIMS
from bigstack.synthetic import render_stack


class Held(Source):
    """Frames in memory, read in pieces of `chunks`, of which some pixels may be made up."""

    def __init__(self, frames, chunks=(16, 16), valid=None):
        self.frames = frames
        self.mask = valid
        self.shape = frames.shape
        self.dtype = frames.dtype
        self.chunks = chunks

    def __dask_tokenize__(self):
        return ("Held", self.frames, self.chunks, self.mask)

    def read(self, z, y, x):
        return self.frames[z, y, x]

    def valid(self, z, y, x):
        return None if self.mask is None else self.mask[z, y, x]


def frames_of(shape=(3, 70, 90, 1), dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return (rng.normal(size=shape) * 50).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def stack_of(frames, **how):
    return xr.DataArray(lazy_array(Held(frames, **how)), dims=STACK_DIMS)


@pytest.mark.parametrize("name", MEASURES)
def test_each_frame_has_the_kernel_s_focus(name):
    frames = frames_of((2, 40, 50, 3))
    found = measure_focus(stack_of(frames), method=name, tile=(17, 23))
    assert found.dims == ("z", "y", "x")
    assert found.dtype == np.float32
    for z in range(2):
        image = frames[z] if measure(name).colour else luminance(frames[z])
        np.testing.assert_array_equal(found[z], measure(name).function(image))


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_tiles_chunks_and_schedulers_never_change_a_bit(data):
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    shape = (2, *data.draw(st.tuples(st.integers(12, 70), st.integers(12, 90))), 1)
    frames = frames_of(shape, dtype, data.draw(st.integers(0, 99)))
    method, options = data.draw(
        st.sampled_from(
            [
                ("sml", {"window": 6, "smoothing": 1.3}),
                ("log_energy", {"outer": 1.0}),
                ("rdf", {"radii": [(1, 3), (2, 4)], "normalize": "p99", "border": "reflect"}),
                ("rdf", {"radii": [(2, 6)], "normalize": "mad", "downsample": 2}),
                ("rdf", {"radii": [(3, 9)], "downsample": 3, "smoothing": 0.7}),
            ]
        )
    )
    whole = measure_focus(stack_of(frames, chunks=shape[1:3]), method=method, **options).values
    tile = data.draw(st.tuples(st.integers(15, 80), st.integers(15, 80)))
    chunks = data.draw(st.tuples(st.integers(9, 50), st.integers(9, 50)))
    array = da.from_array(frames, chunks=(1, *chunks, 1))
    for stack in (
        stack_of(frames, chunks=chunks),
        xr.DataArray(array, dims=STACK_DIMS),
        xr.DataArray(array, dims=STACK_DIMS).persist(),
    ):
        with dask.config.set(scheduler=data.draw(st.sampled_from(["threads", "synchronous"]))):
            found = measure_focus(stack, method=method, tile=tile, **options)
            np.testing.assert_array_equal(found.values, whole)
            rows = slice(shape[1] // 3, None)
            np.testing.assert_array_equal(found[:, rows].values, whole[:, rows])


def test_large_frames_are_measured_in_pieces_without_a_seam():
    frames = frames_of((1, 600, 1100, 1), "float32")
    for method, options in (("sml", {"window": 9}), ("rdf", {"radii": ((2, 6),), "downsample": 3})):
        found = measure_focus(stack_of(frames, chunks=(600, 1100)), method=method, **options)
        expected = measure(method).function(frames[0, ..., 0], **options)
        np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("normalize", ["p99", "mad"])
@pytest.mark.parametrize("downsample", [1, 2])
def test_scales_are_normalised_by_statistics_of_the_whole_stack(normalize, downsample):
    frames = frames_of((3, 61, 74, 1))
    radii = ((1, 3), (2, 7))
    options = {"radii": radii, "power": 1.0, "border": "constant", "downsample": downsample, "window": 3}
    found = measure_focus(stack_of(frames), method="rdf", normalize=normalize, tile=30, **options)
    grey = frames[..., 0]
    kept = {name: value for name, value in options.items() if name != "radii"}
    maps = [rdf_scales(frame, radii, **kept) for frame in grey]
    statistics = rdf_statistics(
        [np.stack(scale).astype(float) for scale in zip(*maps, strict=True)], normalize
    )
    for frame, focus in zip(grey, found.values, strict=True):
        expected = rdf(frame, normalize=normalize, statistics=statistics, **options)
        np.testing.assert_allclose(focus, expected, rtol=1e-6)


def test_pixels_that_are_made_up_have_no_focus():
    frames = frames_of()
    valid = np.random.default_rng(1).random(frames.shape[:3]) > 0.3
    found = measure_focus(stack_of(frames, valid=valid), method="tenengrad").values
    plain = measure_focus(stack_of(frames), method="tenengrad").values
    np.testing.assert_array_equal(found, np.where(valid, plain, 0))


def test_focus_is_measured_on_the_channels_asked_for():
    frames = frames_of((2, 30, 40, 4))
    stack = stack_of(frames).assign_coords(channel=["a", "b", "c", "d"])
    found = measure_focus(stack, method="variance", focus_channel="c")
    np.testing.assert_array_equal(found[1], measure("variance").function(frames[1, ..., 2]))
    colour = measure_focus(stack, method="rdf_surh", focus_channel=["a", 3])
    np.testing.assert_array_equal(colour[0], measure("rdf_surh").function(frames[0][..., [0, 3]]))
    with pytest.raises(InputError, match="focus channel"):
        measure_focus(stack, focus_channel="e")


def test_coordinates_and_pixel_size_stay_with_the_map():
    stack = stack_of(frames_of()).assign_coords(z=[0.0, 0.5, 2.0])
    stack.attrs.update(pixel_size=[None, 0.5, 0.5], units="micrometer", audit={})
    found = measure_focus(stack, method="sml", window=7)
    assert found.z.values.tolist() == [0.0, 0.5, 2.0]
    assert found.attrs["pixel_size"] == [None, 0.5, 0.5]
    assert found.attrs["method"] == "sml"
    assert found.attrs["focus_window"] == 7
    assert "audit" not in found.attrs


def test_noise_given_or_estimated_is_subtracted():
    noisy = np.random.default_rng(2).normal(100, 6, (2, 200, 200, 1)).astype(np.float32)
    stack = stack_of(noisy)
    plain = measure_focus(stack, method="laplacian", window=31).values
    given = measure_focus(stack, method="laplacian", window=31, noise=6.0).values
    estimated = measure_focus(stack, method="laplacian", window=31, noise="estimate").values
    assert given.mean() < 0.05 * plain.mean()
    assert estimated.mean() < 0.1 * plain.mean()
    three = stack_of(np.random.default_rng(3).normal(100, 6, (2, 200, 200, 3)).astype(np.float32))
    attrs = measure_focus(three, method="laplacian", noise="estimate").attrs
    assert attrs["focus_noise"] == pytest.approx(6 * np.sqrt(0.299**2 + 0.587**2 + 0.114**2), rel=0.1)
    with pytest.raises(InputError, match="not known"):
        measure_focus(stack, method="steerable", noise=1.0)
    with pytest.raises(InputError, match="estimate"):
        measure_focus(stack, method="sml", noise="estimated")


def test_noise_of_a_rendered_stack_is_found():
    stack = render_stack(shape=(160, 200), frames=20, noise=(4.0, 0.1), seed=4).stack
    grey = float(stack.mean())
    for found in estimate_noise(stack):
        assert found.sigma(grey) == pytest.approx(np.sqrt(16 + 0.1 * grey), rel=0.1)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_noise_does_not_depend_on_how_the_stack_is_read(data):
    dtype = data.draw(st.sampled_from(["uint8", "float32"]))
    frames = render_stack(shape=(90, 120), frames=3, noise=(6.0, 0.0), dtype=dtype, seed=5).stack.values
    expected = estimate_noise(stack_of(frames, chunks=(90, 120)))
    chunks = data.draw(st.tuples(st.integers(5, 60), st.integers(5, 60)))
    assert estimate_noise(stack_of(frames, chunks=chunks)) == expected
    assert estimate_noise(xr.DataArray(frames, dims=STACK_DIMS)) == expected


def test_the_sharpest_frame_of_a_rendered_stack_is_the_true_one():
    scene = render_stack(depth="plane", shape=(100, 120), frames=9, seed=1)
    depth = float(scene.truth.depth.mean())
    assert best_frame(scene.stack) == round(depth)
    assert best_frame(scene.stack, method="rdf", radii=[(1, 3)]) == round(depth)
    ramp = render_stack(depth="ramp", shape=(120, 160), frames=12, seed=2)
    found = sharpness(ramp.stack, grid=(4, 5))
    assert found.shape == (12, 4, 5)
    assert found.row.values[0] == 14.5
    cells = ramp.truth.depth.values.reshape(4, 30, 5, 32).mean(axis=(1, 3))
    assert np.abs(found.argmax("z").values - cells).max() < 1.5


@pytest.mark.parametrize("chunks", [(70, 90), (13, 29)])
def test_sharpness_is_the_mean_of_focus_and_no_matter_of_reading(chunks):
    frames = frames_of((3, 70, 90, 1), "float32")
    found = sharpness(stack_of(frames, chunks=chunks), method="sml", grid=(2, 3), window=3)
    focus = measure_focus(stack_of(frames), method="sml", window=3).values.astype(float)
    expected = focus.reshape(3, 2, 35, 3, 30).mean(axis=(2, 4))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    again = sharpness(stack_of(frames, chunks=(70, 90)), method="sml", grid=(2, 3), window=3)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "smll"}, "did you mean 'sml'"),
        ({"method": "sml", "windw": 3}, "did you mean 'window'"),
        ({"method": "sml", "window": -1}, "window"),
        ({"method": "rdf", "radii": [(3, 1)]}, "inner < outer"),
        ({"method": "rdf", "radii": [(3, 80)]}, "smaller than the image"),
        ({"method": "rdf_surh", "outer": 80}, "smaller than the image"),
        ({"method": "rdf", "border": "mirrored"}, "border"),
        ({"method": "rdf", "normalize": "p98"}, "did you mean 'p99'"),
        ({"method": "rdf", "normalize": "p99", "radii": [(3, 1)]}, "inner < outer"),
        ({"method": "rdf", "statistics": [(1.0,)]}, "leave them out"),
        ({"smoothing": -1.0}, "sigma"),
        ({"tile": 0}, "tile"),
    ],
)
def test_bad_options_are_refused_before_any_work(options, match):
    with pytest.raises(InputError, match=match):
        measure_focus(stack_of(frames_of()), **options)


def test_other_bad_input_is_refused():
    stack = stack_of(frames_of())
    with pytest.raises(InputError, match="dims"):
        measure_focus(stack[0])
    with pytest.raises(InputError, match="grid"):
        sharpness(stack, grid=0)
    with pytest.raises(InputError, match="normalize"):
        sharpness(stack, method="rdf", normalize="p99")
    with pytest.raises(InputError, match="at least 1 frame"):
        estimate_noise(stack, frames=0)


def test_missing_pixels_are_named():
    frames = frames_of(dtype="float32")
    frames[1, 33, 44] = np.nan
    with pytest.raises(InputError, match="frame 1 has NaN pixels, one at row 33, column 44"):
        measure_focus(stack_of(frames), method="sml", tile=20).compute()

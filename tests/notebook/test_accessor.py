"""stack.bigstack.fuse() and its like give what the functions give."""

import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import bigstack
from bigstack.errors import InputError
from bigstack.io.writers import create_stack_sink
from bigstack.notebook.reduced import reduced
from bigstack.synthetic import render_stack


@pytest.fixture(scope="module")
def stack() -> xr.DataArray:
    return render_stack(shape=(96, 120), frames=5, seed=3).stack


def test_methods_are_the_functions(stack):
    assert stack.bigstack.fuse(method="select").identical(bigstack.fuse(stack, method="select"))
    assert stack.bigstack.measure_focus(method="sml").identical(bigstack.measure_focus(stack, method="sml"))
    assert set(stack.bigstack.depth()) == set(bigstack.depth_from_focus(stack))


def test_align_estimates_unless_told(stack):
    alignment = bigstack.estimate_alignment(stack, model="translation")
    expected = bigstack.apply_alignment(stack, alignment, crop=True)
    xr.testing.assert_identical(stack.bigstack.align(alignment, crop=True), expected)
    xr.testing.assert_identical(stack.bigstack.align(model="translation", crop=True), expected)
    with pytest.raises(TypeError, match="'model' belongs to the estimate"):
        stack.bigstack.align(alignment, model="translation")


def test_sharpness_is_plotted(stack):
    figure = stack.bigstack.plot_sharpness()
    assert len(figure.axes[0].lines[0].get_xdata()) == 5


def test_preview_is_small_and_there(stack):
    small = stack.bigstack.preview(max_pixels=3000)
    assert isinstance(small.data, np.ndarray)
    assert (small.sizes["y"], small.sizes["x"]) == (48, 60)
    assert small.dtype == stack.dtype
    assert stack.bigstack.preview().sizes["y"] == 96


def test_reduced_pixels_are_means(stack):
    half = reduced(stack, 96 * 120 // 4)
    whole = stack.values.astype(np.float64).reshape(5, 48, 2, 60, 2, 3).mean((2, 4))
    np.testing.assert_array_equal(half.values, np.rint(whole))
    with pytest.raises(InputError, match="max_pixels must be at least 1"):
        reduced(stack, 0)


def test_a_multiscale_file_is_read_at_its_own_level(tmp_path):
    from bigstack.io.writers import stack_spec_of

    pixels = np.random.default_rng(2).integers(0, 255, (2, 1100, 1300, 1), dtype=np.uint8)
    stack = xr.DataArray(da.from_array(pixels), dims=("z", "y", "x", "channel"))
    sink = create_stack_sink(tmp_path / "s.ome.zarr", stack_spec_of(stack))
    sink.open()
    from bigstack.geometry import Tile

    for z in range(2):
        sink.encode(z, Tile(0, 1100, 0, 1300), pixels[z])
    for level in range(1, sink.levels):
        for piece in sink.level_tasks(level):
            sink.build_level(level, piece)
    sink.finish()
    opened = bigstack.open_stack(tmp_path / "s.ome.zarr")
    np.testing.assert_array_equal(
        reduced(opened, 550 * 650).values, bigstack.open_stack(tmp_path / "s.ome.zarr", level=1).values
    )
    assert reduced(opened[:, :1000], 550 * 650).sizes["y"] == 500  # a region is not the file's level


def test_table_escapes_names(stack):
    text = (
        stack.assign_attrs(source="<script>")._repr_html_
        and stack.assign_attrs(source="<script>").bigstack._repr_html_()
    )
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "120 x 96 pixels" in text


def test_other_arrays_are_told():
    with pytest.raises(TypeError, match="a stack has dims"):
        xr.DataArray(np.zeros((3, 4)), dims=("y", "x")).bigstack  # noqa: B018


@pytest.mark.parametrize(
    "first", ["import xarray, bigstack", "import bigstack; bigstack.fuse; import xarray"]
)
def test_accessor_is_there_however_things_are_imported(first):
    code = f"{first}; assert hasattr(xarray.DataArray, 'bigstack')"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

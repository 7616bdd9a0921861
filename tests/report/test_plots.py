"""Plots as files: which there are, that they show the numbers, and what is refused."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from bigstack.engine.hot_counts import counts_over
from bigstack.engine.sources import as_source
from bigstack.errors import InputError, OutputExistsError
from bigstack.geometry.alignment import Alignment
from bigstack.geometry.correction import Denoise, HotPixels
from bigstack.kernels.correction.hot_pixels import blur_residual
from bigstack.report.corrections import plot_thresholds
from bigstack.report.figures import save_figures
from bigstack.report.plots import save_plots


def moved_stack(shift=6):
    """Three frames of one scene, each moved by `shift` pixels in x against the one before it."""
    import cv2

    scene = np.random.default_rng(2).integers(0, 255, (200, 300), np.uint8)
    scene = cv2.GaussianBlur(scene, (0, 0), 1.2)
    frames = np.stack([scene[:, 20 - z * shift : 260 - z * shift] for z in range(3)])[..., None]
    return xr.DataArray(da.from_array(frames, chunks=(1, -1, -1, -1)), dims=("z", "y", "x", "channel"))


def shifted(step, reference=0):
    places = [[[1, 0, (z - reference) * step], [0, 1, 0], [0, 0, 1]] for z in range(3)]
    return Alignment.of(places, (200, 240), reference)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_counts_are_those_of_the_rule(dtype):
    random = np.random.default_rng(1)
    frames = random.integers(90, 110, (4, 40, 50, 2)).astype(dtype)
    frames[:, 7, 9, 1] = 200
    array = da.from_array(frames, chunks=(1, 16, 16, 2))
    thresholds, counts = counts_over(as_source(array))
    residual = blur_residual(frames.astype(np.float64).mean(axis=0)) / 256
    for i in (0, 5, 40, 200):
        expected = (np.abs(residual) >= thresholds[i] - 1e-9).sum(axis=(0, 1))
        np.testing.assert_allclose(counts[:, i], expected, atol=1)
    stack = xr.DataArray(array, dims=("z", "y", "x", "channel"))
    figure = plot_thresholds(stack, HotPixels((40, 50, 2), (), thresholds=(3.0, 4.0)))
    assert len(figure.axes[0].lines) == 4


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_files_of_a_chain(tmp_path, form, start):
    stack = moved_stack()
    found = [(stack, HotPixels((200, 240, 1), ())), (stack, Denoise((2.0,))), (stack, shifted(6))]
    paths = save_plots(found, tmp_path / "p", stack=stack, format=form)
    names = ["1-hot-pixels", "1-hot-pixels-thresholds", "3-alignment"]
    names += ["3-matches-0000-0001", "3-matches-0001-0002", "sharpness"]
    assert [path.name for path in paths] == [f"{name}.{form}" for name in names]
    assert all(path.read_bytes().startswith(start) for path in paths)


def test_nothing_is_drawn_when_one_is_there(tmp_path):
    (tmp_path / "b.png").write_text("mine")

    def draw():
        raise AssertionError

    with pytest.raises(OutputExistsError, match=r"b\.png"):
        save_figures([("a", draw), ("b", draw)], tmp_path)
    with pytest.raises(InputError, match="format of plots"):
        save_figures([("c", draw)], tmp_path, format="svg")
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]

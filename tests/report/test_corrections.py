"""Plots of corrections show the numbers they are of."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from bigstack.correct import estimate_balance, estimate_vignetting
from bigstack.errors import InputError
from bigstack.geometry.correction import HotPixels
from bigstack.report.corrections import plot_balance, plot_histograms, plot_hot_pixels, plot_vignetting


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(0)
    scene = rng.integers(40, 180, (64, 96, 3))
    frames = np.rint(scene * np.array([1, 0.8, 1.2])[:, None, None, None]).astype(np.uint8)
    return xr.DataArray(da.from_array(frames, chunks=(1, -1, -1, -1)), dims=("z", "y", "x", "channel"))


@pytest.mark.parametrize("curve", ["linear", "gamma"])
def test_factors_are_drawn_frame_by_frame(stack, curve, tmp_path):
    balance = estimate_balance(stack, curve=curve, reference=0)
    figure = plot_balance(balance)
    assert [panel.get_title() for panel in figure.axes] == ["channel 0", "channel 1", "channel 2"]
    drawn = figure.axes[1].lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, [frame[1][0] for frame in balance.curves])
    figure.savefig(tmp_path / "balance.png")
    assert (tmp_path / "balance.png").stat().st_size > 5000


def test_matched_curves_are_drawn(stack):
    balance = estimate_balance(stack, space="hsv", curve="match_hist", reference=0)
    figure = plot_balance(balance)
    assert len(figure.axes) == 2
    assert len(figure.axes[0].lines) == 3
    x, y = figure.axes[1].lines[1].get_data()
    assert (np.asarray(y) > np.asarray(x)).mean() > 0.9  # the dark frame is brightened


@pytest.mark.parametrize("space", ["lumi", "rgb", "hls", "lab"])
def test_histograms_lie_on_one_another_once_balanced(stack, space):
    figure = plot_histograms(stack, estimate_balance(stack, space=space, reference=0))
    before, after = figure.axes[:2]

    def means(panel):
        lines = [line.get_data() for line in panel.lines]
        return np.array([(x * y).sum() / y.sum() for x, y in lines])

    assert np.ptp(means(before)) > 0.2 * means(before).mean()
    assert np.ptp(means(after)) < 0.03 * means(after).mean()


def test_histograms_need_the_stack_of_the_balance(stack):
    with pytest.raises(InputError, match="3 frames, the stack has 2"):
        plot_histograms(stack[:2], estimate_balance(stack))


def test_rings_model_and_radii_are_drawn():
    r2 = np.add.outer(np.arange(-60, 61) ** 2, np.arange(-90, 91) ** 2)
    frame = np.rint(200 / (1 + 1e-4 * r2) ** 2).astype(np.uint8)[None, ..., None]
    vignetting = estimate_vignetting(
        xr.DataArray(da.from_array(frame), dims=("z", "y", "x", "channel")), method="rings"
    )
    panel = plot_vignetting(vignetting).axes[0]
    rings, model = panel.lines[:2]
    at_rings = np.interp(rings.get_xdata(), *model.get_data())
    np.testing.assert_allclose(rings.get_ydata(), at_rings, atol=2)
    marks = [text.get_text() for text in panel.texts]
    assert marks == ["95%", "75%", "50%", "25%"]


def test_hot_pixels_are_drawn_where_they_are():
    figure = plot_hot_pixels(HotPixels((40, 50, 3), ((1, 2, 0), (30, 49, 2))))
    points = [tuple(spots.get_offsets()[0].tolist()) for spots in figure.axes[0].collections]
    assert points == [(2.0, 1.0), (49.0, 30.0)]
    assert plot_hot_pixels(HotPixels((4, 5, 1), ())).axes[0].get_title() == ""

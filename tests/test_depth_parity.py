"""Depth against what depth-from-focus programs recorded, where those are right."""

import cv2
import numpy as np
import pytest
import xarray as xr

from bigstack import depth_from_focus
from bigstack.kernels.depth.diamond import diamond_median

HOW = {"measure": "energy", "refine": "none", "peak": "integer", "noise": 1.0}


@pytest.fixture(scope="module")
def recorded(shared):
    with np.load(shared / "reference" / "stacks.npz") as arrays:
        return {name: arrays[name] for name in ("stack", "smw_argmax", "smw_depth")}


def stack_of(frames: np.ndarray) -> xr.DataArray:
    return xr.DataArray(frames, dims=("z", "y", "x", "channel"))


def as_eight_bits(index: np.ndarray) -> np.ndarray:
    """Their picture of a depth: the last frame black, smoothed."""
    index = index.astype(np.float64)
    return cv2.GaussianBlur(255 - 255 * (index - index.min()) / np.ptp(index), (5, 5), 0)


def test_index_and_picture_are_those_of_depth_from_focus(recorded):
    """On what they measure: grey, smoothed, and rounded to whole levels both times, as bigstack is not."""
    rounded = [cv2.GaussianBlur(cv2.cvtColor(f, cv2.COLOR_BGR2GRAY), (5, 5), 0) for f in recorded["stack"]]
    found = depth_from_focus(stack_of(np.stack(rounded)[..., None]), focus_options={"blur": 1}, **HOW)
    np.testing.assert_array_equal(found["index"], recorded["smw_argmax"])
    np.testing.assert_allclose(as_eight_bits(found["index"].values), recorded["smw_depth"], atol=1e-9)


def test_without_their_rounding_one_pixel_in_fifty_differs(recorded):
    """Where frames are equally blurred what rounding leaves decides theirs; elsewhere both are the same."""
    found = depth_from_focus(stack_of(recorded["stack"][..., ::-1]), **HOW).compute()
    same = found["index"].values == recorded["smw_argmax"]
    assert same.mean() > 0.98
    sure = found.confidence > found.confidence.quantile(0.5)
    assert same[sure.values].mean() > same.mean()


def test_their_median_hardly_changes_so_wide_a_window(recorded):
    """Their 7x7 diamond after a mean over 64 pixels; an edge keeps its place, so few pixels change."""
    index = recorded["smw_argmax"].astype(np.float32)
    found = diamond_median(index)
    assert 0.98 < np.mean(found == index) < 1

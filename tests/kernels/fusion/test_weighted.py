"""The weighted mean against its formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.focus import measure
from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.fusion.select import Select
from bigstack.kernels.fusion.weighted import Weighted
from bigstack.kernels.luminance import luminance

from .folding import DTYPES, random_frames, random_valid, run


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999),
    frames=st.integers(1, 6),
    power=st.sampled_from([0.5, 1.0, 4.0]),
    masked=st.booleans(),
)
def test_pixels_are_the_weighted_mean_of_real_ones(dtype, seed, frames, power, masked):
    stack = random_frames(seed, (frames, 20, 30, 2), dtype)
    valid = random_valid(seed, stack.shape[:3]) if masked else None
    found = run(Weighted(FocusMap("sml"), (), power), stack, valid)["image"]
    focus = np.stack([measure("sml").function(luminance(frame)) for frame in stack]).astype(float) + 1e-6
    if masked:
        focus *= np.stack([np.ones((20, 30), bool) if mask is None else mask for mask in valid])
    largest = focus.max(axis=0)
    weights = (focus / np.where(largest > 0, largest, 1)) ** power
    weights[0][largest == 0] = 1
    expected = (stack * (weights / weights.sum(axis=0))[..., None]).sum(axis=0)
    scale = np.abs(stack.astype(float)).max()
    np.testing.assert_allclose(found, expected, atol=(0.5 if dtype != "float32" else 0) + scale * 2e-5)


def test_a_high_power_selects():
    stack = random_frames(3, (5, 40, 50, 3), "uint8")
    found = run(Weighted(FocusMap("sml", smoothing=2.0), (), 1e5), stack)
    selected = run(Select("sml", smoothing=2.0), stack)
    np.testing.assert_array_equal(found["index"], selected["index"])
    assert (found["image"] != selected["image"]).mean() < 0.02


def test_where_nothing_has_focus_it_is_the_mean():
    stack = np.arange(0, 50, 10, dtype=np.uint8)[:, None, None, None] * np.ones((5, 16, 16, 1), np.uint8)
    assert (run(Weighted(FocusMap("sml"), (), 8.0), stack)["image"] == 20).all()

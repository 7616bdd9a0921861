"""Depth-map fusion against a plain statement of its weights, and against what shinestacker recorded."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import fuse
from bigstack.errors import InputError
from bigstack.kernels.focus import measure
from bigstack.kernels.luminance import luminance
from bigstack.names import STACK_DIMS

from . import reference
from .folding import random_frames

LATER = {"measure": "log", "power": 1, "diameter": 3, "sigma_color": 0.8, "sigma_space": 3, "levels": 4}
"""What shinestacker's later versions do by default."""


@pytest.fixture(scope="module")
def arrays(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "reference" / "stacks.npz") as held:
        found = {name: held[name] for name in held if name.startswith(("luca0601_dm", "stack"))}
    with np.load(shared / "reference" / "depthmap_variants.npz") as held:
        return found | {name: held[name] for name in held if name.startswith("dm_")}


def fused(frames: np.ndarray, **options) -> xr.Dataset:
    lazy = xr.DataArray(da.from_array(frames, chunks=(1, -1, -1, -1)), dims=STACK_DIMS)
    return fuse(lazy, method="depth_map", **options).compute()


def image_of(stack: np.ndarray, **options) -> np.ndarray:
    """Fuse frames of blue, green, red."""
    rgb = np.concatenate([stack[..., 2::-1], stack[..., 3:]], axis=-1)
    return fused(rgb, **options).image.values[..., 2::-1].astype(float)


@pytest.mark.parametrize(
    ("name", "options", "mean", "most"),
    [
        ("dm_avg", {"weights": "average"}, 0.0005, 1),
        ("dm_def", {"weights": "max"}, 0.005, 4),
        ("dm_T01", {"weights": "softmax", "temperature": 0.1}, 0.002, 1),
        ("dm_var", {"weights": "max", "measure": "variance"}, 0.01, 8),
        ("dm_sobel", {"weights": "max", "measure": "sobel"}, 0.06, 10),
        ("dm_mod", {"weights": "max", "measure": "sobel"}, 0.06, 10),
        ("dm_ten", {"weights": "max", "measure": "tenengrad", "measure_options": {"window": 1}}, 0.1, 12),
    ],
)
def test_the_later_shinestacker_is_met_within_its_ties(arrays, name, options, mean, most):
    """Gradients of whole grey levels tie: it shares such pixels among the frames, here the first has them.

    Its "modified Laplacian" is its Sobel; its Tenengrad is 0 up to 5. What is left are last bits of floats.
    """
    apart = np.abs(image_of(arrays["stack"], **LATER | options) - arrays[name])
    assert apart.mean() <= mean
    assert apart.max() <= most


def with_blurred_grey(stack: np.ndarray) -> np.ndarray:
    """A fourth channel: the blurred grey that the first focusstack measures, rounded to whole levels."""
    return np.concatenate([stack, reference.blurred_grey(stack)[..., None]], axis=-1)


FIRST = {
    "measure": "log",
    "power": 1,
    "measure_options": {"blur": 1, "kernel": 5},
    "focus_channel": 3,
    "levels": 0,
}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("luca0601_dm_avg_lap_ns_u8", {}),
        ("luca0601_dm_avg_lap_u8", {"diameter": 32}),
        ("luca0601_dm_max_lap_u8", {"diameter": 32, "weights": "max"}),
    ],
)
def test_the_first_focusstack_is_met_to_a_level(arrays, name, options):
    """It cuts fractions off where bigstack rounds; where no frame has any focus its weights are undefined."""
    ours = image_of(with_blurred_grey(arrays["stack"]), **FIRST | options)
    apart = np.abs(ours - arrays[name])
    some = (np.abs(reference.momonala(arrays["stack"])[1]).sum(axis=0) > 0)[..., None]
    assert (apart * some).max() <= 1
    assert some.mean() > 0.99


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_one_hot_weights_of_the_first_focusstack_are_met(arrays, dtype):
    stack = arrays["stack"].astype(dtype) * np.array(257 if dtype == "uint16" else 1, dtype)
    ours = image_of(stack, measure="sobel", weights="max", levels=0)
    apart = np.abs(ours - arrays[f"luca0601_dm_max_sobel_ns_u{np.dtype(dtype).itemsize * 8}"])
    assert (apart > 0).mean() < (2e-4 if dtype == "uint16" else 1e-12)


def test_sixteen_bits_are_smoothed_as_eight_are(arrays):
    """focusstack's standard deviation of 25 counts raw levels, so 16-bit focus is hardly smoothed there."""
    options = {"measure": "log", "power": 1, "diameter": 9, "levels": 0}
    eight = image_of(arrays["stack"], **options)
    sixteen = image_of(arrays["stack"].astype(np.uint16) * 257, **options)
    assert np.abs(sixteen / 257 - eight).max() < 3
    assert np.abs(sixteen / 257 - eight).mean() < 0.3


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    weights=st.sampled_from(["average", "max", "softmax"]),
    power=st.sampled_from([1.0, 3.0]),
    unit=st.sampled_from(["grey", "stack"]),
    frames=st.integers(1, 5),
)
def test_weights_without_a_pyramid_are_their_formula(seed, weights, power, unit, frames):
    stack = random_frames(seed, (frames, 20, 23, 3), "uint8")
    stack[:, :8] = stack[0, 0, 0]
    stack[:, :8] += np.arange(frames, dtype=np.uint8)[:, None, None, None]
    focus = np.stack([measure("sobel").function(luminance(frame)) for frame in stack]).astype(np.float64)
    scale = focus.max() if unit == "stack" else 1
    if weights == "max":
        share = np.arange(frames)[:, None, None] == np.argmax(focus, axis=0)
    elif weights == "average":
        share = (focus + 1e-6 * scale) ** power
    else:
        share = np.exp(power * (focus - focus.max(axis=0)) / scale / 0.5)
    expected = (stack * (share / share.sum(axis=0))[..., None]).sum(axis=0)
    found = fused(stack, measure="sobel", weights=weights, power=power, unit=unit, temperature=0.5, levels=0)
    np.testing.assert_allclose(found.image.values, expected, atol=0.51)
    np.testing.assert_array_equal(found.index.values, np.argmax(focus, axis=0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "mean"}, "average, max, softmax"),
        ({"power": 0}, "power must be a positive number"),
        ({"temperature": -1}, "temperature must be"),
        ({"diameter": 64}, "0 to 63 pixels"),
        ({"smoothing": -1}, "0 to 50 pixels"),
        ({"levels": 7}, "0 to 6"),
        ({"measure": "smll"}, "did you mean 'sml'"),
        ({"unit": "pixel"}, "grey, stack"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        fused(random_frames(0, (2, 20, 20, 1), "uint8"), **options)

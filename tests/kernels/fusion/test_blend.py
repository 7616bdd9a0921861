"""Soft-max blending against the two-image script that it generalises, and its formula for many frames."""

from pathlib import Path

import cv2
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from bigstack import fuse
from bigstack.errors import InputError
from bigstack.kernels.fusion.blend import box_gradients
from bigstack.names import STACK_DIMS

from . import reference_blend as script
from .folding import random_frames

RULES = {
    "all_channels": script.all_channels,
    "by_channel": script.by_channel,
    "laplacian": script.laplacian,
    "mask": script.masked,
}


@pytest.fixture(scope="module")
def arrays(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "reference" / "stacks.npz") as held:
        return {name: held[name] for name in held if name.startswith(("nitya", "stack"))}


@pytest.fixture(scope="module")
def pair(arrays) -> tuple[np.ndarray, np.ndarray]:
    return arrays["stack"][0].astype(float), arrays["stack"][5].astype(float)


def blended(front: np.ndarray, back: np.ndarray, dtype: str = "uint8", **options) -> xr.Dataset:
    stack = np.stack([front, back]).astype(dtype)
    return fuse(xr.DataArray(da.from_array(stack), dims=STACK_DIMS), method="blend", **options).compute()


def test_the_statement_of_the_script_is_what_it_recorded(arrays, pair):
    found = script.all_channels(*pair, faulty=True)
    np.testing.assert_allclose(found, arrays["nitya_reconstr_0_5"], atol=1e-9)
    for side in (3, 9):
        mask = script.mask(*pair, side, faulty=True)[..., None] / 255
        np.testing.assert_allclose(
            np.broadcast_to(mask, pair[0].shape), arrays[f"nitya_new{side}_mask"], atol=1e-8
        )
        found = mask * pair[0] + (1 - mask) * pair[1]
        np.testing.assert_allclose(found, arrays[f"nitya_new{side}_0_5"], atol=1e-5)
    np.testing.assert_allclose(script.laplacian(*pair), arrays["nitya_old_0_5"], atol=1e-9)
    for n, band in enumerate(script.pyramid(pair[0])):
        np.testing.assert_array_equal(band, arrays[f"nitya_lap0_{n}"])


def test_its_signed_laplacian_is_met_as_it_was_recorded(arrays, pair):
    back, front = pair
    found = blended(front, back, rule="laplacian", levels=0).image.values
    assert np.abs(found - arrays["nitya_old_0_5"]).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("rule", RULES)
def test_two_frames_are_blended_as_the_script_would_without_its_faults(pair, rule, dtype):
    back, front = pair
    scale = 257 if dtype == "uint16" else 1
    found = blended(front * scale, back * scale, dtype, rule=rule).image.values.astype(float)
    expected = np.clip(script.at_every_level(RULES[rule], back, front), 0, 255) * scale
    apart = np.abs(found - expected)
    # Rounding to the dtype, and float32 where gradients all but tie.
    assert np.quantile(apart, 0.9999) <= (0.5 + 2e-3 if dtype != "float32" else 2e-3) * scale
    assert apart.max() <= (60 if rule == "mask" else 0.6) * scale


def test_direct_blending_differs_from_the_record_by_its_fault_alone(arrays, pair):
    back, front = pair
    found = blended(front, back, levels=0).image.values.astype(float)
    assert np.abs(found - script.all_channels(back, front)).max() <= 0.5 + 1e-3
    apart = np.abs(found - arrays["nitya_reconstr_0_5"])
    assert apart.mean() > 1
    assert apart.max() > 20


def test_a_mask_is_of_zeros_and_ones_and_takes_whole_pixels(pair):
    back, front = pair
    found = blended(front, back, rule="mask", levels=0)
    share = script.mask(back, front, 3)
    agree = found.index.values == share
    assert agree.mean() > 0.9999
    expected = np.where(share[..., None] == 1, back, front)
    np.testing.assert_array_equal(found.image.values[agree], expected[agree])
    assert 0.1 < found.index.values.mean() < 0.9


@pytest.mark.parametrize("rule", ["all_channels", "by_channel"])
def test_many_frames_are_a_soft_max(rule):
    frames = random_frames(1, (5, 40, 50, 3), "uint8")
    frames = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in frames])
    sums = []
    for frame in frames.astype(float):
        found = script.gradients(frame)
        found = found if rule == "by_channel" else found.sum(axis=2)[..., None]
        sums.append(cv2.filter2D(found, -1, np.ones((3, 3))).reshape(40, 50, -1))
    weights = np.exp(0.1 * np.maximum(np.stack(sums) - np.max(sums, axis=0), -50))
    expected = (frames * weights).sum(axis=0) / weights.sum(axis=0)
    stack = xr.DataArray(da.from_array(frames), dims=STACK_DIMS)
    found = fuse(stack, method="blend", rule=rule, levels=0).compute()
    np.testing.assert_allclose(found.image.values, expected, atol=0.51)
    np.testing.assert_array_equal(found.index.values, np.argmax(np.sum(sums, axis=3), axis=0))


def test_gradients_are_measured_across_both_axes():
    ramp = np.zeros((20, 20, 1), np.float32)
    ramp[:, 10:] = 100
    assert box_gradients(ramp, "all_channels").max() > 0
    assert box_gradients(ramp.swapaxes(0, 1), "all_channels").max() > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": "masks"}, "did you mean 'mask'"),
        ({"beta": 0.0}, "beta must be a positive"),
        ({"rule": "by_channel", "focus_channel": 1}, "takes no focus_channel"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    frames = random_frames(0, (2, 20, 20, 3), "uint8")
    with pytest.raises(InputError, match=words):
        blended(frames[0], frames[1], **options)

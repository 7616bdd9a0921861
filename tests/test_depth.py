"""Depth from focus through its public function: accuracy, units, uncertainty, errors."""

import re

import cv2
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from bigstack.depth import depth_from_focus
from bigstack.errors import InputError
from bigstack.kernels.quality import depth_errors
from bigstack.names import VARIABLES
from bigstack.synthetic import scene

SHAPE = (240, 320)
BARS = {"ramp": 0.15, "bump": 0.25, "forty": 0.3, "five": 0.25, "noise-free": 0.15, "ramp-noisy": 0.8}
"""Depth RMSE in frames that must not be exceeded, at half the benchmark's size and twice its slopes."""


def solved(name: str, seed: int = 21, shape: tuple[int, int] = SHAPE):
    made = scene(name, seed=seed, shape=shape).compute()
    return made, depth_from_focus(made.stack).compute()


@pytest.mark.parametrize("name", BARS)
def test_depth_of_smooth_surfaces_is_right_to_a_fraction_of_a_frame(name):
    made, found = solved(name)
    assert depth_errors(found.depth.values, made.truth.depth.values).rmse < BARS[name]


def test_variables_are_those_of_the_registry():
    made, found = solved("five")
    assert set(found.data_vars) == {"depth", "index", "confidence", "sigma", "valid", "unobserved"}
    for name, variable in found.data_vars.items():
        assert variable.dims == VARIABLES[name].dims
        assert str(variable.dtype) == VARIABLES[name].dtype
    assert found.confidence.min() >= 0
    assert found.confidence.max() <= 1
    assert found.sigma.min() > 0
    np.testing.assert_array_equal(found.index, np.rint(found.depth))
    np.testing.assert_array_equal(found.y, made.stack.y)


def test_depth_is_in_the_units_of_z():
    made, found = solved("five")
    micrometres = made.stack.assign_coords(z=np.arange(5) * 2.5 + 10).assign_attrs(units="micrometre")
    spaced = depth_from_focus(micrometres).compute()
    np.testing.assert_array_equal(spaced.index, found.index)
    np.testing.assert_allclose(spaced.depth, found.depth * 2.5 + 10, rtol=1e-5)
    np.testing.assert_allclose(spaced.sigma, found.sigma * 2.5, rtol=1e-4)
    assert spaced.depth.attrs["unit"] == "micrometre"
    back = depth_from_focus(micrometres.assign_coords(z=np.arange(5)[::-1].copy())).compute()
    assert back.sigma.min() > 0
    np.testing.assert_allclose(back.depth, 4 - found.depth, atol=1e-5)


@pytest.mark.parametrize("peak", ["mixed", "parabola", "gaussian", "curve"])
def test_frames_need_not_be_evenly_spaced(peak):
    made = scene("bump", seed=3, shape=(120, 160), noise=(1.5, 0.0)).compute()
    kept = np.delete(np.arange(20), [3, 7, 8, 12, 16])
    options = {"peak": peak, "refine": "sgm"}
    depth = depth_from_focus(made.stack.isel(z=kept).assign_coords(z=kept.astype(float)), **options).depth
    even = depth_from_focus(made.stack.isel(z=kept).assign_coords(z=np.arange(15)), **options).depth
    truth = made.truth.depth.values
    told = depth_errors(depth.values, truth).rmse
    assert told < 0.4
    assert told < 0.9 * depth_errors(np.interp(even.values, np.arange(15), kept), truth).rmse


def test_nothing_is_computed_before_it_is_asked_for_and_a_region_is_a_crop():
    made = scene("steps", seed=2, shape=SHAPE, frames=5).compute()
    lazy = depth_from_focus(made.stack, tile=64)
    assert isinstance(lazy.depth.data, da.Array)
    whole = depth_from_focus(made.stack).compute()
    xr.testing.assert_equal(
        lazy.isel(y=slice(33, 71), x=slice(5, 99)).compute(), whole.isel(y=slice(33, 71), x=slice(5, 99))
    )


def test_sigma_covers_as_many_errors_as_it_says():
    inside = {1: [], 2: []}
    for name in ("ramp-noisy", "smooth-noisy", "steps", "steps-dots", "five"):
        made, found = solved(name, seed=22, shape=(480, 640))
        error = np.abs(found.depth.values - made.truth.depth.values)
        for times, shares in inside.items():
            shares.append(float(np.mean(error <= times * found.sigma.values)))
    assert 0.55 < np.mean(inside[1]) < 0.9
    assert np.mean(inside[2]) > 0.85


def test_confidence_is_lower_where_the_depth_is_wrong():
    made, found = solved("steps-dots")
    wrong = np.abs(found.depth - made.truth.depth) > 1
    assert found.confidence.where(wrong).mean() < found.confidence.where(~wrong).mean() - 0.1


def test_noise_alone_is_not_valid_and_has_the_sigma_of_not_knowing():
    rng = np.random.default_rng(0)
    noise = np.rint(100 + rng.normal(0, 5, (12, 200, 200, 1))).astype(np.uint8)
    stack = xr.DataArray(noise, dims=("z", "y", "x", "channel"))
    found = depth_from_focus(stack).compute()
    assert found.valid.mean() < 0.03
    np.testing.assert_allclose(found.sigma.where(~found.valid).max(), 12 / np.sqrt(12), rtol=1e-5)


def test_texture_is_valid_though_sparse():
    assert solved("dots")[1].valid.mean() > 0.9


def test_unobserved_marks_the_rings_that_foreground_blurs():
    made, found = solved("discs")
    truth = made.truth.unobserved.values
    marked = found.unobserved.values
    assert marked[truth].mean() > 4 * marked[~truth].mean()
    assert not solved("ramp")[1].unobserved.values.mean() > 0.01


def test_options_change_what_they_say():
    made = scene("steps", seed=2, shape=(120, 160), frames=6).compute()
    plain = depth_from_focus(made.stack).compute()
    others = [{"radius": 0}, {"step": 0.0, "jump": 0.0}, {"jump": 5.0}, {"step": 20.0}]
    assert all(not depth_from_focus(made.stack, **one).depth.equals(plain.depth) for one in others)
    noisy = scene("steps-gaussian", seed=2, shape=(240, 320), frames=12).compute()
    errors = [
        depth_errors(depth_from_focus(noisy.stack, **one).depth.values, noisy.truth.depth.values).rmse
        for one in ({}, {"radius": 0}, {"radius": 0, "step": 0.0, "jump": 0.0})
    ]
    assert errors[0] == min(errors)
    wide = depth_from_focus(made.stack, blur=3.0).compute()
    assert wide.unobserved.sum() > plain.unobserved.sum()
    assert not wide.depth.equals(plain.depth)
    loud = depth_from_focus(made.stack, noise=2000.0).compute()
    assert loud.valid.mean() < plain.valid.mean()


def test_one_measure_streams_through_tiles_of_any_size():
    made = scene("bump", seed=2, shape=SHAPE, frames=9, noise=(2.0, 0.0)).compute()
    how = {"measure": "log_energy", "peak": "gaussian", "refine": "diamond", "window": 9}
    whole = depth_from_focus(made.stack, **how).compute()
    odd = depth_from_focus(made.stack.chunk({"z": 1, "y": 100}), tile=(71, 333), **how).compute()
    xr.testing.assert_equal(whole, odd)
    assert depth_errors(whole.depth.values, made.truth.depth.values).rmse < 0.35
    noisy = depth_from_focus(made.stack, noise=200.0, **how)
    assert noisy.valid.mean() < whole.valid.mean()


def test_near_and_far_of_two_surfaces_at_one_place():
    """A pane of texture before a wall, both seen through one another."""
    rng = np.random.default_rng(0)
    texture = [rng.normal(0, 25, (96, 128)).astype(np.float32) for _ in range(2)]
    frames = np.empty((16, 96, 128, 1), np.float32)
    for z in range(16):
        pane, wall = (
            cv2.GaussianBlur(image, (0, 0), 0.5 + 0.8 * abs(z - at))
            for image, at in zip(texture, (3, 12), strict=True)
        )
        frames[z, ..., 0] = 120 + pane + 0.8 * wall + rng.normal(0, 0.5, (96, 128))
    stack = xr.DataArray(frames, dims=("z", "y", "x", "channel"))
    for priority, depth in (("near", 3), ("far", 12)):
        found = depth_from_focus(stack, priority=priority).depth
        assert np.mean(np.abs(found - depth) < 0.5) > 0.9, priority


def test_holes_are_filled_from_their_surroundings():
    """Texture in focus at frame 3 on the left, on the right nothing but noise."""
    rng = np.random.default_rng(0)
    texture = rng.normal(0, 25, (128, 640)).astype(np.float32)
    texture[:, 200:] = 0
    blurred = [cv2.GaussianBlur(texture, (0, 0), 0.5 + 0.8 * abs(z - 3)) for z in range(8)]
    frames = (120 + np.stack(blurred) + rng.normal(0, 1.5, (8, 128, 640)))[..., None]
    stack = xr.DataArray(frames.astype(np.float32), dims=("z", "y", "x", "channel"))
    plain, filled = (depth_from_focus(stack, refine="sgm", fill=fill).compute() for fill in (False, True))
    xr.testing.assert_equal(plain.depth.where(plain.valid), filled.depth.where(plain.valid))
    xr.testing.assert_equal(plain.valid, filled.valid)
    hole = ~plain.valid[:, 400:]
    assert hole.mean() > 0.9
    off = [np.abs(found.depth[:, 400:] - 3).where(hole) for found in (plain, filled)]
    assert float(off[1].mean()) < 0.5 * float(off[0].mean())


@pytest.mark.parametrize("shape", [(1, 9, 9, 1), (2, 1, 1, 3), (3, 5, 70, 2)])
def test_tiny_stacks_have_a_depth(shape):
    stack = xr.DataArray(
        np.random.default_rng(0).random(shape).astype("float32"), dims=("z", "y", "x", "channel")
    )
    found = depth_from_focus(stack).compute()
    assert found.depth.shape == shape[1:3]
    assert np.isfinite(found.depth).all()
    assert float(found.depth.max()) <= shape[0] - 1


def test_what_is_no_stack_is_refused():
    with pytest.raises(InputError, match="dims"):
        depth_from_focus(xr.DataArray(np.zeros((2, 3))))
    stack = scene("five", shape=(32, 32)).stack
    with pytest.raises(InputError, match="int64"):
        depth_from_focus(stack.astype("int64"))
    with pytest.raises(InputError, match="focus channel"):
        depth_from_focus(stack, focus_channel="infrared")


@pytest.mark.parametrize("number", [1, 6])
def test_published_stacks_with_true_depth(shared, number):
    folder = shared / "data" / f"generated_gt_{number}"
    files = sorted(folder.glob("*.jpg"), key=lambda f: int(re.findall(r"\d+", f.name)[-1]))
    frames = np.stack([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files])[..., None]
    found = depth_from_focus(xr.DataArray(frames, dims=("z", "y", "x", "channel"))).depth.values
    truth = np.load(folder / "gt_index.npy")
    inside = found[20 : 20 + truth.shape[0], 20 : 20 + truth.shape[1]]
    assert depth_errors(inside, truth).rmse <= 0.15

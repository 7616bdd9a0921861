"""Corrections of whole stacks against rendered truth and on real ones."""

import dataclasses
import functools

import cv2
import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.correct import (
    apply_correction,
    correct_balance,
    correct_hot_pixels,
    correct_vignetting,
    denoise,
    estimate_balance,
    estimate_hot_pixels,
    estimate_noise_sigma,
    estimate_vignetting,
)
from bigstack.engine.corrected import CorrectedSource
from bigstack.errors import InputError
from bigstack.geometry.correction import Denoise, correction_from_json
from bigstack.io.lazy import source_of
from bigstack.kernels.correction.vignetting import falloff
from bigstack.synthetic import render_stack

LUMA = np.array([0.299, 0.587, 0.114])
DIMS = ("z", "y", "x", "channel")
TOPS = {"uint8": 255, "uint16": 65535, "float32": 1}
dtypes = pytest.mark.parametrize("dtype", TOPS)


def stack_of(array, chunks=(1, 64, 64, -1)):
    return xr.DataArray(da.from_array(array, chunks=chunks), dims=DIMS)


def means(stack):
    """Mean of each frame and channel."""
    return stack.astype(float).mean(("y", "x")).values


def photographs(folder, count=None):
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".jpg")[:count]
    frames = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]
    return stack_of(np.stack(frames), (1, 512, 512, -1))


@functools.cache
def flickering(dtype="uint8", frames=6, seed=3):
    """A scene whose exposure and tint change from frame to frame."""
    gains = np.random.default_rng(seed).uniform(0.75, 1.25, (frames, 3))
    gains[2] = 1
    rendered = render_stack(
        shape=(120, 160),
        frames=frames,
        dtype=dtype,
        noise=(1.0, 0.0),
        flicker=gains,
        reference=2,
        texture="photo",
        depth="plane",
    )
    return rendered.stack.compute().chunk(z=1, y=64, x=64), gains


@dtypes
@pytest.mark.parametrize("curve", ["linear", "gamma", "match_hist"])
def test_balance_gives_all_frames_the_light_and_tint_of_the_reference(curve, dtype):
    stack, _ = flickering(dtype)
    balance = estimate_balance(stack, curve=curve, reference=2)
    result = correct_balance(stack, balance)
    assert result.dtype == stack.dtype
    np.testing.assert_array_equal(result[2], stack[2])
    before, after = means(stack), means(result)
    assert np.abs(before @ LUMA / (before[2] @ LUMA) - 1).max() > 0.05
    assert np.abs(after @ LUMA / (after[2] @ LUMA) - 1).max() < 0.01
    tint = after / (after @ LUMA)[:, None]
    assert np.abs(tint / tint[2] - 1).max() < 0.01


@dtypes
@pytest.mark.parametrize("curve", ["linear", "gamma", "match_hist"])
def test_balance_of_luminance_keeps_tint(curve, dtype):
    stack, _ = flickering(dtype)
    result = correct_balance(stack, estimate_balance(stack, space="lumi", curve=curve, reference=2))
    light = means(result) @ LUMA
    # Histograms of luminance are matched, while the curve is applied to each channel.
    assert np.abs(light / light[2] - 1).max() < (0.08 if curve == "match_hist" else 0.005)
    if curve == "linear" and dtype == "float32":  # integers clip, some channels more than others
        ratio = means(result) / means(stack)
        assert np.abs(ratio / ratio[:, :1] - 1).max() < 1e-4


@dtypes
@pytest.mark.parametrize("space", ["hsv", "hls", "lab"])
@pytest.mark.parametrize("curve", ["linear", "gamma", "match_hist"])
def test_balance_makes_the_levels_of_other_spaces_equal(curve, space, dtype):
    from bigstack.kernels.correction.balance import SPACES

    stack, _ = flickering(dtype)
    result = correct_balance(stack, estimate_balance(stack, space=space, curve=curve, reference=2))
    scales = [TOPS[dtype] if full is None else full for full in SPACES[space].scales(3)]

    def levels_of(frame):
        levels = SPACES[space].levels(frame.values, float(TOPS[dtype]))
        return [float(np.clip(v, 0, top).mean()) for v, top in zip(levels, scales, strict=True)]

    target = np.array(levels_of(stack[2]))
    before = np.array([levels_of(frame) for frame in stack])
    after = np.array([levels_of(frame) for frame in result])
    assert (np.abs(before - target).max(axis=0) > 0.02 * np.array(scales)).all()
    # Saturation in HLS of dark 8-bit pixels is at the mercy of rounding.
    assert (np.abs(after - target) < (0.04 if space == "hls" else 0.01) * np.array(scales)).all()


def test_the_factors_are_one_over_the_flicker():
    stack, gains = flickering("float32")
    balance = estimate_balance(stack, reference=2)
    np.testing.assert_allclose(np.array(balance.curves)[..., 0], 1 / gains, rtol=0.02)


def test_frames_are_counted_from_either_end():
    stack, _ = flickering()
    assert estimate_balance(stack, reference="middle").reference == 3
    assert estimate_balance(stack, reference="last").reference == 5
    assert estimate_balance(stack, reference="first").reference == 0
    assert estimate_balance(stack, reference=-2).reference == 4
    assert estimate_balance(stack, reference=-2) == estimate_balance(stack, reference=4)


def crowded(frames=60):
    """Flicker of 20 % over a scene through which something bright moves."""
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.uniform(40, 90, (12, 16)).astype(np.float32), (128, 96))
    gains = rng.uniform(0.8, 1.2, frames)
    images = np.repeat(scene[None], frames, axis=0)
    for z in range(frames):
        images[z, 30:70, 2 * z : 2 * z + 25] = 150 if 10 < z < 50 else scene[30:70, 2 * z : 2 * z + 25]
    noise = rng.normal(0, 1, images.shape)
    return stack_of(np.rint(images * gains[:, None, None] + noise).astype(np.uint8)[..., None]), gains


def test_all_frames_together_tell_flicker_from_content():
    stack, gains = crowded()
    still = slice(75, 96)  # what does not change but by flicker

    def spread(result):
        light = result.isel(y=still).astype(float).mean(("y", "x", "channel")).values
        return np.ptp(light) / light.mean()

    assert spread(stack) > 0.35
    one = correct_balance(stack, estimate_balance(stack, reference=0))
    every = correct_balance(stack, estimate_balance(stack, reference="global"))
    assert spread(one) > 0.05
    assert spread(every) < 0.01
    found = np.array(estimate_balance(stack, reference="global").curves).ravel()
    np.testing.assert_allclose(found * gains, np.median(found * gains), rtol=0.005)


def test_global_histograms_and_gammas():
    stack, _ = crowded()
    for curve in ("gamma", "match_hist"):
        balance = estimate_balance(stack, curve=curve, reference="global")
        assert balance.reference is None
        light = means(correct_balance(stack, balance))
        assert np.std(light) < 0.4 * np.std(means(stack))


@given(chunks=st.tuples(st.integers(1, 7), st.integers(31, 130), st.integers(31, 170)), data=st.data())
@settings(max_examples=5, deadline=None)
def test_results_do_not_depend_on_chunks_or_workers(chunks, data):
    dtype = data.draw(st.sampled_from(list(TOPS)))
    pixels = flickering(dtype)[0].values[:, :77, 3:]
    one, other = stack_of(pixels, (1, -1, -1, -1)), stack_of(pixels, (*chunks, -1))

    def chain(stack):
        balance = estimate_balance(stack, space="hls", reference="global")
        light = estimate_vignetting(correct_balance(stack, balance), method="rings")
        result = correct_vignetting(correct_balance(stack, balance), light)
        hot = estimate_hot_pixels(result, thresholds=0.1 * TOPS[dtype])
        return balance, light, hot, denoise(correct_hot_pixels(result, hot), search=5, template=3)

    *values, expected = chain(one)
    with dask.config.set(scheduler=data.draw(st.sampled_from(["threads", "synchronous"]))):
        *found, result = chain(other)
        assert found == values
        np.testing.assert_array_equal(result.values, expected.values)


def test_corrections_fuse_in_one_pass():
    from bigstack.fusion import fuse

    stack, _ = flickering()
    chain = denoise(correct_balance(stack, estimate_balance(stack)), noise=2.0)
    kept = stack_of(chain.values)
    np.testing.assert_array_equal(fuse(chain, tile=37).image.values, fuse(kept, tile=160).image.values)
    assert isinstance(source_of(chain.data), CorrectedSource)
    assert isinstance(source_of(chain.data).source, CorrectedSource)


def test_corrections_go_through_json():
    stack, _ = flickering()
    balance = estimate_balance(stack, curve="match_hist")
    again = correction_from_json(balance.to_json())
    np.testing.assert_array_equal(apply_correction(stack, again), correct_balance(stack, balance))


def test_coordinates_and_attributes_are_kept():
    stack, _ = flickering()
    stack = stack.assign_attrs(made="here")
    result = denoise(stack, noise=1.0)
    assert result.attrs == stack.attrs
    assert result.dims == stack.dims
    for name in stack.coords:
        assert result[name].equals(stack[name])
    assert result.data.chunks == stack.data.chunks


@dtypes
@pytest.mark.parametrize("method", ["gradients", "rings"])
@pytest.mark.parametrize("texture", ["flat", "dots", "checker"])
def test_vignetting_is_found_within_two_percent(texture, method, dtype):
    rendered = render_stack(
        texture=texture, depth="ramp", shape=(240, 320), frames=4, vignetting=0.4, dtype=dtype
    )
    found = estimate_vignetting(rendered.stack, method=method)
    y, x = np.arange(240) - 119.5, np.arange(320) - 159.5
    radius = np.hypot(y[:, None], x)
    truth = (1 + (0.6**-0.5 - 1) * (radius / radius.max()) ** 2) ** -2
    assert np.abs(falloff(radius, found.model, found.parameters) / truth - 1).max() < 0.02
    if texture == "flat":
        flat = correct_vignetting(rendered.stack, found).mean(("z", "channel"))
        corner, middle = flat[:40, :40].mean(), flat[100:140, 140:180].mean()
        assert float(corner / middle) == pytest.approx(1, abs=0.005)


def test_vignetting_of_a_scene_is_better_seen_in_its_gradients():
    rendered = render_stack(texture="patches", depth="plane", shape=(480, 640), frames=2, vignetting=0.4)
    y, x = np.arange(480) - 239.5, np.arange(640) - 319.5
    radius = np.hypot(y[:, None], x)
    truth = (1 + (0.6**-0.5 - 1) * (radius / radius.max()) ** 2) ** -2

    def error(method):
        found = estimate_vignetting(rendered.stack, method=method)
        return np.abs(falloff(radius, found.model, found.parameters) - truth).max()

    assert error("gradients") < 0.7 * error("rings")


def test_vignetting_options():
    rendered = render_stack(texture="flat", depth="plane", shape=(120, 160), frames=3, vignetting=0.5)
    stack = rendered.stack
    one = estimate_vignetting(stack, frame=1, model="sigmoid", rings=40)
    assert one.model == "sigmoid"
    assert len(one.radii) == len(one.intensities) == 40
    assert one.error < 0.03
    half = dataclasses.replace(one, max_correction=0.5)
    corner = {"y": 0, "x": 0}
    frames = [stack, correct_vignetting(stack, half), correct_vignetting(stack, one)]
    light = [float(s.isel(corner).mean()) for s in frames]
    assert light == sorted(light)
    assert light[1] < 0.8 * light[2]
    dark = dataclasses.replace(one, black_threshold=300.0)
    np.testing.assert_array_equal(correct_vignetting(stack, dark), stack)


def hot_truth(stack, rendered):
    """Positions that differ between a stack with hot pixels and the same one without."""
    difference = np.abs(stack.values.astype(int) - rendered.values.astype(int)).min(axis=0)
    return {tuple(p) for p in np.argwhere(difference > 0.1 * np.iinfo(stack.dtype).max).tolist()}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_hot_pixels_are_found_and_no_others(dtype):
    options = {"shape": (200, 260), "frames": 8, "dtype": dtype, "texture": "photo", "depth": "ramp"}
    clean = render_stack(**options).stack
    stack = render_stack(hot_pixels=0.001, **options).stack
    truth = hot_truth(stack, clean)
    assert len(truth) > 50
    found = estimate_hot_pixels(stack)
    assert len(set(found.positions) - truth) <= 0.02 * len(truth)
    assert len(truth - set(found.positions)) <= 0.1 * len(truth)
    assert estimate_hot_pixels(clean).count == 0
    y, x, c = np.array(sorted(truth & set(found.positions))).T
    for fill in ("mean", "median"):
        fixed = correct_hot_pixels(stack, dataclasses.replace(found, fill=fill)).values
        before, after = (
            np.abs(s[:, y, x, c].astype(float) - clean.values[:, y, x, c]).mean()
            for s in (stack.values, fixed)
        )
        assert after < 0.05 * before


def test_thresholds_are_of_the_mean_minus_its_gaussian():
    rendered = render_stack(shape=(90, 120), frames=5, hot_pixels=0.0005, depth="plane")
    frames = rendered.stack.values
    mean = frames.astype(float).mean(axis=0)
    residual = np.abs(mean - cv2.GaussianBlur(mean, (5, 5), 0))
    found = estimate_hot_pixels(rendered.stack, thresholds=(13, 20, 30))
    assert set(found.positions) == {tuple(p) for p in np.argwhere(residual > [13, 20, 30]).tolist()}
    assert found.thresholds == (13.0, 20.0, 30.0)
    floats = stack_of(frames.astype(np.float32))
    assert estimate_hot_pixels(floats, thresholds=(13, 20, 30)).positions == found.positions
    with pytest.raises(InputError, match=r"more than 1 %.*too low"):
        estimate_hot_pixels(rendered.stack, thresholds=0.5)


@dtypes
def test_noise_is_estimated_and_removed(dtype):
    options = {"shape": (160, 200), "frames": 3, "dtype": dtype, "texture": "patches", "depth": "plane"}
    clean = render_stack(noise=(0.0, 0.0), **options).stack.values.astype(float)
    stack = render_stack(noise=(6.0, 0.0), **options).stack
    unit = TOPS[dtype] / 255
    np.testing.assert_allclose(estimate_noise_sigma(stack), 6 * unit, rtol=0.12)
    result = denoise(stack)
    assert result.dtype == stack.dtype

    def error(values):
        return np.sqrt(np.mean((values - clean) ** 2))

    assert error(result.values.astype(float)) < 0.75 * error(stack.values.astype(float))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: estimate_balance(s, space="hvs"), "hsv"),
        (lambda s: estimate_balance(s, curve="gama"), "gamma"),
        (lambda s: estimate_balance(s, reference="center"), "middle"),
        (lambda s: estimate_balance(s, reference=9), "frame 9 is not in the stack of 6"),
        (lambda s: estimate_balance(s, intensity=(300, 400)), "frame 0 has no pixel to measure"),
        (lambda s: estimate_balance(s, intensity=(9, 3)), "lowest, highest"),
        (lambda s: estimate_balance(s, mask_size=0), "mask_size"),
        (lambda s: estimate_balance(s, subsample=0), "subsample"),
        (lambda s: estimate_balance(s[..., 0]), "dims"),
        (lambda s: estimate_balance(s.astype("float64")), "float64"),
        (lambda s: estimate_balance(s.isel(channel=[0]), space="lab"), "3 channels"),
        (lambda s: estimate_balance(s * np.array([1, 0] * 3, "uint8")[:, None, None, None]), "frame 1"),
        (lambda s: correct_balance(s, Denoise((1.0,))), "expected a Balance, got Denoise"),
        (lambda s: estimate_vignetting(s, frame=6), "frame 6"),
        (lambda s: estimate_vignetting(s, model="cos5"), "cos4"),
        (lambda s: estimate_vignetting(s, method="ring"), "rings"),
        (lambda s: estimate_vignetting(s, rings=2), "5 rings"),
        (lambda s: estimate_vignetting(s * np.uint8(0)), "black"),
        (lambda s: estimate_vignetting(s, max_correction=2), "max_correction"),
        (lambda s: estimate_hot_pixels(s, thresholds=(1, 2)), "one a channel"),
        (lambda s: estimate_hot_pixels(s, share=0), "share"),
        (lambda s: estimate_hot_pixels(s, max_frames=0), "max_frames"),
        (lambda s: denoise(s, noise=(1, 2)), "one a channel"),
        (lambda s: denoise(s, search=4), "odd"),
    ],
)
def test_misuse_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call(flickering()[0])


def test_amber_has_one_light_and_tint(shared):
    stack = photographs(shared / "data" / "amber_handheld")
    result = correct_balance(stack, estimate_balance(stack))
    before, after = means(stack), means(result)
    tints = [m / (m @ LUMA)[:, None] for m in (before, after)]
    assert np.abs(tints[0] / tints[0][3] - 1).max() > 0.08
    assert np.abs(after @ LUMA / (after[3] @ LUMA) - 1).max() < 0.002
    assert np.abs(tints[1] / tints[1][3] - 1).max() < 0.002


@pytest.mark.parametrize("name", ["amber_handheld", "macro_pcb", "rail_button"])
def test_photographs_have_no_hot_pixels_but_planted_ones(shared, name):
    stack = photographs(shared / "data" / name, 4)[:, 100:1124]
    assert estimate_hot_pixels(stack).count == 0
    rng = np.random.default_rng(0)
    y, x = rng.integers(2, stack.sizes["y"] - 2, 150), rng.integers(2, stack.sizes["x"] - 2, 150)
    frames = stack.values
    room = frames[:, y, x, 1].max(axis=0) < 200
    frames[:, y[room], x[room], 1] += 50
    found = estimate_hot_pixels(stack_of(frames, (1, 512, 512, -1)))
    truth = {(int(a), int(b), 1) for a, b in zip(y[room], x[room], strict=True)}
    assert set(found.positions) <= truth
    assert len(found.positions) > 0.9 * len(truth)


def test_stacks_on_a_cluster_are_corrected_before_they_are_persisted():
    from distributed import Client, LocalCluster

    stack, _ = flickering()
    balance = estimate_balance(stack)
    expected = denoise(correct_balance(stack, balance), noise=2.0)
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        assert estimate_balance(stack) == balance
        corrected = denoise(correct_balance(stack, balance), noise=2.0).persist()
        np.testing.assert_array_equal(corrected.values, expected.values)
        for persisted in (stack.persist(), stack.persist() // 2):
            with pytest.raises(InputError, match="before persisting"):
                estimate_balance(persisted)
    assert estimate_balance(stack.persist()) == balance

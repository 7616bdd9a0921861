"""What is done to a fused image: colours that exist, ranges that are kept, noise that goes; however cut."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings

from bigstack import fuse
from bigstack.errors import InputError
from bigstack.fusion import METHODS
from bigstack.io.lazy import lazy_array
from bigstack.kernels.correction.denoise import denoise

from .test_blending import blocks_of, cases, corners
from .test_fuse import Held, assert_equal, named, random_frames, read_by, results

OPTIONS = [{"reassign_colors": True}, {"limit_halos": True}, {"denoise": 1.0}]
ALL = {"reassign_colors": True, "limit_halos": True, "denoise": 0.5}
QUICK = sorted(set(METHODS) - {"depth"})


@pytest.mark.parametrize("options", [*OPTIONS, ALL], ids=lambda options: "-".join(options))
@pytest.mark.parametrize("method", ["pyramid", "select", "average", "weighted"])
@settings(max_examples=6, deadline=None)
@given(case=cases())
def test_the_result_does_not_depend_on_how_the_work_is_cut(method, options, case):
    frames, valid = case["frames"], corners(case["valid"], case["frames"].shape)
    with blocks_of(64):
        whole = results(
            read_by("source", frames, valid, ()), tile=max(frames.shape), method=method, **options
        )
        cut = results(
            read_by(case["way"] if valid is None else "source", frames, valid, case["chunks"]),
            tile=case["tile"],
            z_block=case["z_block"],
            method=method,
            **options,
        )
    assert_equal(cut, whole)
    assert whole["image"].dtype == frames.dtype


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("method", QUICK)
def test_colours_are_the_nearest_that_a_frame_has(method, dtype):
    frames = random_frames(3, (4, 60, 70, 3), dtype)
    valid = corners(5, frames.shape)
    stack = lazy_array(Held(frames, valid))
    plain = results(stack, method=method)["image"].astype(np.float32)
    found = results(stack, method=method, reassign_colors=True)["image"]
    apart = ((frames.astype(np.float32) - plain) ** 2).sum(axis=3)
    apart[~valid] = np.inf
    taken = np.take_along_axis(frames, np.argmin(apart, axis=0)[None, ..., None], axis=0)[0]
    close = ((found.astype(np.float64) - plain) ** 2).sum(axis=2)
    best = ((taken.astype(np.float64) - plain) ** 2).sum(axis=2)
    np.testing.assert_allclose(close, best, rtol=1e-5, atol=1e-3)
    occurs = ((found == frames).all(axis=3) & valid).any(axis=0)
    assert occurs.all()


@pytest.mark.parametrize("method", QUICK)
def test_the_range_of_the_frames_is_kept(method):
    frames = random_frames(7, (4, 60, 70, 3), "uint16")
    valid = corners(9, frames.shape)
    stack = lazy_array(Held(frames, valid))
    plain = results(stack, method=method)["image"]
    found = results(stack, method=method, limit_halos=True)["image"]
    low = np.where(valid[..., None], frames, 65535).min(axis=0)
    high = np.where(valid[..., None], frames, 0).max(axis=0)
    np.testing.assert_array_equal(found, np.clip(plain, low, high))


def test_it_makes_a_difference_where_scales_are_summed():
    frames = random_frames(7, (4, 60, 70, 3), "uint8")
    plain = results(da.from_array(frames))["image"]
    for options in OPTIONS[:2]:
        assert (results(da.from_array(frames), **options)["image"] != plain).mean() > 0.02


def test_where_no_frame_is_real_the_fused_pixel_stays():
    frames = random_frames(1, (3, 40, 40, 1), "uint8")
    valid = np.ones(frames.shape[:3], bool)
    valid[:, :10] = False
    stack = lazy_array(Held(frames, valid))
    plain = results(stack, method="average")["image"]
    for options in OPTIONS[:2]:
        found = results(stack, method="average", **options)["image"]
        np.testing.assert_array_equal(found[:10], plain[:10])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_noise_goes_and_edges_stay(dtype):
    scale = {"uint8": 1, "uint16": 257, "float32": 0.01}[dtype]
    rng = np.random.default_rng(2)
    clean = np.where(np.arange(200) < 100, 60.0, 180.0)[None, None, :, None]
    noisy = (clean + rng.normal(0, 6, (3, 200, 200, 1))) * scale
    frames = (np.rint(noisy) if dtype != "float32" else noisy).astype(dtype)
    plain, found = (
        results(da.from_array(frames), method="select", **options)["image"] / scale
        for options in ({}, {"denoise": 1.0})
    )
    flat = (slice(20, 180), slice(10, 90))
    assert found[flat].std() < 0.5 * plain[flat].std()
    assert np.abs(found[:, 95:105].mean(axis=0) - clean[0, 0, 95:105]).max() < 4
    weak = results(da.from_array(frames), method="select", denoise=0.3)["image"] / scale
    assert found[flat].std() < weak[flat].std() <= plain[flat].std()


def test_it_is_the_filter_of_corrections_for_the_noise_of_a_frame():
    rng = np.random.default_rng(2)
    frames = np.clip(rng.normal(120, 5, (1, 128, 128, 2)), 0, 255).astype(np.uint8)
    found = results(da.from_array(frames), denoise=1.0)["image"]
    # Its noise is found to a few percent; results for noise that much off enclose it.
    bounds = [denoise(frames[0], (sigma, sigma)).std() for sigma in (4.5, 5.5)]
    assert min(bounds) - 0.05 <= found.std() <= max(bounds) + 0.05


@pytest.mark.parametrize(
    ("options", "words"), [({"denoise": -1}, "0 to 10"), ({"denoiser": 1}, "did you mean")]
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        fuse(named(da.zeros((2, 20, 20, 1), dtype=np.uint8)), **options)

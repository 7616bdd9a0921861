"""Methods that weigh frames: the same bits however the work is cut, no seams, made-up pixels left out."""

from collections.abc import Iterator
from contextlib import contextmanager

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import fuse
from bigstack.engine.layout import Layout
from bigstack.engine.plan import plan
from bigstack.fusion import fuse_by
from bigstack.io.lazy import lazy_array
from bigstack.kernels.fusion import blending

from .test_fuse import DTYPES, Held, assert_equal, named, pieces, random_frames, read_by, results

OPTIONS = [
    {"method": "depth_map", "levels": 2},
    {"method": "depth_map", "weights": "max", "diameter": 5, "smoothing": 1, "levels": 3},
    {"method": "depth_map", "weights": "softmax", "unit": "stack", "levels": 0},
    {"method": "weighted"},
    {"method": "weighted", "measure": "log", "smoothing": 0, "power": 1},
    {"method": "blend", "levels": 2},
    {"method": "blend", "rule": "by_channel", "levels": 3},
    {"method": "blend", "rule": "laplacian", "levels": 1},
    {"method": "blend", "rule": "mask", "levels": 2},
    {"method": "blend", "levels": 0},
    {"method": "wavelet", "levels": 3},
    {"method": "wavelet", "levels": 1, "consistency": "bands"},
    {"method": "wavelet", "levels": 4, "consistency": "none"},
    {"method": "guided"},
    {"method": "guided", "window": 5, "base_radius": 9, "detail_radius": 2},
]
IDS = ["-".join(map(str, options.values())) for options in OPTIONS]
METHODS = sorted({options["method"] for options in OPTIONS})


@contextmanager
def blocks_of(side: int) -> Iterator[None]:
    """Canonical blocks scaled down, so that a small image has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blending, "BLOCK", side)
        yield


@st.composite
def cases(draw) -> dict:
    shape = (
        draw(st.integers(1, 5)),
        draw(st.integers(1, 120)),
        draw(st.integers(1, 120)),
        draw(st.integers(1, 4)),
    )
    return {
        "frames": random_frames(draw(st.integers(0, 999)), shape, draw(st.sampled_from(DTYPES))),
        "tile": (draw(pieces(shape[1])), draw(pieces(shape[2]))),
        "z_block": draw(st.none() | st.integers(1, shape[0])),
        "chunks": tuple(draw(pieces(size, 3)) for size in shape),
        "way": draw(st.sampled_from(["source", "persisted", "graph"])),
        "valid": draw(st.none() | st.integers(0, 999)),
    }


def corners(seed: int | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """Made-up corners of the frames; the first has none of them."""
    if seed is None:
        return None
    rng = np.random.default_rng(seed)
    valid = np.ones(shape[:3], bool)
    for mask in valid[1:]:
        mask[: rng.integers(0, shape[1] + 1), rng.integers(0, shape[2] + 1) :] = False
    return valid


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
@settings(max_examples=8, deadline=None)
@given(case=cases())
def test_the_result_does_not_depend_on_how_the_work_is_cut(options, case):
    frames, valid = case["frames"], corners(case["valid"], case["frames"].shape)
    with blocks_of(64):
        whole = results(read_by("source", frames, valid, ()), tile=max(frames.shape), **options)
        way = case["way"] if valid is None else "source"
        cut = results(
            read_by(way, frames, valid, case["chunks"]),
            tile=case["tile"],
            z_block=case["z_block"],
            **options,
        )
    assert_equal(cut, whole)
    assert whole["image"].dtype == frames.dtype
    assert whole["image"].shape == frames.shape[1:]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_blocks_have_no_seams(options, dtype):
    """Their halo is the whole reach: what is left are roundings of floats."""
    frames = random_frames(3, (4, 200, 333, 3), dtype)
    with blocks_of(64):
        blocks = results(da.from_array(frames), **options)
    with blocks_of(1024):
        whole = results(da.from_array(frames), **options)
    apart = np.abs(blocks["image"].astype(float) - whole["image"].astype(float))
    assert apart.max() <= (1 if dtype != "float32" else 1e-3)
    assert (apart > 0.5).mean() < 0.001
    if "index" in whole:
        assert (blocks["index"] == whole["index"]).mean() > 0.9999


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 200), (31, 33)])
def test_one_frame_gives_itself_at_any_size(shape, dtype, options):
    frames = random_frames(0, (1, *shape, 3), dtype)
    found = results(da.from_array(frames), **options)
    if dtype == "float32":
        np.testing.assert_allclose(found["image"], frames[0], atol=np.abs(frames).max() * 2e-6)
    else:
        np.testing.assert_array_equal(found["image"], frames[0])
    assert not found.get("index", np.zeros(1)).any()


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_black_and_white_neither_wrap_nor_fade(dtype, options):
    top = np.iinfo(dtype).max
    squares = (np.indices((90, 110)) // 15).sum(axis=0) % 2 * np.array(top, dtype)
    frames = np.stack([squares, squares])[..., None].astype(dtype)
    np.testing.assert_array_equal(results(da.from_array(frames), **options)["image"], frames[0])
    for level in (0, top):
        flat = np.full((3, 40, 50, 3), level, dtype)
        assert (results(da.from_array(flat), **options)["image"] == level).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_made_up_pixels_never_win_over_real_ones(options, order):
    """A border of black and white stripes that a frame does not have: sharper than anything real."""
    rng = np.random.default_rng(5)
    real = rng.integers(90, 110, (128, 300, 1), np.uint8)
    other = real // 2 + 50
    valid = np.ones((2, 128, 300), bool)
    valid[1, :, :100] = False
    images = []
    for stripes in ((0, 255), (255, 100)):
        made_up = other.copy()
        made_up[:, :100] = np.resize(stripes, (128, 100))[..., None]
        stack = Held(np.stack([real, made_up])[list(order)], valid[list(order)])
        images.append(results(lazy_array(stack), **options))
    first, second = images
    assert (first["index"][:, :100] == order.index(0)).all()
    np.testing.assert_array_equal(first["image"][:, :60], second["image"][:, :60])
    assert np.abs(first["image"][:, :100].astype(int) - real[:, :100]).max() <= 20


SHARP = [options for options in OPTIONS if options.get("rule") != "laplacian"]
"""A signed Laplacian is large where the image is dark: its winner is not the sharpest frame."""


@pytest.mark.parametrize("options", SHARP, ids=lambda options: "-".join(map(str, options.values())))
def test_the_frame_that_has_texture_wins(options):
    rng = np.random.default_rng(2)
    texture = rng.integers(0, 65536, (64, 256, 3), np.uint16)
    flat = np.full_like(texture, 30000)
    left = np.arange(256)[:, None] < 128
    frames = np.stack([flat, np.where(left, texture, flat), np.where(left, flat, texture)])
    found = results(da.from_array(frames), **options)
    index = found["index"]
    assert (index[:, :104] == 1).all()
    assert (index[:, 152:] == 2).all()
    apart = np.abs(found["image"].astype(int) - texture)
    assert apart[:, 20:100].mean() < 0.4 * np.abs(texture.astype(int) - 30000).mean()


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=3, deadline=None)
@given(data=st.data(), seed=st.integers(0, 99))
def test_a_region_of_the_result_is_the_crop_of_the_whole(method, seed, data):
    frames = random_frames(seed, (3, 120, 90, 3), "uint8")
    with blocks_of(64):
        found = fuse(named(lazy_array(Held(frames))), method=method, tile=32)
        y, x = (
            slice(start := data.draw(st.integers(0, size - 1)), data.draw(st.integers(start + 1, size)))
            for size in (120, 90)
        )
        with dask.config.set(scheduler="synchronous"):
            whole, region = found.compute(), found.isel(y=y, x=x).compute()
    for name in whole:
        np.testing.assert_array_equal(region[name].values, whole[name].values[y, x])


@pytest.mark.parametrize("method", METHODS)
def test_threads_give_the_same_bits(method):
    frames = random_frames(1, (5, 150, 170, 3), "uint16")
    stack = lazy_array(Held(frames))
    with blocks_of(64):
        expected = results(stack, method=method)
        found = fuse(named(stack), method=method, tile=(33, 47)).compute(scheduler="threads", num_workers=4)
    assert_equal({name: value.values for name, value in found.items()}, expected)


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_memory_does_not_grow_with_the_frames(options):
    folds = []

    def planner(fold, source, passes):
        folds.append(fold)
        return plan(fold, source)

    stack = named(lazy_array(Held(random_frames(0, (2, 64, 64, 3), "uint16"))))
    fuse_by(stack, Layout(planner=planner), **options)
    few, many = (folds[0].bytes_per_pixel(frames, 3, np.dtype("uint16")) for frames in (3, 3000))
    assert few == many
    assert sum(many) < 400

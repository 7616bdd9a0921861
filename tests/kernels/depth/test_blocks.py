"""Canonical blocks: the same bits whatever the tiles, blocks of z and schedulers are."""

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.engine.plan import plan
from bigstack.engine.sources import ArraySource, as_source
from bigstack.engine.tiles import map_overlap
from bigstack.errors import InputError, MemoryLimitError
from bigstack.kernels.depth.blocks import HALO, DepthBlocks, block_side, depth_blocks
from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.recipe import Recipe
from bigstack.kernels.fusion.depth_blend import depth_blend
from bigstack.kernels.fusion.glints import take_glints
from bigstack.synthetic import scene

SHAPE = (150, 203)
SMALL = DepthBlocks(64, fused=True)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return scene("steps", seed=5, shape=SHAPE, frames=4).stack.values


def outputs(fold: DepthBlocks, stack: da.Array, tile, scheduler: str = "synchronous", **how) -> dict:
    tiles = map_overlap(fold, stack, tile=tile, **how)
    lazy = {name: tiles.output(name) for name in fold.outputs}
    return dask.compute(lazy, scheduler=scheduler)[0]


@pytest.fixture(scope="module")
def whole(frames) -> dict:
    return outputs(SMALL, da.from_array(frames), SHAPE)


def cuts(side: int):
    """Chunks of one axis, with any borders."""
    borders = st.lists(st.integers(1, side - 1), max_size=3, unique=True).map(sorted)
    return borders.map(lambda inner: tuple(np.diff([0, *inner, side]).tolist()))


@settings(max_examples=4, deadline=None)
@given(tile=st.tuples(*map(cuts, SHAPE)), z_block=st.sampled_from([None, 1, 3]), threads=st.booleans())
def test_tiles_blocks_of_z_and_threads_change_no_bit(frames, whole, tile, z_block, threads):
    stack = da.from_array(frames, chunks=(1, 77, 100, 3))
    found = outputs(SMALL, stack, tile, "threads" if threads else "synchronous", z_block=z_block)
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


RECIPES = (
    Recipe(refine=("guided", "median")),
    Recipe(refine=("sgm", "graph_cut", "diamond"), window=9),
    Recipe(refine=("sgm", "tv", "defocus"), peak="curve", fill=True),
    Recipe(refine=(), peak="parabola", priority="near", positions=(0.0, 1.0, 3.0, 3.5)),
    Recipe(measure="sml", options=(("window", 5),), smoothing=1.5, peak="gaussian"),
    Recipe(measure="wavelet", refine=("diffusion",), priority="far", peak="integer"),
)


@settings(max_examples=6, deadline=None)
@given(tile=st.tuples(*map(cuts, (110, 130))), recipe=st.sampled_from(RECIPES), threads=st.booleans())
def test_no_choice_depends_on_tiles(frames, tile, recipe, threads):
    fold, stack = DepthBlocks(64, recipe), da.from_array(frames[:, :110, :130], chunks=(1, 77, 100, 3))
    once = outputs(fold, stack, (110, 130))
    found = outputs(fold, stack, tile, "threads" if threads else "synchronous")
    for name, values in once.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_fast_blocks_give_the_same_bits_in_any_tiles(frames):
    fold = DepthBlocks(64, Recipe(quality="fast"), fused=True)
    one = outputs(fold, da.from_array(frames), SHAPE)
    cut = outputs(fold, da.from_array(frames), ((61, 3, 86), (130, 73)), "threads", z_block=3)
    for name, values in one.items():
        np.testing.assert_array_equal(cut[name], values, err_msg=name)


def test_each_block_is_its_padded_window_computed_alone(frames, whole):
    window = (slice(0, 150), slice(0, 203))  # block (64..128, 64..128) with 128 pixels around it, cut
    assert HALO == 128
    alone = estimate(np.ascontiguousarray(frames[:, window[0], window[1]]))
    np.testing.assert_array_equal(whole["position"][64:128, 64:128], alone.depth[64:128, 64:128])
    first = estimate(np.ascontiguousarray(frames[:, :, :192]))
    np.testing.assert_array_equal(whole["position"][:64, :64], first.depth[:64, :64])


def test_seams_between_blocks_are_single_pixels():
    stack = scene("steps", seed=6, shape=(300, 400), frames=6).stack.values
    parts = outputs(DepthBlocks(128), da.from_array(stack), (300, 400))
    one = estimate(stack)
    assert np.mean(parts["index"] != np.rint(one.depth)) < 0.03


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_other_dtypes_give_the_same_depth_and_keep_their_range(frames, dtype):
    scaled = frames.astype(dtype) * (257 if dtype == "uint16" else np.float32(1 / 255))
    found = outputs(SMALL, da.from_array(scaled.astype(dtype)), SHAPE)
    plain = outputs(SMALL, da.from_array(frames), SHAPE)
    assert found["image"].dtype == dtype
    unit = 257.0 if dtype == "uint16" else 1 / 255
    assert np.mean(np.abs(found["image"] / unit - plain["image"]) < 3) > 0.97
    assert np.mean(np.abs(found["position"] - plain["position"]) < 0.25) > 0.95


def test_noise_is_shrunk_as_strongly_as_asked_for():
    noisy = np.random.default_rng(4).normal(120, 8, (5, 96, 96, 3)).clip(0, 255).astype(np.uint8)
    deviations = [
        outputs(depth_blocks(5, fused=True, shrink=shrink), da.from_array(noisy), 96)["image"].std()
        for shrink in (0, 0.5, 1)
    ]
    assert deviations[0] > 1.2 * deviations[1] > 1.4 * deviations[2]
    with pytest.raises(InputError, match="shrink must be 0"):
        depth_blocks(5, shrink=-1)


def test_channels_that_are_named_alone_tell_focus(frames):
    broken = frames.copy()
    broken[0, ..., 1] = np.random.default_rng(0).integers(0, 256, SHAPE)
    fold = DepthBlocks(256, Recipe(channels=(0, 2)))
    assert np.mean(outputs(fold, da.from_array(broken), SHAPE)["index"] == 0) < 0.5
    assert np.mean(outputs(DepthBlocks(256), da.from_array(broken), SHAPE)["index"] == 0) > 0.9


class Masked(ArraySource):
    """A source whose left half is made up in one frame."""

    def valid(self, z, y, x):
        mask = np.ones((y.stop - y.start, x.stop - x.start), bool)
        if z == 1:
            mask[:, : max(0, 100 - x.start)] = False
        return mask


def test_made_up_pixels_never_win(frames):
    made_up = frames.copy()
    made_up[1, :, :100] = np.random.default_rng(1).integers(0, 256, (150, 100, 3))
    from bigstack.io.lazy import lazy_array

    stack = lazy_array(Masked(da.from_array(made_up)))
    found = outputs(SMALL, stack, SHAPE)
    odd = outputs(SMALL, stack, ((31, 119), (50, 153)), z_block=2)
    for name, values in found.items():
        np.testing.assert_array_equal(odd[name], values, err_msg=name)
    rest = outputs(SMALL, da.from_array(frames[[0, 2, 3]]), SHAPE)["image"].astype(int)
    assert np.abs(found["image"][:, :90].astype(int) - rest[:, :90]).mean() < 6
    kept = outputs(SMALL, da.from_array(made_up), SHAPE)["image"].astype(int)
    assert np.abs(kept[:, :90] - rest[:, :90]).mean() > 20


def test_fold_gives_what_its_kernels_give(frames):
    found = outputs(DepthBlocks(1024, fused=True), da.from_array(frames), SHAPE)
    depth = estimate(frames)
    blended = depth_blend(frames, depth.depth, depth.noise)
    image = np.clip(np.rint(take_glints(blended, frames)), 0, 255)
    np.testing.assert_array_equal(found["image"], image)
    np.testing.assert_array_equal(found["deviation"], depth.sigma)


def test_plan_counts_whole_blocks_and_refuses_what_does_not_fit():
    stack = da.zeros((20, 3000, 3000, 3), dtype="uint8", chunks=(1, 500, 500, 3))
    fold = depth_blocks(20, fused=True)
    found = plan(fold, as_source(stack), workers=2, memory_limit=2 * 10**9)
    assert all(side % fold.block == 0 or side == 3000 for side in found.tile)
    small = plan(fold, as_source(stack), workers=1, memory_limit=2 * 10**9, tile=100)
    padded = (fold.block + 2 * HALO) ** 2
    assert small.peak_memory > padded * 20 * 20
    with pytest.raises(MemoryLimitError, match="this needs"):
        plan(fold, as_source(stack), memory_limit=300 * 10**6)


def test_plan_counts_what_refinements_take():
    def peak(**how) -> int:
        stack = da.zeros((20, 1500, 1500, 3), dtype="uint8", chunks=(1, 500, 500, 3))
        fold = depth_blocks(20, **how)
        return plan(fold, as_source(stack), workers=1, memory_limit=8 * 10**9).peak_memory

    plain = peak()
    assert all(peak(refine=["sgm", name]) > plain for name in ("guided", "graph_cut", "defocus"))


def test_blocks_shrink_with_the_number_of_frames():
    sides = [block_side(frames) for frames in (1, 10, 20, 50, 1000)]
    assert sides == sorted(sides, reverse=True)
    assert set(sides) == {1024, 512, 256}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("noise", -1.0),
        ("radius", 99),
        ("step", -1.0),
        ("jump", 1.0),
        ("jump", 60.0),
        ("blur", 0.0),
        ("window", 4),
        ("smoothing", 99.0),
        ("measure", "tre"),
        ("peak", "top"),
        ("priority", "front"),
        ("refine", "smg"),
        ("refine", ["sgm", "none"]),
        ("focus_options", {"window": 3}),
    ],
)
def test_impossible_options_are_refused(option, value):
    with pytest.raises(InputError, match=option):
        depth_blocks(5, **{option: value})

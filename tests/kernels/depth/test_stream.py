"""Depth in one pass: the depth of blocks, the same bits in any tiles, no memory that grows with frames."""

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.engine.tiles import map_overlap
from bigstack.kernels.depth.cone import clean_until, clean_within
from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.recipe import Recipe
from bigstack.kernels.depth.stream import DepthStream, streams
from bigstack.synthetic import scene

SHAPE = (150, 203)
SML = Recipe(
    measure="sml", options=(("window", 5),), noise=1.5, refine=("diamond",), peak="gaussian", window=5
)
RECIPES = (
    SML,
    Recipe(measure="wavelet", smoothing=1.5, noise=1.5, refine=(), peak="parabola"),
    Recipe(measure="log_energy", noise=1.5, refine=("diamond", "diamond"), peak="integer", channels=(1,)),
    Recipe(measure="rdf", noise=1.5, refine=(), peak="gaussian", positions=(0.0, 1.0, 4.0, 5.0, 7.0)),
)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return scene("steps", seed=5, shape=SHAPE, frames=5).stack.values


def outputs(fold: DepthStream, stack: da.Array, tile, **how) -> dict:
    tiles = map_overlap(fold, stack, tile=tile, **how)
    return dask.compute({name: tiles.output(name) for name in fold.outputs}, scheduler="synchronous")[0]


def cuts(side: int):
    borders = st.lists(st.integers(1, side - 1), max_size=3, unique=True).map(sorted)
    return borders.map(lambda inner: tuple(np.diff([0, *inner, side]).tolist()))


DTYPES = st.sampled_from(["u1", "u2", "f4"])


@settings(max_examples=12, deadline=None)
@given(
    tile=st.tuples(*map(cuts, SHAPE)),
    recipe=st.sampled_from(RECIPES),
    dtype=st.sampled_from(["u1", "u2", "f4"]),
)
def test_tiles_change_no_bit(frames, tile, recipe, dtype):
    scaled = da.from_array((frames.astype(np.float64) * (257 if dtype == "u2" else 1)).astype(dtype))
    fold = DepthStream(recipe, 5, 1.0)
    whole = outputs(fold, scaled, SHAPE, sub_tile=None)
    found = outputs(fold, scaled, tile, sub_tile=64, z_block=2)
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("recipe", RECIPES[:3])
def test_depth_is_that_of_whole_blocks(frames, recipe):
    block = estimate(frames, None, recipe)
    found = outputs(DepthStream(recipe, 5, block.noise), da.from_array(frames), SHAPE)
    same = block.valid
    assert same.mean() > 0.5
    close = np.abs(found["position"] - block.depth)[same] < 1e-3
    assert close.mean() > (0.9 if recipe.refine else 0.999)
    np.testing.assert_array_equal(found["valid"], block.valid)
    assert np.mean(found["unobserved"] == block.unobserved) > 0.9
    assert np.abs(found["confidence"] - block.confidence)[same].mean() < 0.05
    ratio = found["deviation"][same] / block.sigma[same]
    assert 0.8 < np.median(ratio) < 1.25


def test_what_needs_all_frames_does_not_stream():
    assert streams(SML)
    assert not streams(Recipe())
    for change in (
        {"refine": ("sgm",)},
        {"peak": "curve"},
        {"fill": True},
        {"priority": "near"},
        {"peak": "mixed"},
    ):
        assert not streams(Recipe(**{"measure": "sml", "refine": (), "peak": "gaussian", **change}))


def test_memory_does_not_grow_with_frames():
    fold = DepthStream(SML, 1000, 1.0)
    assert fold.bytes_per_pixel(1000, 3, np.dtype("u1")) == fold.bytes_per_pixel(5, 3, np.dtype("u1"))
    assert fold.halo < 70


def test_cone_within_reach_is_the_cone():
    depth = np.full((60, 60), 9.0, np.float32)
    depth[30, 30] = 1
    depth[10:14, 40:44] = 4
    np.testing.assert_allclose(clean_within(depth, 1.2, 12), clean_until(depth, 1.2), atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames(count):
    frames = np.random.default_rng(0).integers(0, 255, (count, 20, 30, 1)).astype(np.uint8)
    found = outputs(DepthStream(SML, count, 1.0), da.from_array(frames), (20, 30))
    assert found["position"].max() <= count - 1
    assert np.isfinite(found["deviation"]).all()

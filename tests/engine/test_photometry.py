"""Measurements are the same however a stack is stored, and hold what they say."""

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.engine.photometry import (
    BlurProbe,
    FallingProbe,
    LightProbe,
    NoiseProbe,
    SpikeProbe,
    bands,
    over_frames,
    over_tiles,
    value_range,
)
from bigstack.io.source import Source

SHAPE = (3, 157, 211, 3)


class Frames(Source):
    """An array stored in chunks of any size."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype = array.shape, array.dtype

    def read(self, z, y, x):
        return self.array[z, y, x]

    def __dask_tokenize__(self):
        return ("Frames", dask.base.tokenize(self.array), self.chunks)


def array(dtype="uint8"):
    values = np.random.default_rng(7).random(SHAPE)
    if dtype == "float32":
        return (3 * values - 0.5).astype(dtype)
    return (values * np.iinfo(dtype).max).astype(dtype)


chunks = st.tuples(st.integers(20, 400), st.integers(20, 400))
dtypes = pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])


@dtypes
@pytest.mark.parametrize("space", ["lumi", "rgb", "hsv", "hls", "lab"])
@given(stored=chunks)
@settings(max_examples=5, deadline=None)
def test_light_does_not_depend_on_chunks(space, dtype, stored):
    def measure(chunk):
        source = Frames(array(dtype), chunk)
        limits = value_range(source)
        probe = LightProbe(space, limits, mask_size=0.9, intensity=(0.1 * limits[2], 0.8 * limits[2]), step=2)
        return over_frames(probe, source, [0, 2])

    for whole, other in zip(measure(SHAPE[1:3]), measure(stored), strict=True):
        for first, second in zip(whole.histograms, other.histograms, strict=True):
            np.testing.assert_array_equal(first.values, second.values)
            np.testing.assert_array_equal(first.counts, second.counts)
        np.testing.assert_array_equal(whole.blocks, other.blocks)


@dtypes
@given(stored=chunks)
@settings(max_examples=8, deadline=None)
def test_other_measurements_do_not_depend_on_chunks(dtype, stored):
    whole, other = Frames(array(dtype), SHAPE[1:3]), Frames(array(dtype), stored)
    assert value_range(whole) == value_range(other)
    probe = FallingProbe(value_range(whole), 20, 3)
    first, second = over_frames(probe, whole, [1])[0], over_frames(probe, other, [1])[0]
    np.testing.assert_array_equal(first.rings, second.rings)
    np.testing.assert_array_equal(first.blocks, second.blocks)
    assert over_frames(NoiseProbe(), whole, [0, 1]) == over_frames(NoiseProbe(), other, [0, 1])
    top = value_range(whole)[2]
    for probe in (BlurProbe([0, 1, 2], (0.3 * top,) * 3), SpikeProbe([0, 1, 2], (0.05 * top,) * 3, 0.6)):
        found = [np.concatenate(over_tiles(probe, s, bands(s, 24))) for s in (whole, other)]
        assert len(found[0]) > 0
        np.testing.assert_array_equal(*[part[np.lexsort(part.T[::-1])] for part in found])


def test_bands_split_whole_frames_by_memory_and_cover_them():
    source = Frames(array(), SHAPE[1:3])
    assert [tile.shape for tile in bands(source, 8)] == [(79, 211), (78, 211)]
    split = bands(source, 1 << 14)
    assert len(split) > 1
    assert sum(tile.size for tile in split) == SHAPE[1] * SHAPE[2]
    assert all(tile.shape[1] == SHAPE[2] for tile in split)


def light(stack, **options):
    source = Frames(stack, (64, 64))
    given_options = {"mask_size": None, "intensity": None, "step": 1, **options}
    return over_frames(LightProbe("rgb", value_range(source), **given_options), source, [0])[0]


@dtypes
def test_means_are_those_of_the_pixels(dtype):
    stack = array(dtype)
    for channel, histogram in enumerate(light(stack).histograms):
        assert histogram.counts.sum() == stack[0, ..., 0].size
        # Floats fall into bins of 1/65535 of their range.
        assert histogram.mean == pytest.approx(stack[0, ..., channel].mean(dtype=float), rel=1e-5)


def test_the_mask_is_a_disc_the_window_a_range_and_the_step_a_stride():
    stack = array()
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    disc = np.hypot(y - 78, x - 105) <= 0.5 * 0.7 * 157
    assert light(stack, mask_size=0.7).histograms[0].counts.sum() == disc.sum()
    inside = stack[0, ..., 1][(stack[0, ..., 1] >= 40) & (stack[0, ..., 1] <= 200)]
    found = light(stack, intensity=(40, 200)).histograms[1]
    assert found.mean == pytest.approx(inside.mean())
    assert found.counts.sum() == inside.size
    assert light(stack, step=5).histograms[2].mean == pytest.approx(stack[0, ::5, ::5, 2].mean())


def test_values_that_are_not_finite_are_not_counted():
    stack = array("float32")
    stack[0, 3, 4] = np.nan, np.inf, -np.inf
    low, high, top = value_range(Frames(stack, (64, 64)))
    assert (low, high) == (float(np.nanmin(array("float32"))), float(np.nanmax(array("float32"))))
    assert top == high
    assert light(stack).histograms[0].counts.sum() == stack[0, ..., 0].size - 1


def test_saturated_pixels_are_counted_by_block():
    stack = np.full((1, 256, 300, 3), 90, np.uint8)
    stack[0, 100:103, 200:202, 1] = 255
    source = Frames(stack, (64, 64))
    falling = over_frames(FallingProbe(value_range(source)), source, [0])[0]
    assert falling.blocks[2].sum() == 6
    assert falling.blocks[1].sum() == 256 * 300
    assert falling.rings[1].sum() == 256 * 300
    assert FallingProbe.side(source) == 3


class Warped(Frames):
    """Frames whose left part is made up, and odd."""

    def __init__(self, array, chunks):
        super().__init__(array.copy(), chunks)
        self.array[:, :, :90] = np.iinfo(array.dtype).max

    def valid(self, z, y, x):
        mask = np.zeros(self.shape[1:3], bool)
        mask[:, 90:] = True
        return mask[y, x]


def test_pixels_that_are_made_up_are_not_measured():
    real = np.random.default_rng(0).normal(100, 5, (2, 300, 400, 1)).astype(np.uint8)
    source, plain = Warped(real, (64, 64)), real[..., 90:, :]
    limits = value_range(source)
    probe = LightProbe("lumi", limits, mask_size=None, intensity=None, step=1)
    histogram = over_frames(probe, source, [0])[0].histograms[0]
    assert histogram.counts.sum() == plain[0].size
    assert histogram.mean == pytest.approx(plain[0].mean())
    falling = over_frames(FallingProbe(limits), source, [0])[0]
    assert falling.rings[1].sum() == falling.blocks[1].sum() == plain[0].size
    assert falling.rings[0].sum() == falling.blocks[0].sum() == plain[0].sum() * 257
    assert falling.blocks[2].sum() == 0
    assert over_frames(NoiseProbe(), source, [0])[0][0] == pytest.approx(5, rel=0.1)
    probe = SpikeProbe([0, 1], (60.0,), 1.0)
    assert len(np.concatenate(over_tiles(probe, source, bands(source, 8)))) == 0

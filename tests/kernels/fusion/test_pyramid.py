"""Pyramid fusion against a statement in whole numbers, and the laws it keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.fold import Window
from bigstack.kernels.fusion.pyramid import (
    Chain,
    PyramidSelect,
    collapse,
    pyramid_halo,
    pyramid_levels,
)
from bigstack.kernels.pyramid import expand_whole, level_shapes

from .folding import DTYPES, fuse_whole, random_frames, random_valid, run

TAPS = np.array([1, 4, 6, 4, 1])
SIDES = st.integers(1, 70)


def smooth(image: np.ndarray) -> np.ndarray:
    """The binomial kernel in y and x, not divided: 256 times the smoothed image, in whole numbers."""
    out = image.astype(np.int64)
    for axis in (0, 1):
        out = out.swapaxes(0, axis)
        last = len(out) - 1
        period = 2 * last or 1
        rows = [np.abs((np.arange(len(out)) + k + 2 * period) % period) for k in range(-2, 3)]
        rows = [np.minimum(row, period - row) if last else np.zeros(1, int) for row in rows]
        out = sum(tap * out[row] for tap, row in zip(TAPS, rows, strict=True)).swapaxes(0, axis)
    return out


def smaller(image: np.ndarray) -> np.ndarray:
    return (smooth(image)[::2, ::2] + 128) >> 8


def larger(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    sparse = np.zeros((2 * image.shape[0], 2 * image.shape[1], *image.shape[2:]), np.int64)
    sparse[::2, ::2] = image
    return (smooth(sparse)[: shape[0], : shape[1]] + 32) >> 6


def energy(band: np.ndarray, window: int) -> np.ndarray:
    """Sum of squares over a box. Squares and sums are held in float32, added exactly in between."""
    half = window // 2
    squares = np.square(band.astype(np.float64)).astype(np.float32).astype(np.float64)
    mode = "reflect" if min(band.shape) > half else "symmetric"
    padded = np.pad(squares, half, mode=mode)
    return np.lib.stride_tricks.sliding_window_view(padded, (window, window)).sum((2, 3)).astype(np.float32)


def stated(frames: np.ndarray, levels: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Fusion of grey integer frames: image and the winners at level 0."""
    lift = 7 if frames.dtype == np.uint8 else 0
    lows = [frame[..., 0].astype(np.int64) << lift for frame in frames]
    bands, index = [], None
    for _ in range(levels):
        small = [smaller(low) for low in lows]
        laplacians = np.stack([low - larger(s, low.shape) for low, s in zip(lows, small, strict=True)])
        winner = np.argmax(np.stack([energy(band, window) for band in laplacians]), axis=0)
        index = winner if index is None else index
        bands.append(np.take_along_axis(laplacians, winner[None], axis=0)[0])
        lows = small
    image = (2 * sum(lows) + len(lows)) // (2 * len(lows))
    for band in reversed(bands):
        image = larger(image, band.shape) + band
    image = np.rint(image / 2**lift)
    return np.clip(image, 0, np.iinfo(frames.dtype).max).astype(frames.dtype), index


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(12, 70), st.integers(12, 70)),
    levels=st.integers(1, 3),
    window=st.sampled_from([1, 3, 5]),
    seed=st.integers(0, 999),
)
def test_integers_are_fused_as_stated_in_whole_numbers(dtype, shape, levels, window, seed):
    frames = random_frames(seed, (*shape, 1), dtype)
    image, index = fuse_whole(frames, levels=levels, window=window)
    expected, winners = stated(frames, levels, window)
    np.testing.assert_array_equal(index, winners)
    np.testing.assert_array_equal(image[..., 0], expected)


@pytest.mark.parametrize("window", [None, 1, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@settings(max_examples=25, deadline=None)
@given(height=SIDES, width=SIDES, channels=st.integers(1, 5), seed=st.integers(0, 99))
def test_one_frame_in_is_the_same_frame_out(window, dtype, height, width, channels, seed):
    frames = random_frames(seed, (1, height, width, channels), dtype)
    levels = max(1, int(np.log2(min(height, width))))
    for a in (0.375, 0.4):
        image, index = fuse_whole(frames, levels=levels, window=window, a=a)
        assert image.dtype == frames.dtype
        np.testing.assert_array_equal(image, frames[0])
        assert not index.any()


@settings(max_examples=25, deadline=None)
@given(height=SIDES, width=SIDES, channels=st.integers(1, 5), seed=st.integers(0, 99))
def test_one_float_frame_comes_back_but_for_its_rounding(height, width, channels, seed):
    frames = random_frames(seed, (1, height, width, channels), "float32")
    image, _ = fuse_whole(frames, levels=max(1, int(np.log2(min(height, width)))))
    assert image.dtype == np.float32
    # A frame less its low-pass plus that low-pass: half a last bit of either twice.
    np.testing.assert_allclose(image, frames[0], rtol=0, atol=4 * np.spacing(np.abs(frames).max()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_equal_frames_the_first_wins(dtype):
    frame = random_frames(0, (1, 50, 61, 3), dtype)
    image, index = fuse_whole(np.concatenate([frame] * 4), levels=3)
    assert not index.any()
    np.testing.assert_array_equal(image, fuse_whole(frame, levels=3)[0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(SIDES, SIDES), levels=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_collapse_of_a_chain_is_the_chain(dtype, shape, levels, seed):
    frames = random_frames(seed, (1, *shape, 3), dtype)
    chain = Chain.of(frames.dtype)
    found = run(PyramidSelect(chain, levels), frames)
    values = collapse(found["bands"], found["reduced"][0].astype(np.float32), chain)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, frames[0].astype(np.float32) * 2**chain.lift)


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(SIDES, SIDES), seed=st.integers(0, 99))
def test_a_level_added_is_the_float_of_whole_numbers(shape, seed):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 65536, level_shapes(shape, 1)[1]).astype(np.float32)
    band = rng.integers(-65535, 65536, shape).astype(np.float32)
    found = collapse([band], small, Chain.of(np.dtype("uint16")))
    np.testing.assert_array_equal(found, expand_whole(small, shape) + band)
    np.testing.assert_array_equal(found, larger(small.astype(np.int64), shape) + band.astype(np.int64))


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.tuples(st.integers(1, 9), SIDES, SIDES, st.integers(1, 5)),
    levels=st.integers(1, 4),
    window=st.sampled_from([None, 1, 5, 9]),
    a=st.sampled_from([0.375, 0.4]),
    base=st.sampled_from(["average", "energy", "entropy", "focusstack"]),
    masked=st.booleans(),
    cuts=st.sets(st.integers(0, 8)),
    seed=st.integers(0, 999),
)
def test_merged_blocks_of_z_are_one_pass(dtype, shape, levels, window, a, base, masked, cuts, seed):
    frames = random_frames(seed, shape, dtype)
    options = {"levels": levels, "window": window, "a": a, "base": base}
    options["valid"] = random_valid(seed, shape[:3]) if masked else None
    image, index = fuse_whole(frames, **options)
    merged = fuse_whole(frames, **options, cuts=tuple(cut for cut in cuts if cut < len(frames)))
    np.testing.assert_array_equal(merged[0], image)
    np.testing.assert_array_equal(merged[1], index)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 5), SIDES, SIDES, st.integers(1, 3)),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 999),
)
def test_a_made_up_pixel_wins_only_where_all_are(shape, dtype, seed):
    frames = random_frames(seed, shape, dtype)
    valid = random_valid(seed, shape[:3])
    _, index = fuse_whole(frames, levels=1, valid=valid)
    real = np.stack([np.ones(shape[1:3], bool) if mask is None else mask for mask in valid])
    winner_is_real = np.take_along_axis(real, index[None].astype(int), axis=0)[0]
    # A frame is sure where its 5 x 5 neighbourhood is real; one that is sure is never beaten by made-up ones.
    padded = np.pad(real, ((0, 0), (2, 2), (2, 2)), constant_values=True)
    sure = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2)).all(axis=(3, 4))
    assert winner_is_real[sure.any(axis=0)].all()


def test_validity_is_handed_on_as_the_reduced_frames_are():
    frames = random_frames(0, (2, 64, 80, 1), "uint8")
    mask = np.ones((64, 80), bool)
    mask[:, :20] = False
    chain = Chain.of(frames.dtype)
    found = run(PyramidSelect(chain, 2, with_valid=True), frames, [None, mask])
    assert found["valid"].shape == found["reduced"].shape[:3] == (2, 16, 20)
    assert found["valid"][0].all()
    # Real is what no made-up pixel reaches: changing those changes the rest of the low-pass only.
    changed = frames.copy()
    changed[1, ~mask] = 255 - changed[1, ~mask]
    other = run(PyramidSelect(chain, 2, with_valid=True), changed, [None, mask])
    same = (found["reduced"] == other["reduced"])[..., 0]
    assert same[found["valid"]].all()
    assert not same[1][~found["valid"][1]].all()
    assert found["valid"][1, :, 7:].all()


def test_focus_is_measured_on_the_chosen_channels_only():
    rng = np.random.default_rng(0)
    frames = np.full((3, 64, 64, 3), 128, np.uint8)
    for z in range(3):
        frames[z, ..., z] = rng.integers(0, 256, (64, 64))
    for channel in range(3):
        _, index = fuse_whole(frames, levels=1, channels=(channel,))
        assert (index == channel).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_overshoots_end_at_black_and_white(dtype):
    """Black lines sharp in one frame, white in another: detail that adds up beyond the range."""
    top = np.iinfo(dtype).max
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 2, (3, 12, 12, 1)).repeat(6, axis=1).repeat(6, axis=2) * 0.9 * top
    frames = (coarse + rng.integers(0, top // 10, (3, 72, 72, 1))).astype(dtype)
    chain = Chain.of(frames.dtype)
    found = run(PyramidSelect(chain, 3), frames)
    top_level = found["reduced"].astype(np.float32).mean(axis=0).round()[..., 0]
    values = collapse(found["bands"], top_level, chain) / 2**chain.lift
    assert values.min() < -0.02 * top
    assert values.max() > 1.02 * top
    image = chain.leave(values * np.float32(2**chain.lift))
    np.testing.assert_array_equal(image, np.clip(np.rint(values), 0, top))


@pytest.mark.parametrize(
    ("shape", "levels"), [((4000, 6000), 6), ((256, 384), 3), ((63, 500), 1), ((64, 64), 1), ((1, 1), 1)]
)
def test_levels_leave_the_smallest_side(shape, levels):
    assert pyramid_levels(shape) == levels
    assert levels == 1 or min(shape) / 2**levels >= 32


@settings(max_examples=40, deadline=None)
@given(data=st.data(), levels=st.integers(1, 3), window=st.sampled_from([None, 1, 5, 9]))
def test_the_halo_is_what_coefficients_depend_on(data, levels, window):
    """Two images that differ outside of a padded tile only have its coefficients and winners in common."""
    grid, halo = 2**levels, pyramid_halo(levels, window or 5)
    frames = random_frames(0, (3, 150, 140, 1), data.draw(st.sampled_from(DTYPES)))
    y, x = data.draw(st.integers(0, 149)), data.draw(st.integers(0, 139))
    low = tuple(max(0, (v - halo) // grid * grid) for v in (y, x))
    high = tuple(-(-(v + 1 + halo) // grid) * grid for v in (y, x))
    window_of = frames[:, low[0] : high[0], low[1] : high[1]]
    whole, part = (fuse_bands(images, levels, window) for images in (frames, window_of))
    for level in range(levels):
        here = tuple((v - v0) >> level for v, v0 in zip((y, x), low, strict=True))
        there = tuple(v >> level for v in (y, x))
        assert part[level][here] == whole[level][there]


def fuse_bands(frames: np.ndarray, levels: int, window: int | None) -> list[np.ndarray]:
    return run(PyramidSelect(Chain.of(frames.dtype), levels, window), frames)["bands"]


def test_scratch_is_as_large_as_the_largest_sub_tile_needs():
    """Kept by shape, that of nine kinds of sub-tiles was beyond what the memory plan counts."""
    rng = np.random.default_rng(5)
    fold = PyramidSelect(Chain.of(np.dtype(np.uint8)), 3, index_level=0)
    work: dict = {}

    def add(height, width):
        shape = (height, width, 3)
        window = Window(shape[:2], (slice(0, height), slice(0, width)), range(1), 3, np.dtype(np.uint8))
        tall = {"reduced": np.empty((1, height // 8, width // 8, 3), np.uint16)}
        fold.add(fold.start(window, tall), rng.integers(0, 256, shape, dtype=np.uint8), 0, None, work)
        return sum(value.nbytes for value in work.values() if isinstance(value, np.ndarray))

    largest = add(128, 160)
    assert [add(128, 96), add(64, 160), add(40, 48), add(160, 128)] == [largest] * 4

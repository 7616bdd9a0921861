"""Selection against the arg-max of its focus measure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.filters import gaussian_blur
from bigstack.kernels.focus import MEASURES, measure
from bigstack.kernels.fusion.select import Select
from bigstack.kernels.luminance import luminance

from .folding import DTYPES, random_frames, random_valid, run

SHAPES = st.tuples(st.integers(1, 7), st.integers(2, 40), st.integers(2, 40), st.integers(1, 5))


def winners(focus: np.ndarray, ties: str) -> np.ndarray:
    if ties == "first":
        return np.argmax(focus, axis=0)
    return len(focus) - 1 - np.argmax(focus[::-1], axis=0)


@pytest.mark.parametrize("ties", ["first", "last"])
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=25, deadline=None)
@given(
    shape=SHAPES,
    name=st.sampled_from(["sml", "log", "laplacian", "tenengrad"]),
    smoothing=st.sampled_from([0.0, 1.5]),
    masked=st.booleans(),
    flat=st.booleans(),
    seed=st.integers(0, 999),
)
def test_pixels_come_from_the_frame_of_the_largest_focus(
    dtype, ties, shape, name, smoothing, masked, flat, seed
):
    frames = random_frames(seed, shape, dtype)
    if flat:
        frames[:, : shape[1] // 2] = frames[0, 0, 0]
    valid = random_valid(seed, shape[:3]) if masked else None
    found = run(Select(name, smoothing=smoothing, ties=ties), frames, valid)
    focus = [measure(name).function(luminance(frame)) for frame in frames]
    if smoothing:
        focus = [gaussian_blur(values, smoothing) for values in focus]
    if masked:
        focus = [v if mask is None else np.where(mask, v, -1) for v, mask in zip(focus, valid, strict=True)]
    index = winners(np.stack(focus), ties)
    np.testing.assert_array_equal(found["index"], index)
    assert found["index"].dtype == np.uint16
    assert found["image"].dtype == frames.dtype
    np.testing.assert_array_equal(
        found["image"], np.take_along_axis(frames, index[None, ..., None], axis=0)[0]
    )


@pytest.mark.parametrize("ties", ["first", "last"])
@settings(max_examples=40, deadline=None)
@given(
    shape=SHAPES,
    dtype=st.sampled_from(DTYPES),
    masked=st.booleans(),
    cuts=st.sets(st.integers(0, 6)),
    seed=st.integers(0, 999),
)
def test_merged_blocks_of_z_are_one_pass(ties, shape, dtype, masked, cuts, seed):
    frames = random_frames(seed, shape, dtype)
    frames[:, : shape[1] // 2] = frames[0, 0, 0]
    valid = random_valid(seed, shape[:3]) if masked else None
    fold = Select("sml", smoothing=1.0, ties=ties)
    once = run(fold, frames, valid)
    merged = run(fold, frames, valid, tuple(cut for cut in cuts if cut < len(frames)))
    for name in ("image", "index"):
        np.testing.assert_array_equal(merged[name], once[name])


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 999))
def test_a_made_up_pixel_wins_only_where_all_are(shape, seed):
    frames = random_frames(seed, shape, "uint8")
    valid = random_valid(seed, shape[:3])
    for ties in ("first", "last"):
        index = run(Select("sml", ties=ties), frames, valid)["index"].astype(int)
        real = np.stack([np.ones(shape[1:3], bool) if mask is None else mask for mask in valid])
        assert (np.take_along_axis(real, index[None], axis=0)[0] == real.any(axis=0)).all()


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_the_halo_is_that_of_the_measure_and_its_smoothing(name):
    assert Select(name).halo == measure(name).halo()
    assert Select(name, smoothing=1.5).halo == measure(name).halo() + 6


def test_options_reach_the_measure():
    frames = random_frames(0, (3, 40, 40, 1), "uint8")
    found = run(Select("sml", (("step", 3), ("window", 9))), frames)["index"]
    focus = [measure("sml").function(luminance(frame), step=3, window=9) for frame in frames]
    np.testing.assert_array_equal(found, np.argmax(np.stack(focus), axis=0))
    assert not np.array_equal(found, run(Select("sml"), frames)["index"])

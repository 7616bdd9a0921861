"""Projections along z against NumPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.fusion.average import Average

from .folding import DTYPES, random_frames, random_valid, run

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
KINDS = ("mean", "min", "max")


def stated(frames: np.ndarray, real: np.ndarray, kind: str) -> np.ndarray:
    out = frames[0].copy()
    for y, x in np.ndindex(frames.shape[1:3]):
        seen = frames[real[:, y, x], y, x]
        if not len(seen):
            continue
        if kind != "mean":
            out[y, x] = getattr(seen, kind)(axis=0)
        elif frames.dtype == np.float32:
            out[y, x] = (sum(values.astype(np.float64) for values in seen) / len(seen)).astype(np.float32)
        else:
            out[y, x] = [
                (2 * int(total) + len(seen)) // (2 * len(seen)) for total in seen.sum(axis=0, dtype=int)
            ]
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, masked=st.booleans(), seed=st.integers(0, 999))
def test_projections_are_the_definition_over_real_pixels(dtype, kind, shape, masked, seed):
    frames = random_frames(seed, shape, dtype)
    valid = random_valid(seed, shape[:3]) if masked else [None] * shape[0]
    real = np.stack([np.ones(shape[1:3], bool) if mask is None else mask for mask in valid])
    found = run(Average(kind), frames, valid)["image"]
    assert found.dtype == frames.dtype
    np.testing.assert_array_equal(found, stated(frames, real, kind))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(
    shape=SHAPES,
    dtype=st.sampled_from(DTYPES),
    masked=st.booleans(),
    cuts=st.sets(st.integers(0, 8)),
    seed=st.integers(0, 999),
)
def test_merged_blocks_of_z_are_one_pass(kind, shape, dtype, masked, cuts, seed):
    fold = Average(kind)
    if not fold.merges(np.dtype(dtype)):
        return
    frames = random_frames(seed, shape, dtype)
    valid = random_valid(seed, shape[:3]) if masked else None
    merged = run(fold, frames, valid, tuple(cut for cut in cuts if cut < len(frames)))
    np.testing.assert_array_equal(merged["image"], run(fold, frames, valid)["image"])


def test_only_float_means_depend_on_the_order():
    answers = {(kind, dtype): Average(kind).merges(np.dtype(dtype)) for kind in KINDS for dtype in DTYPES}
    assert [case for case, merges in answers.items() if not merges] == [("mean", "float32")]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", KINDS)
def test_many_white_frames_do_not_wrap(kind, dtype):
    frames = np.full((70, 3, 4, 2), np.iinfo(dtype).max, dtype)
    assert (run(Average(kind), frames)["image"] == np.iinfo(dtype).max).all()

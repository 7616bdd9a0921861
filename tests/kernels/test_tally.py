import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bigstack.kernels import tally

QUICK = settings(deadline=None)
finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def exact(values):
    return sum(map(Fraction, values.tolist()), Fraction(0))


@QUICK
@given(npst.arrays(np.float32, st.integers(0, 300), elements=finite32))
def test_exact_sum_is_the_sum_of_fractions(values):
    wide = values.astype(np.float64)
    assert Fraction(tally.exact_sum(wide.copy()), tally.UNIT) == exact(wide)
    squares = wide * wide
    assert Fraction(tally.exact_sum(squares.copy()), tally.UNIT) == exact(squares)


def test_exact_sum_of_a_whole_piece_with_the_widest_range():
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 0x7F80_0000, tally.PIECE, dtype=np.uint32) | rng.integers(
        0, 2, tally.PIECE, dtype=np.uint32
    ) << np.uint32(31)
    wide = bits.view(np.float32).astype(np.float64)
    assert Fraction(tally.exact_sum(wide.copy()), tally.UNIT) == exact(wide)
    top = np.full(tally.PIECE, np.finfo(np.float32).max, np.float64)
    assert Fraction(tally.exact_sum(top.copy()), tally.UNIT) == exact(top[:1]) * tally.PIECE


@pytest.mark.parametrize("size", [0, 1, tally.PIECE, tally.PIECE + 1, 3 * tally.PIECE - 5])
def test_pieces_hold_each_pixel_once(size):
    block = np.arange(size, dtype=np.float32)
    found = [piece.copy() for piece in tally.pieces(block)]
    assert max(map(len, found), default=0) <= tally.PIECE
    assert sorted(np.concatenate([*found, []]).tolist()) == block.tolist()


@pytest.mark.parametrize(
    "view",
    [
        lambda block: block[1:-1, 3:-2],
        lambda block: block[::-1, ::3],
        lambda block: block.T,
        lambda block: np.broadcast_to(block[:1], block.shape),
        lambda block: block[5, 5],
    ],
    ids=["window", "step", "transposed", "broadcast", "scalar"],
)
def test_pieces_of_any_layout_are_contiguous(view):
    block = view(np.random.default_rng(2).normal(size=(400, 500)).astype(np.float32))
    mask = np.random.default_rng(3).random(np.shape(block)) < 0.5
    found = [piece.copy() for piece in tally.pieces(np.asarray(block), where=mask, above=0.25)]
    assert all(piece.flags.c_contiguous for piece in found)
    expected = np.asarray(block)[mask & (block > 0.25)]
    np.testing.assert_array_equal(np.sort(np.concatenate([*found, np.float32([])])), np.sort(expected))


def test_pieces_leave_the_block_alone():
    block = np.float32([[3, -1], [2, 5]])
    block.flags.writeable = False
    assert [piece.tolist() for piece in tally.pieces(block, centre=2.0)] == [[1.0, 3.0, 0.0, 3.0]]


@QUICK
@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=60))
def test_every_rank_is_found_by_halves_of_its_bits(values):
    pixels = np.array(values, np.float32)
    counts, nans = tally.count_high([pixels])
    places = tally.find_buckets(counts, range(len(pixels)))
    buckets = sorted({bucket for bucket, _ in places})
    rows = dict(zip(buckets, tally.count_low([pixels], buckets), strict=True))
    found = [tally.find_float(rows[bucket], bucket, rank) for bucket, rank in places]
    assert nans == 0
    assert found == np.sort(pixels).tolist()
    assert not any(value == 0 and math.copysign(1, value) < 0 for value in found)


@QUICK
@given(npst.arrays(np.uint32, st.integers(0, 200)))
def test_nan_of_every_bit_pattern_is_counted(bits):
    pixels = bits.view(np.float32)
    near = np.concatenate(
        [pixels, (bits | 0x7F80_0000).view(np.float32), (bits & 3 | 0xFF80_0000).view("f4")]
    )
    assert tally.count_high([near])[1] == np.isnan(near).sum()


def test_sums_of_squares_do_not_overflow():
    counts = np.zeros(65536, np.int64)
    counts[-1] = 1 << 45
    found = tally.integer_moments(counts)
    assert found.squares == 65535**2 * (1 << 45) * tally.UNIT


@pytest.mark.parametrize(
    ("low", "high", "weight", "expected"),
    [
        (2.0, 2.0, 0.3, 2.0),
        (math.inf, math.inf, 0.5, math.inf),
        (-math.inf, -math.inf, 0.5, -math.inf),
        (1.0, math.inf, 0.0, 1.0),
        (1.0, math.inf, 0.9, math.inf),
        (-math.inf, 1.0, 0.1, -math.inf),
        (-math.inf, math.inf, 0.5, math.nan),
    ],
)
def test_interpolation_at_infinity_is_the_limit(low, high, weight, expected):
    found = tally.interpolate(low, high, weight)
    assert found == expected or (math.isnan(found) and math.isnan(expected))

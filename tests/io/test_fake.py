"""The source without a disk: equal for any region, different for any frame, channel and seed."""

import numpy as np
import pytest

from bigstack.errors import InputError
from bigstack.io.fake import FakeSource
from tests.io.sources import check_source

WHOLE = slice(0, 300), slice(0, 520)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_region_is_part_of_the_whole(dtype, channels):
    source = FakeSource((4, 300, 520, channels), dtype, seed=2)
    check_source(source, np.stack([source.read(z, *WHOLE) for z in range(4)]))


def test_the_range_is_used_and_pixels_differ():
    source = FakeSource((3, 300, 520, 2), "uint16")
    first, other = source.read(0, *WHOLE), source.read(1, *WHOLE)
    assert first.max() > 60000
    assert first.min() < 5000
    assert (first != other).mean() > 0.9
    assert (first[..., 0] != first[..., 1]).mean() > 0.9
    assert (FakeSource((3, 300, 520, 2), "uint16", seed=1).read(0, *WHOLE) != first).mean() > 0.9


def test_every_square_is_sharpest_in_its_own_frame():
    source = FakeSource((3, 300, 520, 1), "uint8")
    contrast = np.array(
        [[source.read(z, slice(0, 256), slice(x, x + 256)).std() for x in (0, 256)] for z in range(3)]
    )
    assert contrast.argmax(axis=0).tolist() == [0, 1]


def test_far_away_regions_cost_no_more():
    source = FakeSource((1000, 1 << 20, 1 << 20, 1), "uint8")
    assert source.read(999, slice((1 << 20) - 5, 1 << 20), slice(0, 7)).shape == (5, 7, 1)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 2, 3), "uint8"), ((0, 1, 1, 1), "uint8"), ((1, 1, 1, 1), "int16")]
)
def test_what_no_stack_is_is_refused(shape, dtype):
    with pytest.raises(InputError):
        FakeSource(shape, dtype)

"""Bunches: the images are those of fusing each bunch, whichever way they are made."""

from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import bunch, fuse
from bigstack.engine.bunched import BunchedSource, KeepingSource, bunch_spans
from bigstack.engine.memory import MemorySource
from bigstack.errors import InputError


@given(st.integers(1, 60), st.integers(1, 12), st.data())
def test_spans_cover_all_frames_and_share_what_was_asked_for(frames, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    spans = bunch_spans(frames, size, overlap)
    assert sorted({z for span in spans for z in span}) == list(range(frames))
    assert all(len(span) == size for span in spans[:-1])
    assert all(a.stop - b.start == overlap for a, b in pairwise(spans))
    assert all(b.stop > a.stop for a, b in pairwise(spans))


@pytest.fixture(scope="module")
def stack():
    pixels = np.random.default_rng(0).integers(0, 65536, (7, 90, 110, 2), dtype=np.uint16)
    array = da.from_array(pixels, chunks=(1, 40, 50, 2))
    coords = {"z": ("z", [0.0, 1, 2, 4, 8, 16, 32], {"units": "micrometer"}), "channel": ["a", "b"]}
    return xr.DataArray(array, dims=("z", "y", "x", "channel"), coords=coords, attrs={"units": "micrometer"})


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 8), st.data(), st.sampled_from(["pyramid", "average"]))
def test_each_is_the_fusion_of_its_frames(stack, size, data, method):
    overlap = data.draw(st.integers(0, size - 1))
    found = bunch(stack, frames=size, overlap=overlap, method=method)
    assert found.dtype == stack.dtype
    for z, span in enumerate(bunch_spans(7, size, overlap)):
        part = stack.isel(z=slice(span.start, span.stop))
        np.testing.assert_array_equal(found[z].values, fuse(part, method=method).image.values)


def test_they_are_labelled(stack):
    found = bunch(stack, frames=4, overlap=1)
    assert found.z.values.tolist() == [1.75, 15.0]
    assert found.z.attrs["units"] == "micrometer"
    assert found["first"].values.tolist() == [0, 3]
    assert found["last"].values.tolist() == [3, 6]
    assert found.channel.values.tolist() == ["a", "b"]
    assert fuse(found.persist()).image.shape == (90, 110, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "at least 1 frame"),
        ({"frames": 3, "overlap": 3}, "overlap must be 0 to 2"),
        ({"method": "pyramids"}, "did you mean 'pyramid'"),
        ({"smoothing": 1}, "smoothing"),
    ],
)
def test_bad_options(stack, options, message):
    with pytest.raises(InputError, match=message):
        bunch(stack, **options)


class Counting(MemorySource):
    def __init__(self, frames):
        super().__init__(frames)
        self.reads = []

    def read(self, z, y, x):
        self.reads.append(z)
        return super().read(z, y, x)

    def valid(self, z, y, x):
        mask = np.zeros(self.shape[1:3], bool)
        mask[:, : 20 * (z + 1)] = True
        return None if z == 6 else mask[y, x]


def test_regions_are_kept_for_the_next_bunch_only():
    source = Counting(np.random.default_rng(0).integers(0, 256, (7, 30, 110, 1), dtype=np.uint8))
    keeping = KeepingSource(source)
    where = slice(2, 9), slice(3, 50)
    keeping.keep(range(4), range(2, 6))
    first = [keeping.read(z, *where) for z in range(4)]
    keeping.keep(range(2, 6), range(4, 7))
    again = [keeping.read(z, *where) for z in range(2, 6)]
    assert source.reads == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(again[:2], first[2:])
    keeping.read(3, *where)
    keeping.read(4, *where)
    assert source.reads == [0, 1, 2, 3, 4, 5, 3]
    keeping.keep((), ())
    keeping.read(4, *where)
    assert source.reads[-1] == 4


def test_bunches_are_real_where_any_frame_is():
    source = Counting(np.zeros((7, 30, 110, 1), np.uint8))
    images = MemorySource(np.zeros((2, 30, 110, 1), np.uint8))
    bunched = BunchedSource(images, source, [range(3), range(3, 7)])
    where = slice(0, 30), slice(0, 110)
    assert bunched.masked
    assert bunched.valid(0, *where).sum() == 30 * 60
    assert bunched.valid(1, *where) is None

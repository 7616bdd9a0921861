"""The memory plan: what it finds, what it refuses."""

import numpy as np
import pytest

from bigstack.engine.plan import Plan, parse_bytes, plan
from bigstack.errors import InputError, MemoryLimitError
from bigstack.io.source import Source
from bigstack.kernels.fusion.pyramid import Chain, PyramidSelect

FOLD = PyramidSelect(Chain.of(np.dtype("uint8")), 3)


class Sizes(Source):
    """A source that is nothing but its sizes."""

    def __init__(self, shape, chunks=(512, 512), dtype="uint8"):
        self.shape = shape
        self.chunks = chunks
        self.dtype = np.dtype(dtype)

    def read(self, z, y, x):
        raise AssertionError("a plan reads no pixels")

    def __dask_tokenize__(self):
        return ("Sizes", self.shape, self.chunks)


def test_the_largest_tile_that_fits_is_taken():
    small = plan(FOLD, Sizes((20, 16384, 16384, 1)), workers=2, memory_limit=700 * 10**6, scratch=True)
    large = plan(FOLD, Sizes((20, 16384, 16384, 1)), workers=2, memory_limit=4 * 10**9, scratch=True)
    assert small.tile[0] < large.tile[0]
    assert small.peak_memory <= small.memory_limit


@pytest.mark.parametrize(("frames", "side"), [(20, 32768), (80, 16384)])
def test_memory_does_not_grow_with_area_or_frames(frames, side):
    reference = plan(FOLD, Sizes((20, 16384, 16384, 1)), workers=2, scratch=True)
    grown = plan(FOLD, Sizes((frames, side, side, 1)), workers=2, scratch=True)
    assert grown.peak_memory <= 1.1 * reference.peak_memory


def test_whole_frames_are_cut_into_as_few_bands_as_there_are_workers():
    found = plan(FOLD, Sizes((20, 4000, 6000, 3), chunks=(4000, 6000)), workers=2)
    assert found.tiles == 2
    assert found.bytes_read == 20 * 4000 * 6000 * 3


def test_what_cannot_fit_is_refused_with_the_sizes():
    with pytest.raises(MemoryLimitError, match=r"needs .* MB .*limit is 100 MB.*--memory-limit"):
        plan(FOLD, Sizes((20, 4000, 6000, 3)), memory_limit=10**8)


def test_scratch_is_used_when_memory_is_short():
    wide = Sizes((20, 16384, 16384, 3))
    assert plan(FOLD, wide, memory_limit=2 * 10**9, passes=2).scratch
    assert not plan(FOLD, Sizes((5, 512, 512, 3)), memory_limit=2 * 10**9, passes=2).scratch


def test_tiles_obey_the_output():
    found = plan(FOLD, Sizes((3, 5000, 7000, 1), chunks=(100, 100)), multiple=(384, 384))
    assert all(side % 384 == 0 or side == whole for side, whole in zip(found.tile, (5000, 7000), strict=True))
    assert plan(FOLD, Sizes((3, 5000, 7000, 1)), tile=400, multiple=(384, 384)).tile == (768, 768)
    assert plan(FOLD, Sizes((3, 5000, 7000, 1)), full_width=True).tile[1] == 7000


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2 * 10**9), ("512 MiB", 512 * 2**20), ("1.5k", 1500), (10, 10), ("7b", 7)]
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2 potatoes", "0", "1e9e"])
def test_sizes_that_make_no_sense(text):
    with pytest.raises(InputError, match="memory size"):
        parse_bytes(text)


def test_a_plan_is_json():
    assert isinstance(plan(FOLD, Sizes((3, 50, 70, 1))), Plan)
    assert plan(FOLD, Sizes((3, 50, 70, 1))).as_dict()["tiles"] == 1

"""Outputs computed together read every piece of the stack once."""

from collections import Counter
from typing import ClassVar

import dask
import pytest
import xarray as xr

from bigstack.fusion import fuse
from bigstack.io.fake import FakeSource
from bigstack.io.lazy import lazy_array

SHAPE = (3, 160, 200, 1)


class Counting(FakeSource):
    """Counts its reads, of each frame and region."""

    reads: ClassVar[Counter] = Counter()

    def read(self, z, y, x):
        """The region."""
        self.reads[z, y.start, y.stop, x.start, x.stop] += 1
        return super().read(z, y, x)


def reads_of(method, names):
    stack = xr.DataArray(lazy_array(Counting(SHAPE, "uint8")), dims=("z", "y", "x", "channel"))
    found = fuse(stack, method=method, tile=96)
    Counting.reads = Counter()
    dask.compute(*(found[name].data for name in names), scheduler="synchronous")
    return Counting.reads


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("pyramid", ("image", "depth", "index")),
        ("select", ("image", "depth", "index")),
        ("depth", ("image", "depth", "confidence")),
    ],
)
def test_outputs_computed_together_share_one_pass(method, names):
    alone = reads_of(method, names[:1])
    together = reads_of(method, names)
    assert together == alone
    assert together.total() == SHAPE[0] * 2 * 3, "each tile reads each frame once"

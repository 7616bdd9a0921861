"""What makes stacks larger than any memory usable from Python: graphs stay small, and regions are cheap."""

import time

import numpy as np
import pytest
import xarray as xr
from dask.array.optimization import optimize
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph

from bigstack import fuse
from bigstack.io.fake import FakeSource
from bigstack.io.lazy import lazy_array


class Counting(FakeSource):
    """Counts the pixels that are read."""

    pixels = 0

    def read(self, z, y, x):
        type(self).pixels += (y.stop - y.start) * (x.stop - x.start)
        return super().read(z, y, x)


def stack_of(source) -> xr.DataArray:
    return xr.DataArray(lazy_array(source), dims=("z", "y", "x", "channel"))


@pytest.fixture(scope="module")
def terabyte() -> xr.DataArray:
    return stack_of(FakeSource((100, 100_000, 100_000, 1), "uint8", chunks=(1024, 1024)))


@pytest.mark.parametrize("method", ["pyramid", "select", "average"])
def test_graph_of_a_terabyte_is_small(terabyte, method):
    start = time.perf_counter()
    found = fuse(terabyte, method=method)
    # Half a minute went by here when the tasks of the stack's own graph were made; a second is the promise.
    assert time.perf_counter() - start < 5
    graph = HighLevelGraph.merge(*(variable.data.dask for variable in found.values()))
    assert len(graph) < 10_000


@pytest.mark.parametrize(
    "options", [{}, {"levels": 6}, {"base": "energy", "levels": 5}, {"method": "select"}]
)
def test_region_is_that_of_the_whole(options):
    stack = stack_of(FakeSource((3, 900, 1100, 2), "uint16", chunks=(128, 128)))
    whole = fuse(stack, tile=256, **options).compute(scheduler="synchronous")
    region = {"y": slice(301, 417), "x": slice(655, 900)}
    part = fuse(stack, tile=256, **options).isel(region).compute(scheduler="synchronous")
    xr.testing.assert_identical(part, whole.isel(region))


def test_region_reads_its_surroundings_only():
    stack = stack_of(Counting((1, 12_000, 12_000, 1), "uint8", chunks=(256, 256)))
    Counting.pixels = 0
    fuse(stack, tile=512, levels=5).image[:200, :200].compute(scheduler="synchronous")
    assert 0 < Counting.pixels < 0.25 * np.prod(stack.shape)


def test_region_of_a_terabyte_takes_few_tasks(terabyte):
    image = fuse(terabyte, tile=1024).image[50_000:50_512, 50_000:50_512].data
    tasks = optimize(image.dask, list(flatten(image.__dask_keys__())))
    assert len(tasks) < 500

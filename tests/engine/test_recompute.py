import tempfile
import threading
import weakref

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from bigstack.engine.recompute import keep, recompute_after
from bigstack.engine.statistics import percentile
from bigstack.engine.tiles import map_overlap
from bigstack.io.lazy import lazy_array, source_of
from bigstack.io.source import Source
from bigstack.kernels.fusion.average import Average

PIXELS = np.arange(96, dtype=np.float32).reshape(8, 12)


def double(block):
    return block * 2


def base():
    return da.from_array(PIXELS, chunks=(4, 5)) * 2 + 1


def stored():
    store = zarr.create_array(
        store=tempfile.mkdtemp(), shape=(8, 12), chunks=(4, 5), dtype="f4", overwrite=True
    )
    store[:] = PIXELS
    return da.from_zarr(store)


def fused(**how):
    stack = da.from_array(np.arange(96, dtype=np.uint8).reshape(3, 8, 4, 1), chunks=(1, 4, 4, 1))
    return map_overlap(Average("mean"), stack + 0, tile=3, **how).output("image")


ARRAYS = {
    "numpy": lambda: da.from_array(PIXELS, chunks=4),
    "elementwise": base,
    "rechunked": lambda: base().rechunk((3, 5)),
    "sliced": lambda: base()[1:7, ::2],
    "fancy": lambda: base()[[1, 3, 2]],
    "overlapping": lambda: da.map_overlap(double, base(), depth=1, boundary="reflect"),
    "concatenated": lambda: da.concatenate([base(), base() + 1]),
    "stacked": lambda: da.stack([base(), base()]),
    "reshaped": lambda: base().reshape(-1),
    "product": lambda: base() @ base().T,
    "cumulated": lambda: base().cumsum(axis=0),
    "reduced": lambda: base() - base().mean(),
    "persisted": lambda: base().persist(scheduler="synchronous"),
    "from persisted": lambda: base().persist(scheduler="synchronous") + 1,
    "delayed": lambda: da.from_delayed(dask.delayed(double)(PIXELS), (8, 12), dtype="f4"),
    "optimized": lambda: dask.optimize(base() + 1)[0],
    "random": lambda: da.random.default_rng(0).random((8, 8), chunks=4),
    "zarr": stored,
    "of zarr": lambda: stored()[1:5] * 2,
    "fold": fused,
    "fold in blocks of z": lambda: fused(z_block=2),
    "fold of blocks": lambda: fused(depend=True),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_the_same_values_under_new_keys(name):
    array = ARRAYS[name]()
    known = (array.astype("f8") + 1).sum()
    again = recompute_after(array, known)
    expected = array.compute(scheduler="synchronous")
    found = (again / known).compute(scheduler="synchronous")
    np.testing.assert_array_equal(found, expected / known.compute(scheduler="synchronous"))
    np.testing.assert_array_equal(cloudpickle.loads(cloudpickle.dumps(again)).compute(), expected)
    assert recompute_after(array, known).name == again.name
    assert (again.chunks, again.dtype) == (array.chunks, array.dtype)
    if name in ("numpy", "persisted"):
        assert again is array
    else:
        assert again.name != array.name


class Ones(Source):
    shape = (2, 8, 8, 1)
    dtype = np.dtype("uint8")
    chunks = (4, 4)

    def read(self, z, y, x):
        return np.ones((y.stop - y.start, x.stop - x.start, 1), np.uint8)

    def __dask_tokenize__(self):
        return "Ones"


def test_an_array_goes_on_knowing_its_source():
    source = Ones()
    array = lazy_array(source, tile=4)
    assert source_of(recompute_after(array, array.max())) is source


class Alive:
    """Counts blocks that are in memory."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.peak = self.made = 0

    def make(self, block):
        found = block + 1
        with self.lock:
            self.now, self.made = self.now + 1, self.made + 1
            self.peak = max(self.peak, self.now)
        weakref.finalize(found, self.gone)
        return found

    def gone(self):
        with self.lock:
            self.now -= 1

    def __dask_tokenize__(self):
        return ("Alive", id(self))


def lazy_blocks(alive):
    return da.zeros((64, 64), chunks=8, dtype="f4").map_blocks(
        alive.make, dtype="f4", meta=np.empty((0, 0), "f4")
    )


def test_blocks_are_not_kept_from_a_statistic_to_its_use():
    alive = Alive()
    array = lazy_blocks(alive)
    top = array.max()
    total = (recompute_after(array, top) / top).sum().compute(scheduler="synchronous")
    assert (total, alive.made) == (64 * 64, 2 * 64)
    assert alive.peak < 12
    kept = Alive()
    array = lazy_blocks(kept)
    (array / array.max()).sum().compute(scheduler="synchronous")
    assert kept.peak == 64


def test_blocks_are_not_kept_from_one_pass_of_a_percentile_to_the_next():
    alive = Alive()
    array = lazy_blocks(alive)
    found = percentile(array, [1, 50], where=array > 0).compute(scheduler="synchronous")
    assert found.tolist() == [1, 1]
    assert alive.made == 2 * 64
    assert alive.peak < 12


def test_numbers_that_an_array_was_made_with_are_not_computed_again():
    alive = Alive()
    array = lazy_blocks(alive)
    scaled = recompute_after(array, top := array.max()) / top
    again = recompute_after(scaled, scaled.min())
    assert again.compute(scheduler="synchronous").tolist() == np.ones((64, 64)).tolist()
    # Once for the maximum, once for the minimum of what it scales, once for the result.
    assert alive.made == 3 * 64


def test_what_is_marked_to_be_kept_is_not_computed_again():
    alive = Alive()
    array = keep(lazy_blocks(alive))
    scaled = recompute_after(array + 1, top := array.max()) / top
    assert scaled.sum().compute(scheduler="synchronous") == 2 * 64 * 64
    assert alive.made == 64

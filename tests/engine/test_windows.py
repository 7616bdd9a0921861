"""Tiles with the pixels around them, read from fields or taken from blocks, and values of the whole image."""

import cloudpickle
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.engine import windows
from bigstack.engine.statistics import maximum, percentile
from bigstack.engine.windows import Field, lazy_field, map_windows, packed, unpacked


class Numbers(Field):
    """Numbers in memory, times a known value where there is one; counts what is read."""

    def __init__(self, numbers):
        self.numbers = numbers
        self.shape = numbers.shape
        self.dtype = numbers.dtype
        self.reads = []

    def __dask_tokenize__(self):
        return ("Numbers", self.numbers)

    def read(self, z, tile, known):
        self.reads.append(tile)
        found = self.numbers[z][tile.slices]
        return found * np.float32(known[0]) if known else found


def around(window, z, tile, outer, *known, reach, factor=1):
    """Sum over a square, cut at the image's border, plus the number of the frame and what is known."""
    padded = np.pad(window.astype(float), reach)
    views = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1,) * 2)
    total = views.sum(axis=(2, 3))[tile.inside(outer)]
    return (factor * total + z + sum(float(np.max(value)) for value in known)).astype(np.float32)


def whole_numbers(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_windows_are_cut_from_fields_and_blocks_alike(data):
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 40)))
    sides = data.draw(st.tuples(st.integers(1, 31), st.integers(1, 41)))
    reach, grid = data.draw(st.integers(0, 5)), data.draw(st.integers(1, 4))
    numbers = whole_numbers(shape)
    chunks = da.core.normalize_chunks((1, *sides), shape=shape)
    top = maximum(da.from_array(numbers))
    expected = np.stack(
        [
            around(frame, z, _whole(shape), _whole(shape), numbers.max(), reach=reach, factor=2)
            for z, frame in enumerate(numbers)
        ]
    )
    read = lazy_field(Numbers(numbers), chunks[1:])
    read.dask.layers[read.name].keep = False
    for array in (
        read,
        lazy_field(Numbers(numbers), chunks[1:]),
        da.from_array(numbers, chunks=chunks),
        da.from_array(numbers, chunks=chunks) + 0,
    ):
        found = map_windows(around, array, reach, top, grid=grid, reach=reach, factor=2)
        assert found.chunks == chunks
        np.testing.assert_array_equal(found.compute(scheduler="synchronous"), expected)


def _whole(shape):
    from bigstack.geometry import Tile

    return Tile(0, shape[1], 0, shape[2])


def test_a_field_knows_values_of_the_whole_image():
    numbers = whole_numbers((2, 9, 11))
    base = da.from_array(numbers, chunks=(1, 4, 4))
    field = lazy_field(Numbers(numbers), ((4, 5), (6, 5)), [percentile(base, 50)])
    middle = np.median(numbers).astype(np.float32)
    np.testing.assert_array_equal(field.compute(), numbers * middle)
    again = cloudpickle.loads(cloudpickle.dumps(field))
    np.testing.assert_array_equal(again[1, 3:7].compute(), (numbers * middle)[1, 3:7])
    found = map_windows(around, field, 1, reach=1)
    expected = map_windows(around, da.from_array(numbers * middle, chunks=field.chunks), 1, reach=1)
    np.testing.assert_array_equal(found.compute(), expected.compute())


@pytest.fixture
def large(monkeypatch):
    """Make every array one that is not kept."""
    monkeypatch.setattr(windows, "SMALL", 0)


@pytest.mark.usefixtures("large")
def test_tasks_read_the_windows_they_need_and_no_blocks():
    field = Numbers(whole_numbers((1, 20, 20)))
    array = lazy_field(field, ((10, 10), (10, 10)))
    map_windows(around, array, 2, reach=2)[:, :5, :5].compute(scheduler="synchronous")
    assert [(tile.y0, tile.y1, tile.x0, tile.x1) for tile in field.reads] == [(0, 12, 0, 12)]


def test_names_tell_what_is_computed():
    numbers = whole_numbers((1, 8, 8))
    array = lazy_field(Numbers(numbers), ((8,), (8,)))
    assert lazy_field(Numbers(numbers.copy()), ((8,), (8,))).name == array.name
    assert lazy_field(Numbers(numbers + 1), ((8,), (8,))).name != array.name
    one = map_windows(around, array, 1, reach=1)
    assert map_windows(around, array, 1, reach=1).name == one.name
    assert map_windows(around, array, 2, reach=1).name != one.name
    assert map_windows(around, array, 1, reach=0).name != one.name


@pytest.mark.parametrize("missing", [None, 7.0])
def test_small_arrays_are_packed_and_unpacked(missing):
    values = [percentile(da.from_array(np.float32([1, 2, np.nan][: 2 + i])), [0, 100]) for i in range(2)]
    one = packed(values, missing=missing)
    hole = np.nan if missing is None else missing
    expected = np.array([[1, 2], [hole, hole]])
    np.testing.assert_array_equal(one.compute(), expected)
    array = unpacked(one, (2, 2))
    assert array.shape == (2, 2)
    np.testing.assert_array_equal(array.compute(), expected)

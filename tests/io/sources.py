"""What every source must do, checked the same way for all of them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from dask.base import tokenize

from bigstack.io.source import Source


def regions(height: int, width: int, seed: int, count: int = 12) -> Iterator[tuple[slice, slice]]:
    """The whole frame, its corners, and random regions with odd places."""
    yield slice(0, height), slice(0, width)
    yield slice(0, 1), slice(0, 1)
    yield slice(height - 1, height), slice(width - 1, width)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        y, x = np.sort(rng.integers(0, height + 1, 2)), np.sort(rng.integers(0, width + 1, 2))
        if y[0] < y[1] and x[0] < x[1]:
            yield slice(int(y[0]), int(y[1])), slice(int(x[0]), int(x[1]))


def check_source(source: Source, truth: np.ndarray, seed: int = 0) -> None:
    """Compare every frame and random regions with the truth (z, y, x, channel), also from threads."""
    assert source.shape == truth.shape
    assert source.dtype == truth.dtype
    assert source.dtype.isnative
    again = pickle.loads(pickle.dumps(source))
    assert tokenize(again) == tokenize(source)

    def check(z: int) -> None:
        for i, (y, x) in enumerate(regions(*truth.shape[1:3], seed + z)):
            found = (source if i % 2 else again).read(z, y, x)
            assert found.dtype == truth.dtype
            np.testing.assert_array_equal(found, truth[z, y, x])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(truth.shape[0])))

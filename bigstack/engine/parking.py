"""Blocks of a lazy array that wait on disk until all who need them have read them."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from bigstack.io.scratch import Parked, Scratch


def parked(array: da.Array, scratch: Scratch) -> da.Array:
    """The same array, each block computed once, written to `scratch` and read from there.

    For what is costly, too large to keep in memory, and needed several times.

    Examples
    --------
    >>> import tempfile
    >>> x = parked(da.ones((4, 4), chunks=2), Scratch(tempfile.mkdtemp()))
    >>> float((x / x.max()).sum())
    16.0
    """
    name, loaded = f"parked-{array.name}", f"loaded-{array.name}"
    keys = list(flatten(array.__dask_keys__()))
    writing: Any = MaterializedLayer(
        {(name, *key[1:]): (_park, scratch, "-".join(map(str, key)), key) for key in keys}
    )
    # Reading again is what parking is for: only that is computed again.
    writing.keep = True
    reading: Any = {(loaded, *key[1:]): (_load, (name, *key[1:])) for key in keys}
    graph = HighLevelGraph(
        {**array.dask.layers, name: writing, loaded: reading},
        {**array.dask.dependencies, name: {array.name}, loaded: {name}},
    )
    return da.Array(graph, loaded, chunks=array.chunks, dtype=array.dtype)


def _park(scratch: Scratch, name: str, block: np.ndarray) -> Parked:
    writing = scratch.begin(name)
    writing.save("block", block)
    return writing.finish()


def _load(block: Parked) -> Any:
    return block.load("block")


_load.loads = True  # type: ignore[attr-defined]

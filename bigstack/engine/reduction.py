"""Selected pixels of a lazy array, reduced block by block and merged in a tree."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.recompute import recompute_after
from bigstack.engine.sources import DTYPES
from bigstack.errors import InputError

SPLIT_EVERY = 8
"""States that one task merges."""


class Picked:
    """A lazy array and which of its pixels count: where `where` is True, and greater than `above`."""

    def __init__(self, array: da.Array, where: da.Array | None = None, above: float | None = None) -> None:
        if not isinstance(array, da.Array):
            kind = type(array).__name__
            raise InputError(f"statistics take a dask array, got {kind}; pass its .data or use da.asarray")
        if array.dtype not in DTYPES:
            names = ", ".join(str(dtype) for dtype in DTYPES)
            raise InputError(f"statistics take {names}, got {array.dtype}; convert it with .astype(...)")
        self.array = array
        self.where = None if where is None else _mask(where, array)
        self.above = None if above is None else _threshold(above, array.dtype)

    @property
    def floats(self) -> bool:
        """True for float32, False for the integers."""
        return self.array.dtype.kind == "f"

    def again(self, *known: da.Array) -> Picked:
        """The same, computed again after all of `known`."""
        where = None if self.where is None else recompute_after(self.where, *known)
        return Picked(recompute_after(self.array, *known), where, self.above)


def _mask(where: da.Array, array: da.Array) -> da.Array:
    mask = da.asarray(where)
    if mask.dtype != bool:
        raise InputError(f"`where` is a bool array, got {mask.dtype}; compare with something, as in F > 0")
    if mask.chunks == array.chunks:
        return mask
    sides = zip(reversed(mask.shape), reversed(array.shape), strict=False)
    if mask.ndim > array.ndim or any(side not in (1, size) for side, size in sides):
        raise InputError(f"`where` must broadcast to the array's shape {array.shape}, got {mask.shape}")
    if not array.size:
        # dask neither broadcasts nor rechunks every empty array
        return da.zeros(array.shape, dtype=bool, chunks=array.chunks)
    return da.broadcast_to(mask, array.shape).rechunk(array.chunks)


def _threshold(above: float, dtype: np.dtype) -> float:
    if math.isnan(above):
        raise InputError("`above` is a number that pixels are compared with, got NaN")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(np.float32(above))
    return math.floor(min(max(above, -1), np.iinfo(dtype).max))


def reduce_blocks(
    picked: Picked,
    leaf: Callable[..., Any],
    merge: Callable[[list[Any]], Any],
    finish: Callable[..., Any],
    *,
    dtype: Any = np.float64,
    shape: tuple[int, ...] = (),
    known: Sequence[da.Array] = (),
    options: dict[str, Any] | None = None,
    **finishing: Any,
) -> da.Array:
    """Reduce an array to a small one, as lazily as it is.

    Parameters
    ----------
    picked
        Pixels to reduce.
    leaf
        ``leaf(block, where, *known, above=..., **options)`` gives the state of one block.
    merge
        Gives one state of a list of states; must leave them as they are, and their order without effect.
    finish
        ``finish(state, *known, **finishing)`` gives the result. Like the other two a module-level function.
    dtype, shape
        Of the result; dtype object hands on whatever `finish` gives, for another reduction's `known`.
    known
        0-d arrays whose values leaves and finish need.
    options, finishing
        Further arguments of leaf and of finish.

    Examples
    --------
    >>> x = da.ones((4, 4), chunks=2, dtype="uint8")
    >>> int(reduce_blocks(Picked(x), lambda block, where, above: int(block.sum()), sum, int))
    16
    """
    options = {"above": picked.above, **(options or {})}
    array, where = picked.array, picked.where
    index = tuple(range(array.ndim))
    inputs = [array, index, where, None if where is None else index]
    for value in known:
        inputs += [value, ()]
    names = [value.name for value in (array, *known)]
    token = tokenize(names, None if where is None else where.name, leaf, options)
    states = da.blockwise(
        leaf,
        index,
        *inputs,
        name=f"{_label(leaf)}-{token}",
        dtype=object,
        meta=np.empty((0,) * array.ndim, object),
        align_arrays=False,
        **options,
    )
    layer, root = _tree(list(flatten(states.__dask_keys__())), f"merge-{token}", merge)
    name = f"{_label(finish)}-{tokenize(token, finish, finishing, shape)}"
    merged = HighLevelGraph.from_collections(f"merge-{token}", layer, dependencies=[states])
    last = (_finish, finish, root, [(value.name,) for value in known], finishing, dtype)
    graph = HighLevelGraph(
        {**merged.layers, name: {(name, *(0,) * len(shape)): last}},
        {**merged.dependencies, name: {f"merge-{token}", *(value.name for value in known)}},
    )
    return da.Array(graph, name, chunks=tuple((n,) for n in shape), dtype=dtype)


def _label(function: Callable[..., Any]) -> str:
    return function.__name__.strip("_<>")


def _tree(keys: list[Any], name: str, merge: Callable[[list[Any]], Any]) -> tuple[dict[Any, Any], Any]:
    """Tasks that merge the states of `keys`, and the key of the last one."""
    layer: dict[Any, Any] = {}
    level = 0
    while level == 0 or len(keys) > 1:
        groups = [keys[i : i + SPLIT_EVERY] for i in range(0, len(keys), SPLIT_EVERY)]
        keys = [(name, level, i) for i in range(len(groups))]
        layer.update({key: (merge, group) for key, group in zip(keys, groups, strict=True)})
        level += 1
    return layer, keys[0]


def _finish(
    finish: Callable[..., Any], state: Any, known: list[Any], finishing: dict[str, Any], dtype: Any
) -> Any:
    value = finish(state, *known, **finishing)
    return value if dtype is object else np.asarray(value, dtype)[()]

"""A lazy array that is computed again once something else is known, instead of kept in memory till then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dask.array as da
from dask._task_spec import Alias, DataNode, Task, TaskRef, convert_legacy_graph
from dask.base import clone_key, tokenize
from dask.blockwise import Blockwise
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph, Layer


def recompute_after(array: da.Array, *known: da.Array) -> da.Array:
    """The same array, whose blocks are computed (again) after all of `known`.

    What uses both an array and a statistic of it would keep every block in memory from the one to the
    other: ``focus / percentile(focus, 99)``. With ``recompute_after(focus, top) / top`` each block is
    computed twice and none is kept. Blocks that are in memory anyway, because they were persisted or are
    numpy arrays, are used as they are. So are single numbers (0-d arrays) that the array was made with, as a
    statistic need not be taken twice, and what `keep` marked. Keys are deterministic.

    dask's own `bind` (2026.8) leaves the keys inside slices, rechunks and overlaps as they were, which
    breaks the graph.

    Examples
    --------
    >>> x = da.arange(6, chunks=2) ** 2
    >>> top = x.max()
    >>> (recompute_after(x, top) / top).compute().tolist()
    [0.0, 0.04, 0.16, 0.36, 0.64, 1.0]
    """
    graph = array.dask
    kept = {name for name, layer in graph.layers.items() if _is_data(layer)}
    copied = _large(graph, array.name, kept)
    if not copied:
        return array
    seed = tokenize("recompute", [value.name for value in known])
    gate = f"known-{seed}"
    keys = [TaskRef(key) for value in known for key in flatten(value.__dask_keys__())]
    layers: dict[str, Any] = {gate: {gate: Task(gate, _nothing, *keys)}}
    needs: dict[str, set[str]] = {gate: {value.name for value in known}}
    for value in known:
        layers.update(value.dask.layers)
        needs.update({name: set(deps) for name, deps in value.dask.dependencies.items()})
    for name in _upstream(graph, {source for each in copied for source in graph.dependencies[each]} - copied):
        layers[name], needs[name] = graph.layers[name], set(graph.dependencies[name])
    for name in copied:
        layer, deps = graph.layers[name], graph.dependencies[name]
        data = [key for source in deps - copied for key in graph.layers[source].get_output_keys()]
        new = _new_keys([graph.layers[source] for source in {name, *deps} & copied], seed)
        copy, gated = _copy(layer, new, data, seed, gate)
        layers[clone_key(name, seed)] = copy
        needs[clone_key(name, seed)] = {
            clone_key(source, seed) if source in copied else source for source in deps
        }
        if gated:
            needs[clone_key(name, seed)].add(gate)
    name = clone_key(array.name, seed)
    return da.Array(HighLevelGraph(layers, needs), name, chunks=array.chunks, meta=array._meta)


def keep(array: da.Array) -> da.Array:
    """Mark an array that is small enough to be kept from one use to the next rather than computed again.

    Examples
    --------
    >>> x = keep(da.arange(6, chunks=2) ** 2)
    >>> recompute_after(x, x.max()) is x
    True
    """
    array.dask.layers[array.name].keep = True
    return array


def _large(graph: Any, name: str, kept: set[str]) -> set[str]:
    """Layers between the array and what is in memory or a single number."""
    found: set[str] = set()
    todo = [name]
    while todo:
        name = todo.pop()
        if name not in found and name not in kept and not _is_small(graph.layers[name]):
            found.add(name)
            todo += graph.dependencies[name]
    return found


def _upstream(graph: Any, names: Iterable[str]) -> set[str]:
    """Layers, and all that they depend on."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += graph.dependencies[name]
    return found


def _is_small(layer: Layer) -> bool:
    """True for what `keep` marked and for a 0-d array, whose key is a tuple of its name alone."""
    if getattr(layer, "keep", False):
        return True
    if isinstance(layer, Blockwise):
        return len(layer.output_indices) == 0
    key = next(iter(layer.get_output_keys()), None)
    return isinstance(key, tuple) and len(key) == 1


def _nothing(*values: Any) -> None:
    """Only its place in the graph matters."""


def _first(value: Any, gate: None) -> Any:
    return value


def _is_data(layer: Layer) -> bool:
    """True for blocks in memory: numpy arrays, or futures of a cluster."""
    if isinstance(layer, Blockwise):
        return False
    return all(
        isinstance(value, DataNode) or hasattr(value, "__array__") or type(value).__name__ == "Future"
        for value in layer.values()
    )


def _new_keys(layers: Iterable[Layer], seed: str) -> dict[Any, Any]:
    """Every key of the layers and what it becomes."""
    new: dict[Any, Any] = {}
    names: dict[str, str] = {}
    for layer in layers:
        for key in layer.get_output_keys():
            name: Any = key[0] if isinstance(key, tuple) else key
            if name not in names:
                names[name] = clone_key(name, seed)
            new[key] = (names[name], *key[1:]) if isinstance(key, tuple) else names[name]
    return new


def _copy(
    layer: Layer, new: Mapping[Any, Any], data: Iterable[Any], seed: str, gate: str
) -> tuple[Any, bool]:
    """The layer with `new` keys inside and out, those of `data` kept, and whether it waits for the gate."""
    if isinstance(layer, Blockwise):
        copy, gated = layer.clone(keys=set(new), seed=seed, bind_to=gate)
        if (source := getattr(layer, "source", None)) is not None:
            copy.source = source  # type: ignore[attr-defined]
        return copy, gated
    nodes = convert_legacy_graph(dict(layer), all_keys={*new, *data})
    copies: dict[Any, Any] = {}
    gated = False
    for key, node in nodes.items():
        if isinstance(node, Alias | DataNode) or node.dependencies & new.keys():
            copies[new[key]] = node.substitute(new, key=new[key])
        else:
            copies[new[key]] = Task(new[key], _first, node, TaskRef(gate))
            gated = True
    return copies, gated

"""Tiles that depend on the pixels around them and on values of the whole image, known only when computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.blockwise import blockwise
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep

from bigstack.engine.recompute import keep, recompute_after
from bigstack.engine.sources import overlapping
from bigstack.engine.store import Executor
from bigstack.engine.tiles import spans
from bigstack.geometry import Tile
from bigstack.io.source import Source

SMALL = 64 * 10**6
"""Bytes of an array up to which it is kept in memory while statistics of it are taken."""


class Field(ABC):
    """A number at every pixel of every frame, (z, y, x), read region by region, as a `Source` reads pixels.

    A plain class that pickles; `known` are the values of the whole stack that it was made to need.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype

    @abstractmethod
    def read(self, z: int, tile: Tile, known: tuple[Any, ...]) -> np.ndarray:
        """Return the numbers (y, x) of a region of frame `z`."""

    @abstractmethod
    def __dask_tokenize__(self) -> object:
        """Equal for fields that give equal numbers from equal `known`."""


def lazy_field(
    field: Field, chunks: tuple[Sequence[int], Sequence[int]], known: Sequence[da.Array] = ()
) -> da.Array:
    """Wrap a field as a lazy array (z, y, x), one frame and one chunk of y and x a task.

    `known` are arrays of one block each, whose values every task gets. The array's own layer remembers the
    field, as `lazy_array` does its source, so that `map_windows` can read regions by itself.
    """
    grid = ((1,) * field.shape[0], tuple(chunks[0]), tuple(chunks[1]))
    name = f"field-{tokenize(field, grid, [value.name for value in known])}"
    gathered = _gather(known)
    arguments: list[Any] = [ArraySliceDep(grid), "zyx"]
    numblocks: dict[str, tuple[int, ...]] = {}
    if gathered is not None:
        arguments += [gathered.name, ""]
        numblocks[gathered.name] = ()
    layer: Any = blockwise(_read_block, name, "zyx", *arguments, numblocks=numblocks, field=field)
    layer.field, layer.known = field, gathered
    return kept_if_small(da.Array(_graph(name, layer, [gathered]), name, chunks=grid, dtype=field.dtype))


def kept_if_small(array: da.Array) -> da.Array:
    """Mark an array of at most `SMALL` bytes as one not to be computed again."""
    return keep(array) if array.nbytes <= SMALL else array


class FieldSource(Source):
    """A field whose whole-image values are known, as a stack of one channel."""

    def __init__(self, field: Field, known: tuple[Any, ...], chunks: tuple[int, int]) -> None:
        self.field = field
        self.known = known
        self.shape = (*field.shape, 1)
        self.dtype = field.dtype
        self.chunks = chunks

    def __dask_tokenize__(self) -> object:
        return ("FieldSource", tokenize(self.field, [float(value) for value in self.known]))

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Numbers (y, x, 1) of the region."""
        return self.field.read(z, Tile(y.start, y.stop, x.start, x.stop), self.known)[..., None]

    def frame(self, z: int) -> Field:
        """One frame as a field that needs to know nothing."""
        return _Frame(self, z)


class _Frame(Field):
    def __init__(self, source: FieldSource, z: int) -> None:
        self.source = source
        self.z = z
        self.shape = (1, *source.field.shape[1:])
        self.dtype = source.dtype

    def __dask_tokenize__(self) -> object:
        return ("Frame", tokenize(self.source), self.z)

    def read(self, z: int, tile: Tile, known: tuple[Any, ...] = ()) -> np.ndarray:
        """Numbers of the region."""
        return self.source.field.read(self.z, tile, self.source.known)


def settle(array: da.Array, executor: Executor) -> FieldSource:
    """Compute what a `lazy_field` needs to know of the whole image, so that regions of it stand alone."""
    layer: Any = array.dask.layers[array.name]
    known: list[Any] = [()]
    if layer.known is not None:
        executor.run(layer.known.dask, [_key(layer.known)], lambda key, value: known.append(value))
    return FieldSource(layer.field, known[-1], (int(array.chunksize[1]), int(array.chunksize[2])))


def map_windows(
    function: Callable[..., np.ndarray],
    array: da.Array,
    halo: int,
    *known: da.Array,
    dtype: Any = np.float32,
    grid: int = 1,
    **options: Any,
) -> da.Array:
    """Apply a function to every chunk of a lazy array (z, y, x) with the pixels around it.

    Parameters
    ----------
    function
        ``function(window, z, tile, outer, *known, **options)``: `window` (y, x) holds the pixels of `outer`,
        the chunk's `tile` with its halo, cut at the image's border; gives the chunk's result (y, x).
    array
        Lazy array (z, y, x), its chunks one frame deep. Where it is a `lazy_field` that is not small, tasks
        read their windows from that and hold nothing else; of any other array they take the blocks around.
    halo
        Pixels around a chunk that its result depends on.
    known
        Arrays of one block each that the function needs whole; those of `array` itself are among what the
        result waits for, so its blocks are not held meanwhile but computed again.
    grid
        Windows begin at a multiple of this.

    Examples
    --------
    >>> x = da.ones((1, 4, 4), chunks=(1, 2, 2), dtype="float32")
    >>> total = lambda window, z, tile, outer: np.full(tile.shape, window.sum())
    >>> map_windows(total, x, 1).compute()[0, 0].tolist()
    [9.0, 9.0, 9.0, 9.0]
    """
    name = (
        f"{function.__name__}-{tokenize(function, array.name, halo, [k.name for k in known], grid, options)}"
    )
    layer: Any = getattr(array.dask, "layers", {}).get(array.name)
    # Blocks that are kept in memory anyway cost less than reading the windows once more.
    field = None if getattr(layer, "keep", False) else getattr(layer, "field", None)
    own = getattr(layer, "known", None)
    source = array if field is not None else (recompute_after(array, *known) if known else array)
    edges = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in array.chunks]
    keys = [_key(value) for value in known]
    tasks: dict[Any, Any] = {}
    for (i, z), (j, y), (k, x) in product(*(spans(sizes) for sizes in array.chunks)):
        tile = Tile(y.start, y.stop, x.start, x.stop)
        outer = tile.pad(halo, within=array.shape[1:], grid=grid)
        call = (function, z.start, _Opaque((tile, outer)), keys, options)
        if field is not None:
            tasks[name, i, j, k] = (_from_field, *call, field, None if own is None else _key(own))
        else:
            rows, columns = (overlapping(edges[axis + 1], part) for axis, part in enumerate(outer.slices))
            blocks = [(source.name, i, row[0], column[0]) for row, column in product(rows, columns)]
            tasks[name, i, j, k] = (_from_blocks, *call, _Opaque((rows, columns)), blocks)
    needs = [*known, *([] if own is None else [own]), *([source] if field is None else [])]
    return da.Array(_graph(name, tasks, needs), name, chunks=array.chunks, dtype=dtype)


def packed(values: Sequence[da.Array], missing: float | None = None) -> da.Array:
    """Stack small arrays, each of one block, in a 0-d array that holds a NumPy array of float64.

    NaN becomes `missing` where that is given. Being a single value it is computed once, however often what
    needs it is computed again.
    """
    name = f"packed-{tokenize([value.name for value in values], missing)}"
    layer = {(name,): (_stack, [_key(value) for value in values], missing)}
    return da.Array(_graph(name, layer, values), name, chunks=(), dtype=object)


def constant(value: Any) -> da.Array:
    """Wrap a value that is known already as a 0-d array, as `packed` gives them."""
    name = f"constant-{tokenize(value)}"
    layer = {(name,): (_same, value)}
    return da.Array(_graph(name, layer, []), name, chunks=(), dtype=object)


def unpacked(value: da.Array, shape: tuple[int, ...]) -> da.Array:
    """Make what `packed` gave an array of `shape` again."""
    name = f"un{value.name}"
    layer = {(name, *(0,) * len(shape)): (_same, _key(value))}
    return da.Array(_graph(name, layer, [value]), name, chunks=tuple((n,) for n in shape), dtype=np.float64)


def _same(value: Any) -> Any:
    return value


def _stack(values: list[Any], missing: float | None) -> np.ndarray:
    stacked = np.stack(values).astype(np.float64)
    return stacked if missing is None else np.where(np.isnan(stacked), missing, stacked)


class _Opaque:
    """Keeps dask from looking into what it carries."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _read_block(where: tuple[slice, ...], *known: Any, field: Field) -> np.ndarray:
    z, y, x = where
    tile = Tile(y.start, y.stop, x.start, x.stop)
    values = known[0] if known else ()
    if z.stop - z.start == 1:
        return field.read(z.start, tile, values)[None]
    return np.stack([field.read(i, tile, values) for i in range(z.start, z.stop)])


def _from_field(
    function: Callable[..., np.ndarray],
    z: int,
    where: _Opaque,
    known: list[Any],
    options: dict[str, Any],
    field: Field,
    own: tuple[Any, ...] | None,
) -> np.ndarray:
    tile, outer = where.value
    window = field.read(z, outer, own or ())
    return function(window, z, tile, outer, *known, **options)[None]


def _from_blocks(
    function: Callable[..., np.ndarray],
    z: int,
    where: _Opaque,
    known: list[Any],
    options: dict[str, Any],
    places: _Opaque,
    blocks: list[np.ndarray],
) -> np.ndarray:
    tile, outer = where.value
    window = np.empty(outer.shape, blocks[0].dtype)
    for ((_, rows, to_y), (_, columns, to_x)), block in zip(product(*places.value), blocks, strict=True):
        window[to_y, to_x] = block[0][rows, columns]
    return function(window, z, tile, outer, *known, **options)[None]


def _gather(known: Sequence[da.Array]) -> da.Array | None:
    """One 0-d array that holds the values of all."""
    if not known:
        return None
    name = f"known-{tokenize([value.name for value in known])}"
    layer = {(name,): (_as_tuple, [_key(value) for value in known])}
    return da.Array(_graph(name, layer, known), name, chunks=(), dtype=object)


def _as_tuple(values: list[Any]) -> tuple[Any, ...]:
    return tuple(values)


def _key(value: da.Array) -> tuple[Any, ...]:
    (key,) = flatten(value.__dask_keys__())
    return key


def _graph(name: str, layer: Any, needs: Sequence[da.Array | None]) -> HighLevelGraph:
    layers: dict[str, Any] = {}
    dependencies: dict[str, set[str]] = {}
    for need in needs:
        if need is not None:
            layers.update(need.dask.layers)
            dependencies.update({key: set(value) for key, value in need.dask.dependencies.items()})
    return HighLevelGraph(
        {**layers, name: layer}, {**dependencies, name: {need.name for need in needs if need is not None}}
    )

"""A layer of a graph whose tasks are made when they are asked for: small to keep, to send and to build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from dask._task_spec import Task
from dask.highlevelgraph import Layer, MaterializedLayer


class LazyLayer(Layer):
    """Tasks with the keys ``(name, *index, *tail)`` of a grid of so many blocks.

    `make` is given a key and gives its task; a plain object that pickles.
    """

    def __init__(
        self, name: str, blocks: tuple[int, ...], make: Callable[[Any], Task], tail: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.name = name
        self.blocks = blocks
        self.make = make
        self.tail = tail

    def is_materialized(self) -> bool:
        """Never: tasks are made again each time."""
        return False

    def get_output_keys(self) -> set:  # type: ignore[override]
        """All keys."""
        return set(self)

    def __iter__(self) -> Iterator[Any]:
        return ((self.name, *index, *self.tail) for index in product(*map(range, self.blocks)))

    def __len__(self) -> int:
        total = 1
        for count in self.blocks:
            total *= count
        return total

    def __contains__(self, key: object) -> bool:
        if not (isinstance(key, tuple) and len(key) == 1 + len(self.blocks) + len(self.tail)):
            return False
        index, tail = key[1 : 1 + len(self.blocks)], key[1 + len(self.blocks) :]
        inside = all(type(i) is int and 0 <= i < n for i, n in zip(index, self.blocks, strict=True))
        return key[0] == self.name and tail == self.tail and inside

    def __getitem__(self, key: Any) -> Task:
        if key not in self:
            raise KeyError(key)
        return self.make(key)

    def cull(self, keys: set, all_keys: Any) -> tuple[Layer, dict[Any, set]]:  # type: ignore[override]
        """The tasks of `keys`, made, and what each depends on."""
        tasks = {key: self[key] for key in keys if key in self}
        return MaterializedLayer(tasks), {key: set(task.dependencies) for key, task in tasks.items()}

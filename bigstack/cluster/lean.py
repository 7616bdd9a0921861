"""Fewer tasks for the same work: what a scheduler spends on a run is a cost of each task."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Tasks = dict[Any, Any]


def lean(graph: Mapping[Any, Any], keys: Collection[Any]) -> Tasks:
    """Tasks that `keys` need, put together where nothing is lost by it.

    - What a function marked ``loads`` gives, it reads from a disk that all machines see: whoever needs it
      reads for itself, and nothing goes from worker to worker.
    - A task that only one other needs, and that is all that one waits for alone, is done in it.
    - A function marked ``gathers`` does all in one task that nobody else needs.
    """
    with _no_collection():
        return _lean(graph, keys)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage among a million new objects again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _lean(graph: Mapping[Any, Any], keys: Collection[Any]) -> Tasks:
    from dask._task_spec import Task, convert_legacy_graph, cull

    tasks = cull(convert_legacy_graph(dict(graph)), set(keys))
    groups = _Groups(tasks, set(keys))
    found: Tasks = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found:
            group, needs = groups.around(key)
            found[key] = tasks[key] if len(group) == 1 else Task.fuse(*(tasks[k] for k in group), key=key)
            waiting += needs
    return found


class _Groups:
    """Finds what is to be done together."""

    def __init__(self, tasks: Tasks, wanted: set[Any]) -> None:
        self.tasks = tasks
        self.wanted = wanted
        self.users: dict[Any, set[Any]] = defaultdict(set)
        """Who needs a task, or loads what it made."""
        for key in tasks:
            if not self._loads(key):
                for need in self._needs(key)[0]:
                    self.users[need].add(key)

    def around(self, key: Any) -> tuple[list[Any], set[Any]]:
        """The task and those to be done in it, and what these need."""
        needs, loads = self._needs(key)
        group = {key: None, **dict.fromkeys(loads)}
        most = len(self.tasks) if _is(self.tasks[key], "gathers") else 1
        done = {key}
        while True:
            own = [n for n in needs if n not in self.wanted and self.users[n] <= done]
            if not own or len(own) > most:
                return list(group), needs
            most = 1
            done.update(own)
            for each in own:
                needs.discard(each)
                further, loads = self._needs(each)
                needs |= further
                group |= dict.fromkeys([each, *loads])

    def _needs(self, key: Any) -> tuple[set[Any], list[Any]]:
        """What a task needs, and what it loads of that."""
        needs, loads = set(), []
        waiting = list(self.tasks[key].dependencies)
        while waiting:
            need = waiting.pop()
            if need not in self.tasks:
                continue
            if self._loads(need):
                loads.append(need)
                waiting += self.tasks[need].dependencies
            else:
                needs.add(need)
        return needs, loads

    def _loads(self, key: Any) -> bool:
        return key not in self.wanted and _is(self.tasks[key], "loads")


def _is(task: Any, mark: str) -> bool:
    function: Callable[..., Any] | None = getattr(task, "func", None)
    return bool(getattr(function, mark, False))


def in_order(tasks: Tasks, keys: Collection[Any]) -> list[Any]:
    """All tasks, each after those it needs, and as late as `keys`, one after the other, ask for it."""
    found: dict[Any, None] = {}
    for key in keys:
        path = [] if key in found else [(key, iter(tasks[key].dependencies))]
        while path:
            last, needs = path[-1]
            need = next((n for n in needs if n in tasks and n not in found), None)
            if need is None:
                found[last] = None
                path.pop()
            else:
                path.append((need, iter(tasks[need].dependencies)))
    return list(found)

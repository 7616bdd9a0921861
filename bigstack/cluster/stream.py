"""A graph given to a scheduler slice by slice, so that it never holds more than a window of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bigstack.cluster.lean import Tasks, in_order, lean

WINDOW = 1024
"""Tasks that the scheduler holds at a time, at least. It spends some 10 kB on each."""

A_THREAD = 8
"""Tasks that it holds for each thread of the workers, at least: none may wait for the driver."""

SLICES = 8
"""Slices of a window."""

GATHERED = 8
"""Results that the driver fetches at a time."""


@dataclass
class Slice:
    """Tasks given to the scheduler together."""

    tasks: list[Any]
    asked: list[Any] = field(default_factory=list)
    """Those whose end the driver waits for: wanted for themselves, or needed by a later slice."""
    needs: set[Any] = field(default_factory=set)
    """Tasks of earlier slices that these need."""


def slices_of(tasks: Tasks, keys: Collection[Any], size: int) -> list[Slice]:
    """Cut tasks into slices, in an order in which each needs none of a later one."""
    order = in_order(tasks, keys)
    found = [Slice(order[i : i + size]) for i in range(0, len(order), size)]
    number = {key: i // size for i, key in enumerate(order)}
    wanted = set(keys)
    across: set[Any] = set()
    for i, part in enumerate(found):
        for key in part.tasks:
            part.needs |= {need for need in tasks[key].dependencies if need in tasks and number[need] != i}
        across |= part.needs
    for part in found:
        part.asked = [key for key in part.tasks if key in wanted or key in across]
    return found


class Stream:
    """One try to compute `keys` of a graph.

    What later slices need stays with the workers until those have it; a worker that dies with it costs the
    tasks that made it, as in a graph given at once.
    """

    def __init__(
        self, client: Any, graph: Mapping[Any, Any], keys: Collection[Any], *, threads: int, retries: int
    ) -> None:
        self.client = client
        self.retries = retries
        self.left = dict.fromkeys(keys)
        """Wanted keys that are not there yet; those that died with their workers remain."""
        self.tasks = lean(graph, keys)
        self.window = max(WINDOW, A_THREAD * threads)
        self.slices = slices_of(self.tasks, keys, max(1, self.window // SLICES))
        self.sent = 0
        self.held: dict[Any, Any] = {}
        """Futures of what is on its way, and of what later slices need."""
        self.users = Counter(need for part in self.slices for need in part.needs)
        self.open: dict[int, int] = {}
        """How many are still asked for of each slice that was sent."""
        self.slice_of = {key: i for i, part in enumerate(self.slices) for key in part.asked}
        self.any_ended = False
        self.death: BaseException | None = None
        """How workers died that had one task again and again."""

    def run(self, done: Callable[[Any, Any], None]) -> None:
        """Compute: ``done(key, value)`` for each wanted key as it is there.

        Goes on with all others when the workers of a task die, but not where nothing else ever ended well.
        """
        from distributed import as_completed

        queue = as_completed(loop=self.client.loop, raise_errors=False)
        try:
            while self._send(queue) and (self.any_ended or self.death is None):
                batch = queue.next_batch(block=True)
                ended = [future for future in batch if self._ended_well(future)]
                for key, value in self._results([f for f in ended if f.key in self.left]):
                    done(key, value)
                    del self.left[key]
                for future in batch:
                    self._close(future.key)
            self._release(list(self.held))
        except BaseException:
            self.client.cancel(list(self.held.values()))
            raise

    def _send(self, queue: Any) -> bool:
        """Fill the window; False when nothing is left to wait for."""
        while self.sent < len(self.slices) and self._held_tasks() < self.window:
            part = self.slices[self.sent]
            tasks = {key: self.tasks.pop(key) for key in part.tasks}
            futures = self.client.get(tasks, part.asked, sync=False, retries=self.retries)
            self.held |= dict(zip(part.asked, futures, strict=True))
            self.open[self.sent] = len(part.asked)
            self.sent += 1
            queue.update(futures)
        return bool(self.open)

    def _held_tasks(self) -> int:
        return sum(len(self.slices[i].tasks) for i in self.open)

    def _ended_well(self, future: Any) -> bool:
        from distributed import KilledWorker

        if future.status == "finished":
            self.any_ended = True
            return True
        error = future.exception() if future.status == "error" else None
        if not isinstance(error, KilledWorker):
            future.result()  # raises what happened
        self.death = error
        return False

    def _results(self, futures: list[Any]) -> Iterator[tuple[Any, Any]]:
        from distributed import KilledWorker

        for i in range(0, len(futures), GATHERED):
            some = futures[i : i + GATHERED]
            try:
                yield from zip([f.key for f in some], self.client.gather(some), strict=True)
            except KilledWorker:  # its result died with a worker, and so did all who made it again
                for future in some:
                    try:
                        yield future.key, future.result()
                    except KilledWorker as death:
                        self.death = death

    def _close(self, key: Any) -> None:
        """Let go of what nobody needs any more, now that this key has come to its end."""
        number = self.slice_of[key]
        self.open[number] -= 1
        if not self.users[key]:
            self._release([key])
        if self.open[number]:
            return
        del self.open[number]
        needs = self.slices[number].needs
        self.users.subtract(needs)
        self._release(need for need in needs if not self.users[need])

    def _release(self, keys: Iterable[Any]) -> None:
        for key in keys:
            self.held.pop(key).release()

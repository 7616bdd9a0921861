"""Threads of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dask.highlevelgraph import HighLevelGraph

Done = Callable[[Any, Any], None]
Tick = Callable[[float], None]

FOLD_WEIGHT = 20
"""Tasks that fold over all frames take about this many times longer than any other."""


class ThreadExecutor:
    """Threads of this process; OpenCV keeps to one thread a task.

    Parameters
    ----------
    workers
        Threads, each a task at a time.

    Examples
    --------
    >>> import dask.array as da
    >>> ones = da.ones(4, chunks=2)
    >>> ThreadExecutor(2).run(ones.dask, [(ones.name, 1)], lambda key, block: print(block))
    [1. 1.]
    """

    in_process = True
    about = ""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, graph: HighLevelGraph, keys: list, done: Done, tick: Tick = lambda share: None) -> None:
        """Compute `keys`; ``done`` is called in the driver's thread, ``tick`` with the share of work done."""
        from dask.array.optimization import optimize
        from dask.callbacks import Callback
        from dask.threaded import get

        prepare_process(self.workers)
        wanted = set(keys)
        tasks = optimize(graph, keys)
        total, finished = sum(_weight(key) for key in tasks), 0

        def posttask(key: Any, result: Any, *_: Any) -> None:
            nonlocal finished
            finished += _weight(key)
            if key in wanted:
                done(key, result)
            tick(min(1.0, finished / total))

        with Callback(posttask=posttask):
            get(tasks, keys, num_workers=self.workers)


def _weight(key: Any) -> int:
    name = key[0] if isinstance(key, tuple) else key
    return FOLD_WEIGHT if str(name).startswith(("fold-", "part-")) else 1


def prepare_process(threads: int) -> None:
    """Keep OpenCV to one thread a task, and as many decoded frames as the memory plan counts."""
    import cv2

    from bigstack.io.ring import FRAMES

    cv2.setNumThreads(1)
    FRAMES.limit(frames=threads + 2)

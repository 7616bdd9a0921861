"""Workers of a Dask scheduler, on this machine or on others, of which some may die."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dask.highlevelgraph import HighLevelGraph
from distributed import WorkerPlugin

from bigstack.cluster.threads import Done, Tick, prepare_process
from bigstack.errors import RunError

RETRIES = 2
"""Times a task that failed is tried again: writes over a network fail now and then."""

REGISTER_TRIES = 20

DEATHS = 5
"""Times a task is given anew to the cluster after workers that had it died: more is the task's own fault."""


class DistributedExecutor:
    """A Dask cluster, this machine's or another."""

    in_process = False

    def __init__(self, client: Any, workers: int, *, about: str = "") -> None:
        self.client = client
        self.workers = workers
        self.about = about
        """Where its work can be watched."""

    def run(self, graph: HighLevelGraph, keys: list, done: Done, tick: Tick = lambda share: None) -> None:
        """Compute `keys`; results are taken from the workers, and forgotten there, as they are ready.

        Tasks whose workers died are given to others.

        Raises
        ------
        RunError
            When tasks keep killing workers, or the scheduler is gone.
        """
        left = list(keys)
        for _ in range(DEATHS):
            with _scheduler_lost(self.client):
                left, death = self._try(graph, left, done, lambda n: tick(1 - n / len(keys)))
            if death is None:
                return
        raise RunError(
            f"{len(left)} tasks could not be computed: their workers died again and again ({death}). Most "
            "likely they ran out of memory: give workers more of it, or tell bigstack with --memory-limit "
            "how much they have; the same command goes on where this run was"
        )

    def _try(self, graph: HighLevelGraph, keys: list, done: Done, left: Any) -> tuple[list, Any]:
        """Compute `keys`; those that died with their workers, and how."""
        from dask.delayed import Delayed
        from distributed import KilledWorker, as_completed

        futures = self.client.compute([Delayed(key, graph, layer=key[0]) for key in keys], retries=RETRIES)
        numbers = {future.key: key for future, key in zip(futures, keys, strict=True)}
        queue = as_completed(futures, with_results=True, raise_errors=False)
        del futures
        died, death, count = [], None, len(keys)
        try:
            for future, result in queue:
                if future.status == "finished":
                    done(numbers[future.key], result)
                    count -= 1
                    left(count)
                else:
                    error = future.exception() if future.status == "error" else None
                    if not isinstance(error, KilledWorker):
                        future.result()  # raises what happened
                    died.append(numbers[future.key])
                    death = error
                future.release()
        except BaseException:
            for future in list(queue.futures):
                future.cancel()
            raise
        return died, death


@contextmanager
def _scheduler_lost(client: Any) -> Iterator[None]:
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError

    try:
        yield
    except (CancelledError, CommClosedError, TimeoutError, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, CommClosedError | TimeoutError):
            raise
        raise RunError(
            f"the Dask scheduler ({client.scheduler.address if client.scheduler else 'gone'}) was lost or "
            "gave up the work; start it again, then the same command: it goes on where this run was"
        ) from error


class _Prepare(WorkerPlugin):
    """Prepares workers, those that come later too."""

    name = "bigstack"

    def setup(self, worker: Any) -> None:
        """Limit threads of libraries, as tasks are as many as there are processors."""
        prepare_process(worker.state.nthreads)


def _version(dask_worker: Any) -> str:
    import bigstack

    return bigstack.__version__


def prepare_workers(client: Any, where: str) -> None:
    """Check that workers have this version of the package, and prepare them and all that come later.

    Raises
    ------
    RunError
        When they have not.
    """
    import bigstack

    # A worker may die while it is asked: the others count, and those that come later are asked by `_Prepare`.
    answers = client.run(_version, on_error="return")
    for address, answer in answers.items():
        if isinstance(answer, ModuleNotFoundError):
            raise RunError(f"workers at {where} lack a package: {answer}; install bigstack there") from answer
        if isinstance(answer, str) and answer != bigstack.__version__:
            raise RunError(
                f"worker {address} has bigstack {answer}, this is {bigstack.__version__}; "
                "install equal versions"
            )
    _register(client)


def _register(client: Any) -> None:
    """Have all workers prepared; the scheduler tells those that come later too."""
    from distributed.comm import CommClosedError

    for left in reversed(range(REGISTER_TRIES)):
        try:
            return client.register_plugin(_Prepare())
        except CommClosedError:  # a worker died while it was told
            if not left:
                raise
        time.sleep(0.5)

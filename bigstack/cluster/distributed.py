"""Workers of a Dask scheduler, on this machine or on others, of which some may die."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import stderr
from typing import Any

from dask.highlevelgraph import HighLevelGraph
from distributed import WorkerPlugin

from bigstack.cluster.stream import Stream
from bigstack.cluster.threads import Done, Tick, prepare_process
from bigstack.errors import RunError

RETRIES = 2
"""Times a task that failed is tried again: writes over a network fail now and then."""

REGISTER_TRIES = 20

DEATHS = 5
"""Times a task is given anew to the cluster after workers that had it died: more is the task's own fault."""


IN_VAIN = 3
"""Times in a row without one task that came to its end."""


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
        left, death, in_vain = list(keys), None, 0
        for _ in range(DEATHS):
            before = len(left)
            with _scheduler_lost(self.client):
                left, death = self._try(graph, left, done, lambda n: tick(1 - n / len(keys)))
            if death is None:
                return
            in_vain = in_vain + 1 if len(left) == before else 0
            if in_vain == IN_VAIN:
                break
        raise RunError(
            f"{len(left)} tasks could not be computed: their workers died again and again ({death}). Most "
            "likely they ran out of memory: give workers more of it, tell bigstack with --memory-limit how "
            "much they have, or give a smaller --tile; the same command goes on where this run was"
        )

    def _try(
        self, graph: HighLevelGraph, keys: list, done: Done, left: Callable[[int], None]
    ) -> tuple[list, Any]:
        """Compute `keys`; those that died with their workers, and how."""
        count = len(keys)

        def one(key: Any, value: Any) -> None:
            nonlocal count
            done(key, value)
            count -= 1
            left(count)

        stream = Stream(self.client, graph, keys, threads=self.workers, retries=RETRIES)
        stream.run(one)
        return list(stream.left), stream.death


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

    def __init__(self, version: str) -> None:
        self.version = version

    def setup(self, worker: Any) -> None:
        """Limit threads of libraries, as tasks are as many as there are processors.

        A worker that comes later with another version leaves again: its tiles might have other bits.
        """
        found = _version(worker)
        if found != self.version:
            print(f"this worker has bigstack {found}, the run {self.version}: it takes no part", file=stderr)
            worker.loop.add_callback(worker.close)
            return
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

    for address, answer in _ask_versions(client).items():
        # A worker that cannot even read the question answers with a text of what it lacks.
        if isinstance(answer, Exception) and "ModuleNotFoundError" in repr(answer):
            raise RunError(f"workers at {where} lack a package: {answer}; install bigstack there") from answer
        if isinstance(answer, str) and answer != bigstack.__version__:
            raise RunError(
                f"worker {address} has bigstack {answer}, this is {bigstack.__version__}; "
                "install equal versions"
            )
    _register(client)


def _ask_versions(client: Any) -> dict[str, Any]:
    """What each worker says; one that dies while it is asked says an error, and is asked no more."""
    try:
        return dict(client.run(_version, on_error="return"))
    except Exception as error:
        if "ModuleNotFoundError" not in repr(error):
            raise
        return {"": error}


def _register(client: Any) -> None:
    """Have all workers prepared; the scheduler tells those that come later too."""
    from distributed.comm import CommClosedError

    import bigstack

    for left in reversed(range(REGISTER_TRIES)):
        try:
            return client.register_plugin(_Prepare(bigstack.__version__))
        except CommClosedError:  # a worker died while it was told
            if not left:
                raise
        time.sleep(0.5)

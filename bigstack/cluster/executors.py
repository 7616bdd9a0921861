"""Executors: each computes the keys of a graph and tells the driver as they come."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.plan import available_workers
from bigstack.errors import InputError, RunError

Done = Callable[[Any, Any], None]
Tick = Callable[[float], None]

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""

FOLD_WEIGHT = 20
"""Tasks that fold over all frames take about this many times longer than any other."""


class ThreadExecutor:
    """Threads of this process; OpenCV keeps to one thread a task."""

    in_process = True

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, graph: HighLevelGraph, keys: list, done: Done, tick: Tick = lambda share: None) -> None:
        """Compute `keys`; ``done`` is called in the driver's thread, ``tick`` with the share of work done."""
        from dask.array.optimization import optimize
        from dask.callbacks import Callback
        from dask.threaded import get

        _prepare_process(self.workers)
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


class DistributedExecutor:
    """A Dask cluster, this machine's or another."""

    in_process = False

    def __init__(self, client: Any, workers: int) -> None:
        self.client = client
        self.workers = workers

    def run(self, graph: HighLevelGraph, keys: list, done: Done, tick: Tick = lambda share: None) -> None:
        """Compute `keys`; results are taken from the workers, and forgotten there, as they are ready."""
        from dask.delayed import Delayed
        from distributed import as_completed

        futures = self.client.compute([Delayed(key, graph, layer=key[0]) for key in keys])
        numbers = {future.key: key for future, key in zip(futures, keys, strict=True)}
        queue = as_completed(futures, with_results=True)
        del futures
        try:
            for count, (future, result) in enumerate(queue, 1):
                done(numbers[future.key], result)
                future.release()
                tick(count / len(keys))
        except BaseException:
            for future in list(queue.futures):
                future.cancel()
            raise


def count_workers(wanted: int | None) -> int:
    """Tasks at once: as many as asked for, else one a processor."""
    return wanted or available_workers()


def _prepare_process(threads: int) -> None:
    """Keep OpenCV to one thread a task, and as many decoded frames as the memory plan counts."""
    import cv2

    from bigstack.io.ring import FRAMES

    cv2.setNumThreads(1)
    FRAMES.limit(frames=threads + 2)


def _prepare_worker(dask_worker: Any) -> str:
    import bigstack

    _prepare_process(dask_worker.state.nthreads)
    return bigstack.__version__


@contextmanager
def open_executor(
    *,
    workers: int | None = None,
    processes: bool = False,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    memory_limit: int | None = None,
) -> Iterator[ThreadExecutor | DistributedExecutor]:
    """Give an executor, and close what it opened.

    Parameters
    ----------
    workers
        Tasks at once; as many as there are processors when not given. A running cluster has its own.
    processes
        Worker processes of this machine instead of threads.
    scheduler
        Address of a running Dask scheduler, such as ``tcp://host:8786``.
    scheduler_file
        Its scheduler file, instead of the address.
    memory_limit
        Bytes a worker process may use, for `processes`.
    """
    given = [name for name, value in _choices(processes, scheduler, scheduler_file).items() if value]
    if len(given) > 1:
        raise InputError(f"only one of {', '.join(given)} can say where to run")
    if not given:
        yield ThreadExecutor(count_workers(workers))
        return
    if processes:
        with _local_client(count_workers(workers), memory_limit) as client:
            yield DistributedExecutor(client, count_workers(workers))
        return
    with _remote_client(scheduler, scheduler_file) as client:
        yield DistributedExecutor(client, sum(client.nthreads().values()))


def _choices(processes: bool, scheduler: Any, scheduler_file: Any) -> dict[str, Any]:
    return {"--processes": processes, "--scheduler": scheduler, "--scheduler-file": scheduler_file}


@contextmanager
def _local_client(workers: int, memory_limit: int | None) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with _interrupts_ignored():
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # the usual port may be another cluster's
            memory_limit=memory_limit or "auto",
            silence_logs=40,
        )
    with cluster, Client(cluster) as client:
        client.run(_prepare_worker)
        yield client


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let processes started here not hear Ctrl-C, which a terminal sends to all: the driver ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _remote_client(scheduler: str | None, scheduler_file: Path | None) -> Iterator[Any]:
    from distributed import Client

    import bigstack

    where = scheduler or str(scheduler_file)
    if scheduler_file is not None and not scheduler_file.exists():
        raise InputError(f"no scheduler file at {scheduler_file}")
    try:
        client = Client(address=scheduler, scheduler_file=scheduler_file, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise RunError(f"no Dask scheduler answers at {where} ({error}); is it running?") from error
    with client:
        try:
            versions = client.run(_prepare_worker)
        except ModuleNotFoundError as error:
            raise RunError(f"workers at {where} lack a package: {error}; install bigstack there") from error
        if not versions:
            raise RunError(f"the scheduler at {where} has no workers; start some with: dask worker {where}")
        other = {address: v for address, v in versions.items() if v != bigstack.__version__}
        if other:
            address, version = next(iter(other.items()))
            raise RunError(
                f"worker {address} has bigstack {version}, this is {bigstack.__version__}; "
                "install equal versions"
            )
        yield client

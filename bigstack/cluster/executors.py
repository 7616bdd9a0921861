"""Opens the place where a run computes, and closes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigstack.cluster.settings import Cluster
from bigstack.cluster.threads import ThreadExecutor
from bigstack.engine.plan import available_workers
from bigstack.errors import InputError, RunError

if TYPE_CHECKING:
    from bigstack.cluster.distributed import DistributedExecutor

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer, and to have its first worker."""


def count_workers(wanted: int | None) -> int:
    """Tasks at once: as many as asked for, else one a processor.

    Parameters
    ----------
    wanted
        Tasks at once; None for one a processor that this process may use.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> count_workers(3)
    3
    """
    return wanted or available_workers()


def tasks_at_once(
    *,
    workers: int | None = None,
    processes: bool = False,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    cluster: Cluster | None = None,
) -> tuple[int, int]:
    """Tasks that run at once in one process, which its memory has to hold, and in all of them.

    Parameters
    ----------
    workers, processes, scheduler, scheduler_file, cluster
        As `open_executor`; a running cluster is asked for the workers it has now.

    Returns
    -------
    tuple
        In one process, and in all.

    Examples
    --------
    >>> tasks_at_once(workers=3, processes=True)
    (1, 3)
    """
    _given(processes, scheduler, scheduler_file, cluster)
    if scheduler is not None or scheduler_file is not None:
        with _remote_client(scheduler, scheduler_file) as client:
            threads = client.nthreads().values()
            return max(threads, default=1), sum(threads) or 1
    if cluster is not None and cluster.kind == "slurm":
        from bigstack.cluster.slurm import cores_of

        cores = cores_of(cluster)
        return cores, cores * (cluster.jobs or 1)
    count = count_workers(workers)
    return 1 if processes or cluster is not None else count, count


def tasks_a_process(**where: Any) -> int:
    """Tasks that run at once in one process.

    Parameters
    ----------
    where
        As `open_executor`.

    Returns
    -------
    int
        Tasks.

    Examples
    --------
    >>> tasks_a_process(workers=3, processes=True)
    1
    """
    return tasks_at_once(**where)[0]


@contextmanager
def open_executor(
    *,
    workers: int | None = None,
    processes: bool = False,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    cluster: Cluster | None = None,
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
    cluster
        A cluster to start, and to end with the run.
    memory_limit
        Bytes a worker process may use, for `processes` and `cluster`.

    Yields
    ------
    ThreadExecutor or DistributedExecutor
        ``run(graph, keys, done, tick)`` computes keys of a graph.

    Raises
    ------
    InputError
        When several say where to run.
    RunError
        When a scheduler does not answer, or its workers have another version.

    Examples
    --------
    >>> with open_executor(workers=2) as executor:
    ...     executor.workers
    2
    """
    given = _given(processes, scheduler, scheduler_file, cluster)
    if not given:
        yield ThreadExecutor(count_workers(workers))
        return
    from bigstack.cluster.distributed import DistributedExecutor

    if scheduler or scheduler_file:
        with _remote_client(scheduler, scheduler_file) as client:
            yield DistributedExecutor(client, sum(client.nthreads().values()), about=_about(client))
    elif cluster is not None and cluster.kind == "slurm":
        from bigstack.cluster.slurm import cores_of, slurm_client

        with slurm_client(cluster, memory_limit) as client:
            threads = (cluster.jobs or 1) * cores_of(cluster)
            yield DistributedExecutor(client, threads, about=_about(client))
    else:
        from bigstack.cluster.local import local_client

        count = count_workers(workers)
        adaptive = cluster is not None and cluster.adaptive
        with local_client(count, memory_limit, adaptive=adaptive) as client:
            yield DistributedExecutor(client, count, about=_about(client) if cluster is not None else "")


def _given(processes: bool, scheduler: Any, scheduler_file: Any, cluster: Any) -> list[str]:
    """Options that say where to run, one of them at most."""
    choices = {
        "--processes": processes, "--scheduler": scheduler, "--scheduler-file": scheduler_file,
        "--cluster": cluster,
    }  # fmt: skip
    given = [name for name, value in choices.items() if value]
    if len(given) > 1:
        raise InputError(f"only one of {', '.join(given)} can say where to run")
    return given


def _about(client: Any) -> str:
    link = client.dashboard_link
    return f"dashboard at {link}" if link else f"scheduler at {client.scheduler.address}"


@contextmanager
def _remote_client(scheduler: str | None, scheduler_file: Path | None) -> Iterator[Any]:
    from distributed import Client

    from bigstack.cluster.distributed import prepare_workers

    where = scheduler or str(scheduler_file)
    if scheduler_file is not None and not scheduler_file.exists():
        raise InputError(f"no scheduler file at {scheduler_file}")
    try:
        client = Client(address=scheduler, scheduler_file=scheduler_file, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise RunError(f"no Dask scheduler answers at {where} ({error}); is it running?") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise RunError(
                f"the scheduler at {where} has no workers; start some with: dask worker {where}"
            ) from error
        prepare_workers(client, where)
        yield client

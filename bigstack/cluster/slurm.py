"""Workers that are jobs of a SLURM queue, by dask-jobqueue and the site's own configuration of it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bigstack.cluster.settings import Cluster
from bigstack.errors import InputError, RunError

NO_THREADS = [f"export {name}=1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
"""Lines of a job's script: tasks are as many as there are processors, so libraries need no threads."""


@contextmanager
def slurm_client(cluster: Cluster, memory_limit: int | None) -> Iterator[Any]:
    """Client of a scheduler in this process whose workers are queued; waits until the first one runs.

    Raises
    ------
    InputError
        When the package for queues is missing, or neither options nor configuration say how large jobs are.
    RunError
        When the queue refuses jobs.
    """
    from distributed import Client

    from bigstack.cluster.distributed import prepare_workers

    with _started(cluster, memory_limit) as queue:
        _check_accepted(queue.job_script())
        jobs = cluster.jobs or 1
        with Client(queue) as client:
            if cluster.adaptive:
                queue.adapt(minimum_jobs=1, maximum_jobs=jobs)
            else:
                queue.scale(jobs=jobs)
            client.wait_for_workers(1)
            prepare_workers(client, "SLURM jobs")
            yield client


def _check_accepted(script: str) -> None:
    """Ask SLURM whether it would run such a job: once queued, nobody hears of a refusal."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        try:
            subprocess.run(["sbatch", "--test-only", file.name], check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise RunError(
                "--cluster slurm needs sbatch, which is not here: run it on a login node"
            ) from error
        except subprocess.CalledProcessError as error:
            raise RunError(f"SLURM takes no such jobs: {error.stderr.strip()}") from error


def cores_of(cluster: Cluster) -> int:
    """Processors of a job, as the options or the site's configuration say."""
    import dask

    _jobqueue()
    cores = cluster.cores or dask.config.get("jobqueue.slurm.cores", None)
    if not cores:
        raise InputError(
            "--cluster slurm needs --cores, the processors of a job, or jobqueue.slurm.cores in dask's "
            "configuration"
        )
    return int(cores)


def _started(cluster: Cluster, memory_limit: int | None) -> Any:
    import dask

    jobqueue = _jobqueue()
    wanted = {
        "cores": cores_of(cluster),
        "memory": f"{memory_limit}B" if memory_limit else None,
        "walltime": cluster.walltime,
        "queue": cluster.partition,
        "account": cluster.account,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    prologue = [*NO_THREADS, *(dask.config.get("jobqueue.slurm.job-script-prologue", None) or [])]
    # Login nodes are shared: 8787 is often somebody else's. The address is told anyway.
    options = {"dashboard_address": ":0", **(dask.config.get("jobqueue.slurm.scheduler-options", None) or {})}
    return jobqueue.SLURMCluster(
        **given, processes=1, job_script_prologue=prologue, scheduler_options=options
    )


def _jobqueue() -> Any:
    try:
        import dask_jobqueue
    except ModuleNotFoundError as error:
        raise InputError(
            "--cluster slurm needs the package dask-jobqueue; install it with: pip install 'bigstack[slurm]'"
        ) from error
    return dask_jobqueue

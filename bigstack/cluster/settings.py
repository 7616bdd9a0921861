"""What a cluster that a run starts for itself is like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from bigstack.errors import InputError, choose
from bigstack.names import ClusterKind


@dataclass(frozen=True)
class Cluster:
    """A cluster to start; what is None is as dask's own configuration says.

    Examples
    --------
    >>> Cluster("slurm", jobs=8, cores=4, walltime="02:00:00", partition="long").jobs
    8
    """

    kind: ClusterKind
    """``local``: processes of this machine. ``slurm``: jobs of a SLURM queue."""
    jobs: int | None = None
    """Jobs in the queue, each one worker process; one when not given."""
    cores: int | None = None
    """Processors of a job, each a task at a time."""
    walltime: str | None = None
    """Time limit of a job, as SLURM writes it; jobs that end early cost their tiles in flight."""
    partition: str | None = None
    account: str | None = None
    adaptive: bool = False
    """Ask for workers as there is work for them, instead of for all at once."""

    def __post_init__(self) -> None:
        choose(self.kind, get_args(ClusterKind), "cluster")
        for name in ("jobs", "cores"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        options = ("jobs", "cores", "walltime", "partition", "account")
        given = [name for name in options if getattr(self, name)]
        if self.kind == "local" and given:
            raise InputError(f"{given[0]} belongs to cluster slurm; a local one takes workers")

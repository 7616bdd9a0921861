"""Where a run computes: threads of this process, processes of this machine, a queue, a Dask scheduler."""

from bigstack.cluster.executors import count_workers, open_executor, tasks_a_process, tasks_at_once
from bigstack.cluster.settings import Cluster
from bigstack.cluster.threads import ThreadExecutor

__all__ = ["Cluster", "ThreadExecutor", "count_workers", "open_executor", "tasks_a_process", "tasks_at_once"]

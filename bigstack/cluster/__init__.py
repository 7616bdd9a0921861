"""Where a run computes: threads of this process, processes of this machine, or a Dask scheduler."""

from bigstack.cluster.executors import DistributedExecutor, ThreadExecutor, count_workers, open_executor

__all__ = ["DistributedExecutor", "ThreadExecutor", "count_workers", "open_executor"]

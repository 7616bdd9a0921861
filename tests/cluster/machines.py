"""A scheduler and workers as real processes, to be killed."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Machines:
    """Starts processes, and ends them all in the end."""

    def __init__(self, folder: Path, *, worker_ttl: str = "300s"):
        self.file = folder / "scheduler.json"
        self.environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": worker_ttl}
        self.scheduler = None
        self.workers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                process.kill()
                process.wait()

    def start_scheduler(self):
        self.file.unlink(missing_ok=True)
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        while not self.file.exists() or not self.file.read_text():
            assert self.scheduler.poll() is None
            time.sleep(0.05)

    def start_worker(self, *words):
        self.workers.append(
            self._start("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory",
                        str(self.file.parent), *words)
        )  # fmt: skip

    def _start(self, what, *words):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--scheduler-file", str(self.file)]
        return subprocess.Popen([*command, "--no-dashboard", *words], env=self.environment, **QUIET)

    def kill_one(self, rng: random.Random):
        """SIGKILL a worker, whatever it is doing, and start another, as a cluster's manager does."""
        victim = rng.choice(self.workers)
        victim.kill()
        victim.wait()
        self.workers.remove(victim)
        self.start_worker()

"""A scheduler and workers as real processes, to be killed."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path


class Machines:
    """Starts processes, and ends them all in the end."""

    def __init__(self, folder: Path, *, worker_ttl: str = "300s"):
        self.file = folder / "scheduler.json"
        self.environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": worker_ttl}
        self.scheduler = None
        self.workers = []
        self.nannies = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.nannies:
            process.terminate()
            process.wait(20)
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                process.kill()
                process.wait()

    def start_scheduler(self, *words):
        self.file.unlink(missing_ok=True)
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", *words)
        while not self.file.exists() or not self.file.read_text():
            assert self.scheduler.poll() is None
            time.sleep(0.05)

    def start_worker(self, *words):
        self.workers.append(
            self._start("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory",
                        str(self.file.parent), *words)
        )  # fmt: skip

    def start_guarded_worker(self, limit, log):
        """A worker with a nanny, which kills it when it takes more memory, and starts it again."""
        with log.open("w") as stderr:
            self.nannies.append(
                self._start("worker", "--nthreads", "1", "--host", "127.0.0.1", "--memory-limit", limit,
                            "--local-directory", str(self.file.parent), stderr=stderr)
            )  # fmt: skip

    def _start(self, what, *words, stderr=subprocess.DEVNULL):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--scheduler-file", str(self.file)]
        return subprocess.Popen(
            [*command, "--no-dashboard", *words],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )

    def kill_one(self, rng: random.Random):
        """SIGKILL a worker, whatever it is doing, and start another, as a cluster's manager does."""
        victim = rng.choice(self.workers)
        victim.kill()
        victim.wait()
        self.workers.remove(victim)
        self.start_worker()

"""Worker processes of this machine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def local_client(workers: int, memory_limit: int | None, *, adaptive: bool = False) -> Iterator[Any]:
    """Client of a scheduler and `workers` processes that listen on loopback only.

    Adaptive ones are started as there is work for them, and ended when there is none.
    """
    from distributed import Client, LocalCluster

    from bigstack.cluster.distributed import prepare_workers

    with _interrupts_ignored():
        cluster = LocalCluster(
            n_workers=1 if adaptive else workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Without an address the web server would take port 8787 of all interfaces.
            dashboard_address="127.0.0.1:0",
            memory_limit=memory_limit or "auto",
            silence_logs=40,
        )
    with cluster, Client(cluster) as client:
        if adaptive:
            cluster.adapt(minimum=1, maximum=workers)
        prepare_workers(client, "this machine")
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

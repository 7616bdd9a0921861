"""The same bits from threads, processes and a scheduler; clear errors where there is none."""

import dask.array as da
import numpy as np
import psutil
import pytest
import xarray as xr

from bigstack.cluster import Cluster, executors, open_executor
from bigstack.engine.layout import Layout
from bigstack.engine.store import store
from bigstack.errors import InputError, RunError
from bigstack.fusion import fuse_by
from bigstack.io.sink import ImageSpec, Sink

STACK = np.random.default_rng(5).integers(0, 256, (4, 150, 170, 3), dtype=np.uint8)


class Memory(Sink):
    def __init__(self):
        self.spec = ImageSpec(STACK.shape[1:], "uint8")
        self.pixels = np.zeros(STACK.shape[1:], np.uint8)

    def __getstate__(self):
        return {"spec": self.spec}

    def open(self):
        pass

    def encode(self, tile, pixels):
        return pixels.copy()

    def put(self, tile, encoded):
        self.pixels[tile.slices] = encoded

    def finish(self):
        pass

    def abort(self):
        pass


def run(tmp_path, **where):
    stack = xr.DataArray(da.from_array(STACK, chunks=(1, 64, 64, 3)), dims=("z", "y", "x", "channel"))
    image = fuse_by(stack, Layout(tile=64, scratch=tmp_path / "scratch")).image
    sink = Memory()
    with open_executor(**where) as executor:
        store([image.data], [sink], executor)
    return sink.pixels


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return run(tmp_path_factory.mktemp("threads"), workers=1)


def test_threads(tmp_path, expected):
    assert np.array_equal(run(tmp_path, workers=3), expected)


def test_processes(tmp_path, expected):
    assert np.array_equal(run(tmp_path, workers=2, processes=True), expected)


def test_a_local_cluster_listens_on_loopback_only():
    with open_executor(cluster=Cluster("local"), workers=1):
        me = psutil.Process()
        found = [c.laddr.ip for p in (me, *me.children(recursive=True)) for c in p.net_connections()
                 if c.status == psutil.CONN_LISTEN]  # fmt: skip
    assert set(found) == {"127.0.0.1"}


def test_a_running_scheduler(tmp_path, expected):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=":0",
        protocol="tcp",
        host="127.0.0.1",
    ) as cluster:
        assert np.array_equal(run(tmp_path, scheduler=cluster.scheduler_address), expected)


def test_no_scheduler_there(monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(RunError, match="no Dask scheduler answers at tcp"),
        open_executor(scheduler="tcp://127.0.0.1:1"),
    ):
        pass


def test_no_scheduler_file(tmp_path):
    with (
        pytest.raises(InputError, match="no scheduler file"),
        open_executor(scheduler_file=tmp_path / "none.json"),
    ):
        pass


def test_one_place_to_run_only():
    with (
        pytest.raises(InputError, match="only one of --processes, --scheduler"),
        open_executor(processes=True, scheduler="tcp://127.0.0.1:1"),
    ):
        pass

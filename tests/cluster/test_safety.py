"""TLS as dask's configuration says, workers that are not as the driver, workers as work asks for them."""

import os
import subprocess
import sys
import time

import cv2
import dask
import numpy as np
import pytest
from dask._task_spec import Task
from distributed import Security

from bigstack.cluster import Cluster, open_executor
from bigstack.io.fake import FakeSource

from .machines import Machines


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    source = FakeSource((2, 200, 300, 1), "uint8")
    for z in range(2):
        cv2.imwrite(str(folder / f"{z}.png"), source.read(z, slice(0, 200), slice(0, 300)))
    return folder


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Dask's configuration, as environment, of a certificate signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    keys = Security.temporary()
    (folder / "ca.pem").write_text(keys.tls_ca_file)
    (folder / "cert.pem").write_text(keys.tls_client_cert)
    (folder / "key.pem").write_text(keys.tls_client_key)
    parts = {"CA_FILE": "ca.pem"}
    for role in ("CLIENT", "WORKER", "SCHEDULER"):
        parts |= {f"{role}__CERT": "cert.pem", f"{role}__KEY": "key.pem"}
    found = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in parts.items()}
    return {**found, "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}


def stack(frames, out, *words, environment=None):
    command = [sys.executable, "-m", "bigstack", "stack", frames, "-o", out, "--align", "none", *words]
    return subprocess.run(
        [str(word) for word in command], env={**os.environ, **(environment or {})}, capture_output=True,
        text=True, timeout=90,
    )  # fmt: skip


def same_pixels(*paths):
    first, *others = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths]
    return all(np.array_equal(first, other) for other in others)


def test_a_scheduler_that_speaks_tls(frames, tls, tmp_path):
    with Machines(tmp_path) as machines:
        machines.environment |= tls
        machines.start_scheduler("--protocol", "tls")
        machines.start_worker("--protocol", "tls")
        where = ("--scheduler-file", machines.file)
        assert '"tls://127.0.0.1:' in machines.file.read_text()
        run = stack(frames, tmp_path / "tls.tif", *where, environment=tls)
        assert run.returncode == 0, run.stderr
        refused = stack(frames, tmp_path / "plain.tif", *where)
    assert refused.returncode == 1
    assert "tls" in refused.stderr.lower()
    assert "Traceback" not in refused.stderr
    assert stack(frames, tmp_path / "threads.tif").returncode == 0
    assert same_pixels(tmp_path / "threads.tif", tmp_path / "tls.tif")


def test_a_local_cluster_that_must_speak_tls(tls):
    names = {key[5:].lower().replace("__", ".").replace("_", "-"): value for key, value in tls.items()}
    with dask.config.set(names), open_executor(cluster=Cluster("local"), workers=1) as executor:
        assert executor.client.scheduler.address.startswith("tls://127.0.0.1:")
        assert executor.about.startswith("dashboard at http")


def fake_package(folder, text):
    """A folder for PYTHONPATH whose code runs before all else in a worker."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(text)
    return str(folder)


ANOTHER = "import bigstack; bigstack.__version__ = '0.0.1'"
NONE = """
import sys
class No:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'bigstack':
            raise ModuleNotFoundError("No module named 'bigstack'", name='bigstack')
sys.meta_path.insert(0, No())
"""


@pytest.mark.parametrize(
    ("text", "message"), [(ANOTHER, "has bigstack 0.0.1, this is"), (NONE, "lack a package")]
)
def test_workers_of_another_version_or_none(frames, tmp_path, text, message):
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        path = fake_package(tmp_path / "other", text) + os.pathsep + os.environ.get("PYTHONPATH", "")
        machines.environment["PYTHONPATH"] = path
        machines.start_worker()
        run = stack(frames, tmp_path / "o.tif", "--scheduler-file", machines.file)
    assert run.returncode == 1
    assert message in run.stderr
    assert "install" in run.stderr
    assert not (tmp_path / "o.tif").exists()


def test_a_worker_of_another_version_that_comes_later_leaves(tmp_path):
    with Machines(tmp_path) as machines:
        machines.start_scheduler()
        machines.start_worker()
        with open_executor(scheduler_file=machines.file) as executor:
            path = fake_package(tmp_path / "other", ANOTHER) + os.pathsep + os.environ.get("PYTHONPATH", "")
            machines.environment["PYTHONPATH"] = path
            machines.start_worker()
            machines.workers[-1].wait(60)
            assert len(executor.client.nthreads()) == 1


def rest(number):
    time.sleep(0.5)
    return os.getpid()


def test_an_adaptive_cluster_grows_with_the_work():
    with open_executor(cluster=Cluster("local", adaptive=True), workers=2) as executor:
        assert len(executor.client.nthreads()) == 1
        graph = {("rest", i): Task(("rest", i), rest, i) for i in range(24)}
        found = {}
        executor.run(graph, list(graph), found.__setitem__)
        assert len(found) == 24
        assert len(set(found.values())) == 2

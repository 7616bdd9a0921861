"""An S3 server, buckets on it, and stacks to put there."""

import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest

from bigstack.cli import main
from bigstack.io import object_store
from bigstack.io.fake import FakeSource
from bigstack.io.remote import RemotePath

from .servers import Moto, Proxy

pytest.importorskip("obstore", reason="stores need the extra s3")
pytest.importorskip("moto", reason="an S3 server to test with is in the extra test")

NUMBERS = itertools.count()
SHAPE = (3, 1100, 1300, 1)
"""Of the stack that runs are made of; nine tiles of 512."""


@pytest.fixture(scope="session")
def moto():
    with Moto() as server:
        yield server


@pytest.fixture
def bucket(moto, monkeypatch):
    """Address of a new bucket, on the server that the environment names."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto.address,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    name = f"bucket{next(NUMBERS)}"
    moto.make_bucket(name)
    object_store.REPEATS.take()
    return f"s3://{name}"


@pytest.fixture
def faulty(moto, bucket, monkeypatch):
    """Put a proxy that fails as it is told between this environment and the bucket."""
    proxies = []

    def start(fail):
        proxy = Proxy(moto.port, fail).__enter__()
        proxies.append(proxy)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        monkeypatch.setattr(object_store, "FIRST_PAUSE", 0.002)
        return proxy

    yield start
    for proxy in proxies:
        proxy.__exit__()


@pytest.fixture
def bigstack(capsys):
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return run


@pytest.fixture
def process():
    """Start the command in a process of its own."""

    def start(*words, **options):
        command = [sys.executable, "-m", "bigstack", *(str(word) for word in words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    return start


@pytest.fixture(scope="session")
def frames(tmp_path_factory):
    """Three frames of nine tiles."""
    folder = tmp_path_factory.mktemp("frames")
    source = FakeSource(SHAPE, "uint8")
    for z in range(SHAPE[0]):
        cv2.imwrite(str(folder / f"{z}.png"), source.read(z, slice(0, SHAPE[1]), slice(0, SHAPE[2])))
    return folder


@pytest.fixture(scope="session")
def fused(frames, tmp_path_factory):
    """What the command makes of them on a disk: all levels."""
    out = tmp_path_factory.mktemp("fused") / "o.ome.zarr"
    with pytest.raises(SystemExit) as stop:
        main(["stack", str(frames), "-o", str(out), "--align", "none", "--tile", "512", "-q"])
    assert stop.value.code == 0
    return out


def keys(address):
    """Names of all objects below a place."""
    return sorted(name for name, _ in RemotePath(address).files_below())


def upload(folder, address):
    """Copy a folder, as any tool does."""
    place = RemotePath(address)
    files = [path for path in folder.rglob("*") if path.is_file()]
    send = lambda path: (place / path.relative_to(folder).as_posix()).write_bytes(path)  # noqa: E731
    list(object_store.ahead(send, files, 8))


def download(address, folder):
    """Copy a store to a disk, as any tool does."""
    place = RemotePath(address)

    def fetch(name):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((place / name).read_bytes())

    list(object_store.ahead(fetch, keys(address), 8))
    return folder


def assert_equal_files(found, expected):
    """Same names, and same bytes of every chunk; descriptions name the run and may differ."""
    names = [
        sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        for folder in (found, expected)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        if not name.endswith((".json", ".zattrs", ".zgroup", ".zarray")):
            assert (found / name).read_bytes() == (expected / name).read_bytes(), name


def texture(shape, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)

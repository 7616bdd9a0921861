"""A full disk, played by a limit on the size of files in a process of its own, or by the error it gives."""

import contextlib
import errno
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bigstack.errors import RunError
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink
from bigstack.io.writers.output import Output, remove

resource = pytest.importorskip("resource", reason="limits on file sizes are a POSIX matter")

SCRIPT = """
import resource, sys
import numpy as np
from bigstack.errors import RunError
from bigstack.geometry import tiles_of
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink

pixels = np.random.default_rng(0).integers(0, 256, (1024, 1024, 1), dtype=np.uint8)
sink = create_sink(sys.argv[1], ImageSpec(pixels.shape, "uint8"))
sink.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    for tile in tiles_of((1024, 1024), 512, 1024):
        sink.put(tile, sink.encode(tile, pixels[tile.slices]))
    sink.finish()
except RunError as error:
    print(error)
    sink.abort()
"""


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".npy", ".ome.zarr", ".zarr"])
def test_the_message_names_the_output_and_nothing_is_left(tmp_path, suffix):
    out = tmp_path / f"fused{suffix}"
    command = [sys.executable, "-c", SCRIPT, str(out), "100000"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert f"no space to write {out}" in found.stdout
    assert "may need 1.05 MB (uncompressed)" in found.stdout
    assert f"are free in {tmp_path}" in found.stdout
    assert list(tmp_path.iterdir()) == []


def test_full_while_the_last_bytes_are_written(tmp_path, monkeypatch):
    sink = create_sink(tmp_path / "a.tif", ImageSpec((8, 8, 1), "uint8"))
    sink.open()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sink, "_end", full)
    with pytest.raises(RunError, match=r"no space to write .*a\.tif"):
        sink.finish()
    assert list(tmp_path.iterdir()) == []


def test_full_before_the_first_byte(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    sink = create_sink(tmp_path / "a.ome.zarr", ImageSpec((8, 8, 1), "uint8"))
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RunError, match="quota"):
        sink.open()


def test_other_errors_stay_what_they_are(tmp_path):
    output = Output(tmp_path / "a.tif", overwrite=False, folder=False)
    with pytest.raises(PermissionError), output.writing(10):
        raise PermissionError(errno.EACCES, "closed")


def test_a_folder_is_put_back_when_it_cannot_be_replaced(tmp_path, write, picture, monkeypatch):
    path = write(tmp_path / "a.zarr", picture((9, 9, 1)))
    output = Output(path, overwrite=True, folder=True)
    output.claim()
    with pytest.raises(FileNotFoundError):
        output.publish(tmp_path / "not there")
    assert (path / "zarr.json").exists()
    output.release()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_folder_that_is_still_written_to_is_removed(tmp_path):
    """As by the other chunks of a tile when one of them failed."""
    folder = tmp_path / "a.zarr.partial"
    folder.mkdir()
    until = time.monotonic() + 0.2

    def keep_writing(i):
        while time.monotonic() < until:
            (folder / "c" / str(i)).mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):
                (folder / "c" / str(i) / "chunk").write_bytes(b"x")

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(keep_writing, i) for i in range(4)]
        time.sleep(0.05)
        remove(folder)
        for writer in writers:
            writer.exception()
    remove(folder)
    assert list(tmp_path.iterdir()) == []

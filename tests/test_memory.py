"""The memory law, as the operating system sees it: within the limit, whatever the area and the frames."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")

LIMIT = 700 * 10**6
# The plan would take larger tiles of a larger image, up to the limit.
WAY = ("--align", "none", "--tile", "1024", "--workers", "2", "--overwrite", "-q")


def peak(source: Path, output: Path) -> int:
    """Most anonymous memory of `bigstack stack`, bytes."""
    words = ["stack", source, "-o", output, "--memory-limit", str(LIMIT), *WAY]
    run = subprocess.Popen([sys.executable, "-m", "bigstack", *(str(word) for word in words)])
    most = 0
    while run.poll() is None:
        lines = Path(f"/proc/{run.pid}/status").read_text().splitlines()
        most = max([most, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))])
        time.sleep(0.01)
    assert run.returncode == 0
    return most


def make(path: Path, frames: int, side: int) -> Path:
    array = zarr.create_array(path, shape=(frames, side, side), chunks=(1, 512, 512), dtype="uint8")
    block = np.random.default_rng(3).integers(0, 256, (512, 512), dtype=np.uint8)
    for z in range(frames):
        array[z] = np.tile(np.roll(block, 7 * z, 0), (side // 512, side // 512))
    return path


def test_memory_stays_within_the_limit_and_does_not_grow(tmp_path):
    small = peak(make(tmp_path / "small.zarr", 6, 3072), tmp_path / "o.ome.zarr")
    frames = peak(make(tmp_path / "frames.zarr", 24, 3072), tmp_path / "o.ome.zarr")
    area = peak(make(tmp_path / "area.zarr", 6, 6144), tmp_path / "o.ome.zarr")
    assert max(small, frames, area) <= LIMIT
    assert max(frames, area) <= 1.15 * small

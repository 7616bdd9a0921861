"""Memory of writing depends on the tile, not on the image."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import re, sys
from pathlib import Path
import numpy as np
from bigstack.geometry import tiles_of
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink

height = int(sys.argv[2])
sink = create_sink(sys.argv[1], ImageSpec((height, 2048, 1), "uint8"))
sink.open()
pixels = np.random.default_rng(0).integers(0, 256, (512, 2048, 1), dtype=np.uint8)
for tile in tiles_of((height, 2048), 512, 2048):
    sink.put(tile, sink.encode(tile, pixels))
for level in range(1, sink.levels):
    for tile in sink.level_tasks(level):
        sink.build_level(level, tile)
sink.finish()
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak(path, height):
    command = [sys.executable, "-c", SCRIPT, str(path), str(height)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".npy", ".ome.zarr"])
def test_a_larger_image_takes_no_more(tmp_path, suffix):
    """8 and 32 MB of noise, which no format makes smaller."""
    small = peak(tmp_path / f"small{suffix}", 4096)
    large = peak(tmp_path / f"large{suffix}", 16384)
    assert large - small < 8e6

"""A few hundred damaged files of every format: read or refused, never a crash, a hang or much memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("fuzz_worker.py")
KINDS = {
    "frames": ("jpeg", "jpeg-progressive", "png", "png-palette", "webp", "webp-lossless", "bmp"),
    "tiff": ("tiff-strips", "tiff-tiles", "tiff-pages", "imagej", "ome-tiff"),
    "tiff codecs": (
        "tiff-deflate", "tiff-lzw", "tiff-zstd", "tiff-jpeg", "tiff-webp", "tiff-jpeg2000", "tiff-packbits",
        "tiff-lzma",
    ),
    "zarr": ("ome-zarr-0.4", "ome-zarr-0.5", "ome-zarr-sharded", "ome-zarr-blosc"),
}  # fmt: skip
COUNT = int(os.environ.get("BIGSTACK_FUZZ", "300"))
SEED = int(os.environ.get("BIGSTACK_FUZZ_SEED", "20"))


@pytest.mark.parametrize("family", KINDS)
def test_damaged_files(tmp_path, family):
    arguments = [",".join(KINDS[family]), str(COUNT), str(SEED), str(tmp_path)]
    found = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(WORKER), *arguments],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert found.returncode == 0, f"{found.returncode}: {found.stderr[-3000:]}"
    result = json.loads(found.stdout.splitlines()[-1])
    for kind in KINDS[family]:
        ends = result["ends"][kind]
        assert ends["refused"] + ends.get("read", 0) == COUNT
        assert ends["refused"] > COUNT // 20, kind
    assert result["peak_mb"] < 400

"""`describe` says what opening would give, in plain values."""

import json

import cv2
import numpy as np
import pytest
import tifffile

from bigstack.errors import StackError
from bigstack.io.info import describe


def test_frames(tmp_path):
    for i in range(3):
        cv2.imwrite(
            str(tmp_path / f"f{i}.jpg"), np.random.default_rng(i).integers(0, 255, (20, 30, 3)).astype("u1")
        )
    (tmp_path / "f3.jpg").write_bytes(b"no image")
    found = describe(tmp_path)
    assert found["kind"] == "JPEG frames"
    assert found["axes"] == {"z": 3, "y": 20, "x": 30, "channel": 3}
    assert found["dtype"] == "uint8"
    assert found["bytes"] == 3 * 20 * 30 * 3
    assert found["chunks"] == [20, 30]
    assert found["audit"]["skipped"][0]["name"] == "f3.jpg"
    json.dumps(found)
    with pytest.raises(StackError, match=r"f3\.jpg: not an image"):
        describe(tmp_path, skip_bad=False)


def test_ome_tiff(tmp_path):
    path = tmp_path / "s.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name in ("one", "two"):
            writer.write(
                np.zeros((2, 4, 64, 48), np.uint16), photometric="minisblack", tile=(32, 16),
                compression="zlib",
                metadata={
                    "axes": "CZYX", "Name": name, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5,
                    "PhysicalSizeZ": 2,
                    "Channel": {"Name": ["a", "b"]},
                },
            )  # fmt: skip
    found = describe(path, scene="two")
    assert found["kind"] == "OME-TIFF"
    assert found["axes"] == {"z": 4, "y": 64, "x": 48, "channel": 2}
    assert (found["scenes"], found["scene"], found["levels"]) == (["one", "two"], 1, [[64, 48]])
    assert found["pixel_size"] == [2.0, 0.5, 0.5]
    assert found["channels"] == ["a", "b"]
    assert found["storage"] == {"compression": "Deflate", "tile": [32, 16], "bits": 16}
    json.dumps(found)


def test_a_dtype_that_needs_rounding_is_shown_all_the_same(tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((3, 8, 9)), photometric="minisblack", metadata=None)
    found = describe(tmp_path / "s.tif")
    assert found["dtype"] == "float64"
    assert found["bytes"] == 3 * 8 * 9 * 8

import shutil

import numpy as np
import pytest

from bigstack.errors import RunError
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "int64"])
@pytest.mark.parametrize(("shape", "side"), [((33, 47, 3), 10), ((33, 47, 1), 10), ((5, 4, 2), None)])
def test_any_image_comes_back(tmp_path, write, picture, dtype, shape, side):
    image = picture(shape, dtype)
    found = np.load(write(tmp_path / "a.npy", image, side=side), allow_pickle=False)
    np.testing.assert_array_equal(found, image if shape[2] > 1 else image[..., 0])
    assert found.dtype == image.dtype


def test_room_is_checked_before_any_work(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    sink = create_sink(tmp_path / "a.npy", ImageSpec((100, 100, 1), "uint8"))
    with pytest.raises(RunError, match=r"a\.npy: it needs 10 kB and 1 kB are free"):
        sink.open()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_tile_is_no_image(tmp_path):
    sink = create_sink(tmp_path / "a.npy", ImageSpec((10, 10, 1), "uint8"))
    sink.open()
    sink.put(Tile(0, 5, 0, 10), np.zeros((5, 10, 1), np.uint8))
    with pytest.raises(RunError, match="50 pixels were never written"):
        sink.finish()
    assert list(tmp_path.iterdir()) == []

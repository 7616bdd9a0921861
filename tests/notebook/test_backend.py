"""xarray.open_dataset(path, engine="bigstack")."""

import numpy as np
import pytest
import tifffile
import xarray as xr

import bigstack
from bigstack.errors import BigstackError
from bigstack.notebook.backend import StackBackend


@pytest.fixture
def path(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 600, 700), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", pixels, photometric="minisblack")
    return tmp_path / "s.tif"


def test_engine_opens_what_open_stack_opens(path):
    found = xr.open_dataset(path, engine="bigstack", every=2)
    assert found.image.dims == ("z", "y", "x", "channel")
    np.testing.assert_array_equal(found.image.values, bigstack.open_stack(path, every=2).values)
    assert hasattr(found.image, "bigstack")
    fused = found.image.bigstack.fuse(method="average")
    np.testing.assert_array_equal(
        fused.image.values, bigstack.fuse(bigstack.open_stack(path, every=2), method="average").image.values
    )


def test_levels_are_a_tree(path, tmp_path):
    fused = bigstack.fuse(bigstack.open_stack(path))
    bigstack.write_image(fused.image, tmp_path / "o.ome.zarr")
    tree = xr.open_datatree(tmp_path / "o.ome.zarr", engine="bigstack")
    assert [tree[name].image.sizes["y"] for name in sorted(tree.children)] == [600, 300]
    single = xr.open_datatree(path, engine="bigstack")
    assert list(single.children) == ["0"]


def test_variables_can_be_dropped(path):
    assert list(xr.open_dataset(path, engine="bigstack", drop_variables="image")) == []


def test_errors_are_the_package_s_own(tmp_path):
    with pytest.raises(BigstackError):
        xr.open_dataset(tmp_path / "none.tif", engine="bigstack")


def test_other_engines_are_left_their_files(path):
    assert not StackBackend().guess_can_open(path)

"""Surfaces through the public function: units, sizes, holes, any chunks, errors that help."""

import re

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import bigstack
from bigstack.errors import InputError, MemoryLimitError

Y, X = np.mgrid[:211, :307].astype(np.float32)
HILL = 50 - 40 * np.exp(-((Y - 100) ** 2 + (X - 150) ** 2) / 3000)


def depth_map(values=HILL, **attrs):
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


def test_units_come_from_the_map():
    mesh = bigstack.surface(depth_map(unit="mm", units="micrometer", pixel_size=[None, 2.0, 3.0]))
    assert mesh.unit == "micrometer"
    size = np.ptp(mesh.vertices, axis=0)
    np.testing.assert_allclose(size, [306 * 3, 210 * 2, np.ptp(HILL) * 1000], rtol=1e-3)
    assert mesh.vertices[:, 2].max() == pytest.approx(-HILL.min() * 1000, rel=1e-3)


def test_scales_that_are_given_lead():
    found = depth_map(unit="frame")
    mesh = bigstack.surface(found, pixel_size=0.5, z_scale=1.5)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [153, 105, np.ptp(HILL) * 1.5], rtol=1e-2)
    flipped = bigstack.surface(found, pixel_size=0.5, z_scale=1.5, invert=True)
    np.testing.assert_array_equal(flipped.vertices * [1, 1, -1], mesh.vertices)
    exaggerated = bigstack.surface(depth_map(unit="micrometer"), pixel_size=0.5, z_scale=3.0)
    np.testing.assert_allclose(exaggerated.vertices[:, 2], 2 * mesh.vertices[:, 2])
    assert bigstack.surface(found, z_scale=2).unit == "pixel"


@pytest.mark.parametrize(
    ("how", "attrs", "said"),
    [
        ({}, {}, "give z_scale"),
        ({}, {"unit": "frame"}, "the pixels that one frame is"),
        ({"pixel_size": 2.0}, {"unit": "frame"}, "the micrometres that one frame is"),
        ({}, {"unit": "micrometer"}, "or pixel_size"),
        ({"z_scale": -1.0}, {}, "z_scale must be a positive number, got -1.0"),
        ({"z_scale": 1, "triangles": 1}, {}, "triangles must be at least 2"),
        ({"z_scale": 1, "max_step": -1}, {}, "max_step must be 0 or more"),
        ({"z_scale": 1, "valid": np.ones((3, 4))}, {}, "valid is (3, 4) and the map (211, 307)"),
        ({"z_scale": 1, "valid": np.zeros(HILL.shape)}, {}, "no pixel of the depth map has a depth"),
        ({"z_scale": 1, "texture": np.ones((211, 300, 3))}, {}, "the texture is 211 x 300 pixels"),
        ({"z_scale": 1, "texture": np.ones(7)}, {}, "a texture is an image (y, x, channel)"),
        ({"z_scale": 1, "max_step": 0.0}, {}, "no three neighbouring pixels"),
    ],
)
def test_what_cannot_be_says_what_to_do(how, attrs, said):
    with pytest.raises(InputError, match=re.escape(said)):
        bigstack.surface(depth_map(**attrs), **how)


@pytest.mark.parametrize("values", [np.ones((4, 5, 3)), np.ones(4), np.ones((2, 3), complex), [[1, 2]]])
def test_what_is_no_map_is_refused(values):
    with pytest.raises(InputError, match=r"a depth map (is|has|holds)"):
        bigstack.surface(values, z_scale=1)


def test_one_row_is_no_surface_and_all_nan_none_either():
    with pytest.raises(InputError, match="at least 2 x 2"):
        bigstack.surface(np.ones((1, 9)), z_scale=1)
    with pytest.raises(InputError, match="no pixel"):
        bigstack.surface(np.full((9, 9), np.nan), z_scale=1)
    assert len(bigstack.surface(np.ones((2, 2)), z_scale=1).faces) == 2


def test_outlines_ask_for_more_triangles():
    dots = np.full((60, 60), np.nan)
    dots[::3, ::3] = dots[1::3, ::3] = dots[::3, 1::3] = dots[1::3, 1::3] = 1
    assert len(bigstack.surface(dots, z_scale=1, triangles=2000).faces) == 800
    with pytest.raises(InputError, match="ask for more"):
        bigstack.surface(dots, z_scale=1, triangles=5)


@settings(max_examples=10, deadline=None)
@given(st.integers(40, 211), st.integers(40, 307), st.sampled_from([200, 900, 50_000]), st.booleans())
def test_chunks_never_change_a_bit(height, width, triangles, steps):
    values = np.where(np.random.default_rng(5).random(HILL.shape) < 0.02, np.nan, HILL)
    how = {"z_scale": 1.0, "triangles": triangles, "max_step": 30.0 if steps else None}
    whole = bigstack.surface(values, texture=HILL, **how)
    lazy = depth_map(da.from_array(values, chunks=(height, width)))
    found = bigstack.surface(lazy, texture=depth_map(da.from_array(HILL, chunks=(width, height))), **how)
    for name in ("vertices", "faces", "normals", "positions", "picture"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


@pytest.mark.parametrize("triangles", [100, 1000, 20_000])
def test_the_budget_is_kept_with_holes_too(triangles):
    valid = (Y - 60) ** 2 + (X - 80) ** 2 > 30**2
    mesh = bigstack.surface(HILL, valid=valid, z_scale=1, triangles=triangles)
    assert 0.4 * triangles < len(mesh.faces) <= triangles
    centre = mesh.vertices[mesh.faces].mean(axis=1)
    assert ((-centre[:, 1] - 60) ** 2 + (centre[:, 0] - 80) ** 2 > (30 - 2 * mesh.grid) ** 2).all()


def test_tolerance_bounds_the_error_and_saves_triangles():
    mesh = bigstack.surface(HILL, z_scale=2, tolerance=0.5)
    assert mesh.grid == 1
    assert len(mesh.faces) < 5000
    assert mesh.largest_error < 2 * 2 * 0.5


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((211, 307, 3), [9, 8, 7], np.uint8), (9, 8, 7)),
        (np.full((211, 307), 77, np.uint8), (77, 77, 77)),
        (np.full((211, 307, 4), [9, 8, 7, 0], np.uint8), (9, 8, 7)),
        (np.full((211, 307, 2), [100, 50], np.uint8), (75, 75, 75)),
    ],
)
def test_pictures_of_any_channels(image, expected):
    mesh = bigstack.surface(HILL, texture=image, z_scale=1, texture_size=100)
    assert max(mesh.picture.shape[:2]) <= 100
    assert (mesh.picture == expected).all()


def test_sixteen_bit_pictures_are_stretched():
    image = np.linspace(1000, 3000, 307, dtype=np.uint16) * np.ones((211, 1), np.uint16)
    mesh = bigstack.surface(HILL, texture=image, z_scale=1)
    assert mesh.picture.min() == 0
    assert mesh.picture.max() == 255
    assert 120 < mesh.picture[0, 153, 0] < 135


def test_memory_that_does_not_do_is_told():
    with pytest.raises(MemoryLimitError, match="memory_limit"):
        bigstack.surface(HILL, z_scale=1, triangles=10**7, memory_limit="1GB")


def test_meshes_are_written_by_the_ending(tmp_path):
    mesh = bigstack.surface(HILL, z_scale=1, triangles=500)
    assert bigstack.write_mesh(mesh, tmp_path / "m.ply") == [tmp_path / "m.ply"]
    with pytest.raises(bigstack.errors.OutputExistsError):
        bigstack.write_mesh(mesh, tmp_path / "m.ply")

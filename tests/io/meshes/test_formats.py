"""Files of meshes, read by a library that did not write them: trimesh."""

import json

import cv2
import numpy as np
import pytest
import trimesh

from bigstack.errors import FormatError, InputError, OutputExistsError
from bigstack.io import meshes
from bigstack.io.meshes import write_mesh_files
from bigstack.meshes import surface

ENDINGS = ["ply", "obj", "stl", "glb", "gltf"]
QUARTERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
"""Colours of the picture's quarters: top left, top right, bottom left, bottom right."""


def made(textured=True, unit="micrometer"):
    """A slope that is nearer on the right, its picture in four colours."""
    picture = np.zeros((64, 96, 3), np.uint8)
    for colour, (y, x) in zip(QUARTERS, ((0, 0), (0, 48), (32, 0), (32, 48)), strict=True):
        picture[y : y + 32, x : x + 48] = colour
    depth = 96 - np.mgrid[:64, :96][1].astype(np.float32) ** 1.5 / 10
    how = {"pixel_size": 0.5, "z_scale": 2.0} if unit == "micrometer" else {"z_scale": 4.0}
    return surface(depth, texture=picture if textured else None, triangles=3000, **how)


def read(path):
    return trimesh.load(path, process=False, force="mesh")


@pytest.mark.parametrize("ending", ENDINGS)
def test_another_program_reads_the_same_mesh(tmp_path, ending):
    mesh = made(textured=ending != "stl")
    write_mesh_files(mesh, tmp_path / f"m.{ending}")
    found = read(tmp_path / f"m.{ending}")
    factor = 1e-6 if ending.startswith("gl") else 1
    corners = mesh.vertices[mesh.faces] * factor
    np.testing.assert_allclose(found.triangles, corners, rtol=1e-5, atol=1e-5 * factor)
    assert ending == "stl" or found.is_winding_consistent
    assert (found.face_normals[:, 2] > 0).all()  # towards the viewer
    np.testing.assert_allclose(found.extents, np.array([47.5, 31.5, np.ptp(mesh.vertices[:, 2])]) * factor)


def test_coordinates_are_the_pictures():
    mesh = made()
    left, right = mesh.vertices[:, 0].argmin(), mesh.vertices[:, 0].argmax()
    assert mesh.vertices[left, 2] < mesh.vertices[right, 2]  # less depth is nearer to the viewer
    assert mesh.vertices[:, 1].max() == 0
    assert mesh.vertices[:, 1].min() == -63 * 0.5
    assert mesh.vertices[left, 2] == -96 * 2


@pytest.mark.parametrize("ending", ["ply", "obj", "glb", "gltf"])
def test_the_picture_lies_the_right_way_up(tmp_path, ending):
    write_mesh_files(made(unit="pixel"), tmp_path / f"m.{ending}")
    found = read(tmp_path / f"m.{ending}")
    colours = found.visual.to_color().vertex_colors if ending != "ply" else found.visual.vertex_colors
    x, y = found.vertices[:, 0], -found.vertices[:, 1]
    for colour, (top, left) in zip(
        QUARTERS, ((True, True), (True, False), (False, True), (False, False)), strict=True
    ):
        # Away from the borders of the quarters, which JPEG blurs.
        there = (y < 28 if top else y > 36) & (x < 44 if left else x > 52)
        assert there.sum() > 20
        assert np.abs(colours[there, :3].astype(int) - colour).max() < 30


def test_texture_coordinates_are_pixel_centres(tmp_path):
    mesh = made(unit="pixel")
    write_mesh_files(mesh, tmp_path / "m.obj")
    lines = (tmp_path / "m.obj").read_text().splitlines()
    first = np.array([line.split()[1:] for line in lines if line.startswith("vt ")], float)[0]
    np.testing.assert_allclose(first, [0.5 / 96, 1 - 0.5 / 64], rtol=1e-6)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["m.jpg", "m.mtl", "m.obj"]
    assert cv2.imread(str(tmp_path / "m.jpg")).shape == (64, 96, 3)
    assert "map_Kd m.jpg" in (tmp_path / "m.mtl").read_text()
    assert "mtllib m.mtl" in lines


def test_gltf_says_its_unit_and_its_bounds(tmp_path):
    mesh = made()
    write_mesh_files(mesh, tmp_path / "m.gltf")
    document = json.loads((tmp_path / "m.gltf").read_text())
    assert document["nodes"][0]["scale"] == [1e-6] * 3
    assert document["asset"]["extras"]["unit"] == "micrometer"
    position = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert position["max"] == mesh.vertices.max(axis=0).tolist()
    write_mesh_files(made(unit="pixel"), tmp_path / "p.gltf")
    assert "scale" not in json.loads((tmp_path / "p.gltf").read_text())["nodes"][0]


def test_stl_has_no_picture_and_others_need_none(tmp_path):
    with pytest.raises(FormatError, match="STL holds no texture"):
        write_mesh_files(made(), tmp_path / "m.stl")
    for ending in ENDINGS:
        write_mesh_files(made(textured=False), tmp_path / f"m.{ending}")
        assert len(read(tmp_path / f"m.{ending}").faces) > 1000
    assert not (tmp_path / "m.mtl").exists()


def test_unknown_endings_and_existing_files_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"\.ply, \.obj"):
        write_mesh_files(made(), tmp_path / "m.fbx")
    (tmp_path / "m.mtl").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"m\.mtl"):
        write_mesh_files(made(), tmp_path / "m.obj")
    assert [path.name for path in tmp_path.iterdir()] == ["m.mtl"]
    write_mesh_files(made(), tmp_path / "m.obj", overwrite=True)
    assert (tmp_path / "m.mtl").read_text() != "mine"
    with pytest.raises(InputError, match="does not exist"):
        write_mesh_files(made(), tmp_path / "no" / "m.ply")


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def broken(output, content):
        if output.path.suffix == ".obj":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(meshes, "_write", broken)
    with pytest.raises(OSError, match="No space"):
        write_mesh_files(made(), tmp_path / "m.obj")
    assert not list(tmp_path.iterdir())

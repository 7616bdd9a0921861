"""bigstack surface as a user runs it, from real stacks to files that another library reads."""

import signal
import time

import cv2
import numpy as np
import pytest
import trimesh


@pytest.fixture(scope="module")
def made(shared, tmp_path_factory):
    """Depth map and fused image of a microscope's stack."""
    from bigstack.cli import main

    folder = tmp_path_factory.mktemp("made")
    words = ["depth", shared / "data" / "zstack_ome", "-o", folder / "d.ome.tif", "--align", "none"]
    words += ["--fused-out", folder / "f.ome.tif", "--valid-out", folder / "v.png"]
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in [*words, "--quiet"]])
    assert stop.value.code == 0
    return folder


@pytest.mark.parametrize("ending", ["ply", "obj", "stl", "glb", "gltf"])
def test_a_real_stack_becomes_a_mesh_in_micrometres(bigstack, made, tmp_path, ending):
    words = () if ending == "stl" else ("--texture", made / "f.ome.tif")
    code, out, _ = bigstack(
        "surface", made / "d.ome.tif", "-o", tmp_path / f"m.{ending}", "--triangles", "20000", *words
    )
    assert code == 0
    assert "micrometer" in out
    found = trimesh.load(tmp_path / f"m.{ending}", process=False, force="mesh")
    assert 15_000 < len(found.faces) <= 20_000
    size = found.extents * (1e6 if ending.startswith("gl") else 1)
    # Centres of averaged pixels lie up to one and a half pixels from the border.
    np.testing.assert_allclose(size[:2], 511 * 1.3668, atol=3 * 1.3668)
    assert 20 < size[2] < 45
    assert (found.face_normals[:, 2] > 0).all()


def test_masks_and_steps_leave_holes(bigstack, made, tmp_path):
    words = ("--valid", made / "v.png", "--max-step", "6", "--triangles", "1000000")
    assert bigstack("surface", made / "d.ome.tif", "-o", tmp_path / "m.ply", *words)[0] == 0
    found = trimesh.load(tmp_path / "m.ply", process=False)
    assert np.ptp(found.triangles[..., 2], axis=1).max() <= 6.001
    valid = cv2.imread(str(made / "v.png"), 0)
    x, y = (np.rint(found.vertices[:, :2] / [1.3668, -1.3668])).astype(int).T
    assert valid[y, x].min() == 255


def test_bad_use_is_told(bigstack, made, tmp_path, frames):
    out = tmp_path / "m.stl"
    for words, said in [
        ((made / "d.ome.tif", "-o", tmp_path / "m.fbx"), ".ply, .obj"),
        ((made / "d.ome.tif", "-o", out, "--texture", made / "f.ome.tif"), "STL holds no texture"),
        ((made / "no.tif", "-o", out), "does not exist"),
        ((frames, "-o", out), "5 frames, a depth map has one"),
        ((frames / "f8.png", "-o", out), "3 channels, a depth map has one"),
        ((made / "v.png", "-o", out), "--z-scale"),
        ((made / "d.ome.tif", "-o", out, "--valid", frames / "f8.png"), "3 channels, a mask has one"),
    ]:
        code, _, err = bigstack("surface", *words)
        assert code in (1, 2)
        assert said in err
        assert not out.exists()
    out.write_text("mine")
    code, _, err = bigstack("surface", made / "d.ome.tif", "-o", out)
    assert code == 2
    assert "exists" in err
    assert out.read_text() == "mine"
    assert bigstack("surface", made / "d.ome.tif", "-o", out, "--overwrite", "--triangles", "500")[0] == 0
    assert len(trimesh.load(out).faces) <= 500


def test_units_can_be_told(bigstack, tmp_path):
    np.save(tmp_path / "d.npy", np.fromfunction(lambda y, x: np.hypot(y, x), (40, 50)).astype("f4"))
    words = ("--unit", "mm", "--pixel-size", "100,50", "--invert")
    assert bigstack("surface", tmp_path / "d.npy", "-o", tmp_path / "m.stl", *words)[0] == 0
    found = trimesh.load(tmp_path / "m.stl")
    np.testing.assert_allclose(found.extents, [49 * 50, 39 * 100, np.hypot(39, 49) * 1000], rtol=1e-5)
    assert found.bounds[0][2] == 0


def test_killed_while_writing_nothing_looks_complete_and_the_next_run_is_whole(process, tmp_path):
    np.save(tmp_path / "d.npy", np.random.default_rng(1).normal(0, 1, (600, 600)).astype("f4"))
    out = tmp_path / "m.obj"
    command = ("surface", tmp_path / "d.npy", "-o", out, "--z-scale", "1", "--triangles", "710000")
    command = (*command, "--tolerance", "0")
    running = process(*command)
    deadline = time.monotonic() + 60
    partial = tmp_path / "m.obj.partial"
    while running.poll() is None and not (partial.exists() and partial.stat().st_size > 10**6):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert partial.exists()
    assert not out.exists()
    _, err = (again := process(*command)).communicate(timeout=120)
    assert again.returncode == 0, err
    assert not partial.exists()
    lines = out.read_text().splitlines()
    vertices = sum(line.startswith("v ") for line in lines)
    highest = max(
        int(corner.partition("/")[0]) for line in lines if line[0] == "f" for corner in line[2:].split()
    )
    assert highest == vertices > 200_000

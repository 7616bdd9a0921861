"""bigstack align, and alignment inside bigstack stack."""

import json

import cv2
import numpy as np
import pytest

from bigstack import open_stack
from bigstack.geometry.alignment import Alignment


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Three frames of one scene, moved by whole pixels: 0, (4, -3) and (9, 5)."""
    folder = tmp_path_factory.mktemp("moved")
    noise = np.random.default_rng(4).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    scene = cv2.GaussianBlur(noise, (0, 0), 2)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    for z, (x, y) in enumerate([(0, 0), (4, -3), (9, 5)]):
        cv2.imwrite(str(folder / f"f{z}.png"), scene[40 + y : 340 + y, 40 + x : 440 + x])
    return folder


def test_the_shifts_are_found_saved_and_applied(bigstack, moved, tmp_path):
    out = tmp_path / "a.json"
    code, said, _ = bigstack("align", moved, "-o", out, "--align-reference", "first", "--plots", tmp_path)
    assert code == 0
    assert "wrote" in said
    assert (tmp_path / "alignment.png").exists()
    found = Alignment.from_json(out.read_text())
    shifts = [frame.transform.apply([(200, 150)])[0] - (200, 150) for frame in found.frames]
    np.testing.assert_allclose(shifts, [(0, 0), (-4, 3), (-9, -5)], atol=0.1)
    words = ("--alignment", out, "--crop", "--method", "average")
    assert bigstack("stack", moved, "-o", tmp_path / "o.tif", *words)[0] == 0
    fused = open_stack(tmp_path / "o.tif").values[0]
    assert np.abs(np.subtract(fused.shape, (292, 391, 3))).max() <= 3
    first = open_stack(moved).values[0]
    tile = found.common_tile()
    assert np.abs(fused.astype(int) - first[tile.slices]).mean() < 2


def test_stack_aligns_by_default_and_writes_the_aligned_stack(bigstack, moved, tmp_path):
    saved = tmp_path / "a.json"
    assert bigstack("stack", moved, "-o", tmp_path / "o.png", "--save-alignment", saved)[0] == 0
    assert json.loads(saved.read_text())["reference"] == 1
    assert bigstack("align", moved, "-o", tmp_path / "a.ome.zarr")[0] == 0
    aligned = open_stack(tmp_path / "a.ome.zarr").values[:, 30:-30, 30:-30].astype(int)
    assert np.abs(aligned[0] - aligned[2]).mean() < 3


def test_a_still_stack_is_left_alone(bigstack, frames, tmp_path):
    assert "nothing is moved" in bigstack("align", frames, "-o", tmp_path / "a.json")[1]
    assert bigstack("stack", frames, "-o", tmp_path / "a.tif")[0] == 0
    assert bigstack("stack", frames, "-o", tmp_path / "b.tif", "--align", "none")[0] == 0
    assert (open_stack(tmp_path / "a.tif").values == open_stack(tmp_path / "b.tif").values).all()


def test_bad_alignments_are_explained(bigstack, moved, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    code, _, err = bigstack("stack", moved, "-o", tmp_path / "o.tif", "--alignment", tmp_path / "a.json")
    assert code == 2
    assert "bigstack-alignment" in err
    other = Alignment.identity((10, 10), 3)
    (tmp_path / "b.json").write_text(other.to_json())
    code, _, err = bigstack("stack", moved, "-o", tmp_path / "o.tif", "--alignment", tmp_path / "b.json")
    assert code == 2
    assert "10" in err
    code, _, err = bigstack("stack", moved, "-o", tmp_path / "o.tif", "--detector", "SURF")
    assert code == 2
    assert "SURF" in err
    assert not (tmp_path / "o.tif").exists()

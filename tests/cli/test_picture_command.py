"""bigstack picture as a user runs it."""

import cv2
import numpy as np
import pytest
import tifffile

from bigstack import colorize, hillshade, open_stack


@pytest.fixture
def depth(tmp_path):
    y, x = np.mgrid[:300, :420]
    path = tmp_path / "d.tif"
    tifffile.imwrite(path, (50 * np.sin(x / 40) * np.cos(y / 30)).astype(np.float32))
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "ome.zarr"])
def test_pictures_are_those_of_the_functions(bigstack, depth, tmp_path, ending):
    values = tifffile.imread(depth)
    for kind, words, expected in [
        ("color", (), colorize(values)),
        ("color", ("--colormap", "grey", "--bits", "16"), colorize(values, colormap="grey", bits=16)),
        ("hillshade", ("--azimuth", "90", "--invert"), hillshade(values, azimuth=90, invert=True)),
        (
            "hillshade",
            ("--exaggeration", "3", "--z-scale", "2"),
            hillshade(values, exaggeration=3, z_scale=2),
        ),
        ("relief", ("--low", "0"), hillshade(values, colormap="viridis", low=0)),
    ]:
        out = tmp_path / f"p.{ending}"
        code, _, err = bigstack("picture", depth, "-o", out, "--kind", kind, *words, "--overwrite")
        assert code == 0, err
        np.testing.assert_array_equal(np.squeeze(open_stack(out).values), expected.values)


def test_masks_are_black(bigstack, depth, tmp_path):
    mask = np.zeros((300, 420), np.uint8)
    mask[:, 200:] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    assert bigstack("picture", depth, "-o", tmp_path / "p.png", "--valid", tmp_path / "m.png")[0] == 0
    found = cv2.imread(str(tmp_path / "p.png"))
    assert not found[:, :200].any()
    assert found[:, 200:].any(axis=2).all()


def test_bad_use_is_told(bigstack, depth, tmp_path):
    for words, said in [
        (("--kind", "hillshade", "--colormap", "jet"), "unknown option of a picture of kind 'hillshade'"),
        (("--kind", "color", "--bits", "12", "--colormap", "grey"), "bits must be 8"),
        (("--exaggeration", "1"), "--z-scale"),
        (("--valid", tmp_path / "none.png"), "does not exist"),
    ]:
        code, _, err = bigstack("picture", depth, "-o", tmp_path / "p.png", *words)
        assert code in (1, 2)
        assert said in err
        assert not (tmp_path / "p.png").exists()
    (tmp_path / "p.png").write_text("mine")
    code, _, err = bigstack("picture", depth, "-o", tmp_path / "p.png")
    assert code == 2
    assert "exists" in err

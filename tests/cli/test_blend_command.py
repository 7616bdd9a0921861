"""`bigstack blend`: five images of two frames, and errors that say what to do."""

import cv2
import numpy as np
import pytest

from bigstack.jobs.blend import OUTPUTS

from ..kernels.fusion import reference_blend as script


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A back whose left is soft and a front whose right is, of odd sizes."""
    folder = tmp_path_factory.mktemp("pair")
    rng = np.random.default_rng(4)
    sharp = cv2.GaussianBlur(rng.normal(128, 90, (203, 301, 3)), (0, 0), 1.5).clip(0, 255)
    soft = cv2.GaussianBlur(sharp, (0, 0), 4)
    left = np.arange(301)[None, :, None] < 150
    for name, image in (("back", np.where(left, soft, sharp)), ("front", np.where(left, sharp, soft))):
        cv2.imwrite(str(folder / f"{name}.png"), image.astype(np.uint8))
    return folder / "back.png", folder / "front.png"


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_five_images_are_written_as_the_script_means_them(bigstack, pair, tmp_path):
    code, _, err = bigstack("blend", *pair, "-o", tmp_path / "out", "--align", "none")
    assert code == 0, err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(f"{n}.png" for n in OUTPUTS)
    back, front = (read(path).astype(float) for path in pair)
    found = {name: read(tmp_path / "out" / f"{name}.png") for name in OUTPUTS}
    for name, rule in (("by_channel", script.by_channel), ("all_channels", script.all_channels)):
        expected = script.at_every_level(rule, back, front).clip(0, 255)
        assert np.quantile(np.abs(found[name] - expected), 0.999) <= 0.51
    assert np.abs(found["direct"] - script.all_channels(back, front)).max() <= 0.51
    mask = script.mask(back, front, 35)
    assert set(np.unique(found["blending_mask"])) == {0, 255}
    # That of the finest band, not of the frames; far from the border between them they agree.
    assert (found["blending_mask"][:, 200:] == 255).all()
    assert (found["blending_mask"][:, :100] == 0).all()
    assert mask[:, 200:].all()


def test_the_order_of_the_frames_matters_to_the_mask(bigstack, pair, tmp_path):
    for name, frames in (("a", pair), ("b", pair[::-1])):
        assert bigstack("blend", *frames, "-o", tmp_path / name, "--align", "none")[0] == 0
    first, second = (read(tmp_path / name / "blending_mask.png") for name in "ab")
    assert (first != second).mean() > 0.99
    a, b = (read(tmp_path / name / "new_method.png").astype(int) for name in "ab")
    assert (np.abs(a - b) > 1).mean() < 0.01


@pytest.mark.parametrize("format", ["tif", "ome.zarr", "jpg"])
def test_other_formats(bigstack, pair, tmp_path, format):
    words = ("--align", "none", "--format", format, "--tile", "64")
    assert bigstack("blend", *pair, "-o", tmp_path / "out", *words)[0] == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(f"{n}.{format}" for n in OUTPUTS)


def test_nothing_is_replaced_unless_asked(bigstack, pair, tmp_path):
    words = ("blend", *pair, "-o", tmp_path / "out", "--align", "none")
    assert bigstack(*words)[0] == 0
    code, _, err = bigstack(*words)
    assert code == 2
    assert "exists" in err
    assert bigstack(*words, "--overwrite", "--beta", "0.5")[0] == 0


def test_errors_are_told(bigstack, pair, tmp_path):
    code, _, err = bigstack("blend", pair[0], tmp_path / "none.png", "-o", tmp_path / "out")
    assert code != 0
    assert "none.png" in err
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((20, 30, 3), np.uint8))
    code, _, err = bigstack("blend", pair[0], small, "-o", tmp_path / "out")
    assert code != 0
    assert "small.png" in err
    code, _, err = bigstack("blend", *pair, "-o", pair[0])
    assert code != 0
    assert "is a file" in err
    code, _, err = bigstack("blend", *pair, "-o", tmp_path / "out", "--quality", "fast")
    assert code == 2
    assert "one quality" in err
    code, _, err = bigstack("blend", *pair, "-o", tmp_path / "out", "--levels", "9", "--align", "none")
    assert code != 0
    assert "0 to 6" in err

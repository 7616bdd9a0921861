"""Masks of hot pixels as PNG files."""

import cv2
import numpy as np
import pytest

from bigstack.errors import InputError, OutputExistsError, StackError
from bigstack.geometry.correction import HotPixels
from bigstack.io.masks import read_masks, write_masks

HOT = HotPixels((20, 30, 3), ((1, 2, 0), (1, 2, 2), (7, 29, 1), (19, 0, 2)))


def test_masks_come_back(tmp_path):
    paths = write_masks(HOT, tmp_path / "masks")
    assert [path.name for path in paths] == ["hot-rgb.png", "hot-r.png", "hot-g.png", "hot-b.png"]
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == sorted(p.name for p in paths)
    assert read_masks(tmp_path / "masks", channels=3).positions == HOT.positions


def test_each_mask_holds_its_channel_and_the_first_one_all(tmp_path):
    together, red, green, blue = (cv2.imread(str(path), -1) for path in write_masks(HOT, tmp_path))
    assert together.dtype == np.uint8
    assert set(np.unique(together)) == {0, 255}
    assert np.argwhere(together).tolist() == [[1, 2], [7, 29], [19, 0]]
    assert [np.argwhere(mask).tolist() for mask in (red, green, blue)] == [
        [[1, 2]],
        [[7, 29]],
        [[1, 2], [19, 0]],
    ]


def test_one_file_is_hot_in_all_channels(tmp_path):
    paths = write_masks(HOT, tmp_path)
    hot = read_masks(paths[0], channels=3, fill="median")
    assert hot.count == 9
    assert hot.fill == "median"


def test_grey_stacks_have_one_mask(tmp_path):
    grey = HotPixels((5, 6, 1), ((2, 3, 0),))
    assert [path.name for path in write_masks(grey, tmp_path)] == ["hot-rgb.png"]
    assert read_masks(tmp_path, channels=1) == grey


def test_masks_edited_in_colour_are_read(tmp_path):
    mask = np.zeros((9, 9, 4), np.uint8)
    mask[..., 3] = 255
    mask[4, 5, 1] = 200
    cv2.imwrite(str(tmp_path / "edited.png"), mask)
    assert read_masks(tmp_path / "edited.png", channels=1).positions == ((4, 5, 0),)


def test_nothing_is_overwritten_unasked(tmp_path):
    write_masks(HOT, tmp_path)
    with pytest.raises(OutputExistsError, match=r"hot-rgb\.png is there already"):
        write_masks(HotPixels((20, 30, 3), ()), tmp_path)
    write_masks(HOT, tmp_path)
    write_masks(HotPixels((20, 30, 3), ()), tmp_path, overwrite=True)
    assert read_masks(tmp_path, channels=3).count == 0


def test_files_that_are_no_masks_are_named(tmp_path):
    with pytest.raises(StackError, match=r"hot-r\.png is not there"):
        read_masks(tmp_path, channels=3)
    (tmp_path / "hot.png").write_text("no image")
    with pytest.raises(StackError, match=r"hot\.png cannot be read"):
        read_masks(tmp_path / "hot.png", channels=1)
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((9, 9), 40, np.uint8))
    with pytest.raises(InputError, match="is it a mask"):
        read_masks(tmp_path / "photo.png", channels=1)
    write_masks(HOT, tmp_path)
    cv2.imwrite(str(tmp_path / "hot-b.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(StackError, match="different sizes"):
        read_masks(tmp_path, channels=3)

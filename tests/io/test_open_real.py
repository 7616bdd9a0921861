"""The real stacks give what other readers read of them."""

import json

import cv2
import numpy as np
import pytest
import tifffile

from bigstack.io.find import natural_key
from bigstack.io.info import describe
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack
from tests.io.sources import check_source

JPEGS = ("macro_pcb", "rail_button", "amber_handheld", "generated_gt_1", "generated_gt_6")


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_stacks(shared, name):
    folder = shared / "data" / name
    paths = sorted(
        (path for path in folder.iterdir() if path.suffix.lower() == ".jpg"),
        key=lambda path: natural_key(path.name),
    )
    stack = open_stack(folder)
    assert [str(path) for path in paths] == stack.attrs["files"]
    assert stack.attrs["audit"]["skipped"] == stack.attrs["audit"]["warnings"] == []
    source = source_of(stack.data)
    for z in (0, len(paths) - 1):
        truth = cv2.imread(
            str(paths[z]), cv2.IMREAD_COLOR_RGB if source.shape[3] == 3 else cv2.IMREAD_GRAYSCALE
        )
        truth = truth.reshape(source.shape[1:])
        found = source.read(z, slice(0, truth.shape[0]), slice(0, truth.shape[1]))
        # Decoders round the colour conversion differently in places; the order must be right everywhere.
        assert np.abs(found.astype(int) - truth).max() <= 2


def test_frames_of_a_microscope(shared):
    folder = shared / "data" / "tif16_mito"
    truth = np.stack([tifffile.imread(path) for path in sorted(folder.glob("*.tif"))])
    stack = open_stack(folder, z=0.1)
    assert stack.shape == (17, 800, 512, 1)
    assert stack.attrs["audit"]["warnings"] == []
    check_source(source_of(stack.data), truth[..., None])


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("zstack_ome", [4.98, 1.3668, 1.3668], ["FITC_05", "FITC_05-2"]),
        ("zstack_ome_cells", [0.49941, 0.51188, 0.51188], ["0", "1"]),
    ],
)
def test_ome_tiffs(shared, name, size, channels):
    (path,) = (shared / "data" / name).glob("*.ome.tif")
    truth = tifffile.imread(path).transpose(0, 2, 3, 1)
    stack = open_stack(shared / "data" / name)
    check_source(source_of(stack.data), truth)
    assert stack.attrs["pixel_size"] == pytest.approx(size, rel=1e-4)
    assert stack.channel.values.tolist() == channels
    json.dumps(describe(path))


def test_the_stage_positions_of_the_microscope_are_kept(shared):
    stack = open_stack(shared / "data" / "zstack_ome")
    np.testing.assert_allclose(stack.z.values[:4], [0.0, 4.96, 9.96, 14.94])


def test_pairs(shared):
    for folder in sorted((shared / "data" / "pairs_mfiwhu").glob("[0-9]*")):
        assert open_stack(folder).shape[0] == 2

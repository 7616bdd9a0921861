"""Every real stack through the command; the ones that are aligned must look right."""

import json

import numpy as np
import pytest
import tifffile

from bigstack import open_stack

STACKS = [
    ("amber_handheld", 6, (1300, 2000, 3), "uint8"),
    ("generated_gt_1", 41, (400, 400, 1), "uint8"),
    ("generated_gt_6", 41, (400, 400, 1), "uint8"),
    ("macro_pcb", 7, (1536, 2048, 3), "uint8"),
    ("rail_button", 10, (1536, 2048, 3), "uint8"),
    ("tif16_mito", 17, (800, 512, 1), "uint16"),
    ("zstack_ome", 10, (512, 512, 2), "uint16"),
    ("zstack_ome_cells", 45, (130, 133, 2), "uint16"),
]


@pytest.mark.parametrize(("name", "frames", "shape", "dtype"), STACKS)
def test_it_runs_and_is_sharper_than_any_frame(bigstack, shared, tmp_path, name, frames, shape, dtype):
    source = shared / "data" / name
    found = json.loads(bigstack("info", source, "--json")[1])
    assert (found["axes"]["z"], found["dtype"]) == (frames, dtype)
    assert bigstack("stack", source, "-o", tmp_path / "o.ome.tif", "--align", "none")[0] == 0
    fused = open_stack(tmp_path / "o.ome.tif")
    stack = open_stack(source)
    assert fused.shape[1:] == shape
    assert fused.dtype == stack.dtype
    assert sharpness(fused.values[0]) > max(sharpness(frame.values) for frame in stack)


def sharpness(image):
    """Mean squared difference of neighbours."""
    return np.square(np.diff(image.astype(float), axis=0)).mean()


@pytest.mark.parametrize("name", ["generated_gt_1", "generated_gt_6"])
def test_depth_is_near_the_truth(bigstack, shared, tmp_path, name):
    words = ("--method", "select", "--smoothing", "2", "--depth-out", tmp_path / "d.tif")
    assert bigstack("stack", shared / "data" / name, "-o", tmp_path / "o.png", *words)[0] == 0
    truth = np.load(shared / "data" / name / "gt_index.npy")
    depth = tifffile.imread(tmp_path / "d.tif")[20:379, 20:379]
    assert np.sqrt(np.square(depth - truth).mean()) < 0.4


def test_ome_metadata_travels(bigstack, shared, tmp_path):
    source = shared / "data" / "zstack_ome"
    for name in ("o.ome.tif", "o.ome.zarr"):
        assert bigstack("stack", source, "-o", tmp_path / name)[0] == 0
        found = open_stack(tmp_path / name)
        assert found.attrs["pixel_size"][1:] == pytest.approx([1.3668, 1.3668])
        assert list(found.channel.values) == list(open_stack(source).channel.values)


@pytest.mark.parametrize("pair", [f"{i:02d}" for i in range(1, 11)])
def test_pairs(bigstack, shared, tmp_path, pair):
    source = shared / "data" / "pairs_mfiwhu" / pair
    assert bigstack("stack", source, "-o", tmp_path / "o.png")[0] == 0
    frames = open_stack(source).values
    assert sharpness(open_stack(tmp_path / "o.png").values[0]) > max(sharpness(frame) for frame in frames)


WEIGHING = ("depth_map", "weighted", "guided", "wavelet", "blend")


@pytest.mark.parametrize("method", WEIGHING)
@pytest.mark.parametrize(("name", "frames"), [("zstack_ome_cells", 45), ("generated_gt_6", 7)])
def test_methods_that_weigh_make_more_of_a_stack_than_its_mean(
    bigstack, shared, tmp_path, name, frames, method
):
    source = shared / "data" / name
    words = ("--align", "none", "--stop", frames)
    for output, more in ((method, ("--depth-out", tmp_path / "depth.tif")), ("average", ())):
        way = ("-o", tmp_path / f"{output}.ome.tif", "--method", output, *more)
        assert bigstack("stack", source, *words, *way)[0] == 0
    fused, mean = (open_stack(tmp_path / f"{name}.ome.tif").values[0] for name in (method, "average"))
    stack = open_stack(source).isel(z=slice(frames))
    assert sharpness(fused) > 1.3 * sharpness(mean)
    low, high = stack.values.min(), stack.values.max()
    assert ((fused >= low * 0.8) & (fused <= high)).mean() > 0.999
    depth = tifffile.imread(tmp_path / "depth.tif")
    z = stack.z.values
    assert depth.min() >= z.min() - 1e-6
    assert depth.max() <= z.max() + 1e-6
    assert set(np.unique(depth)) <= set(z.astype(np.float32))
    assert len(np.unique(depth)) > frames / 8

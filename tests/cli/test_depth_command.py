"""bigstack depth as a user runs it, on real stacks."""

import json
import signal
import time

import cv2
import numpy as np
import pytest
import tifffile
import zarr

from bigstack import depth_from_focus, fuse, open_stack
from bigstack.cli.depth import OWN
from bigstack.depth import depth_options
from bigstack.fusion import METHODS

NAMES = {"index": "i.tif", "confidence": "c.tif", "sigma": "s.tif", "valid": "v.png", "unobserved": "u.png"}


def outputs(folder, names=NAMES):
    return [word for name in names for word in (f"--{name}-out", folder / NAMES[name])]


def test_every_option_of_the_function_is_one_of_the_command():
    # --quality is also that of JPEG files.
    own = {"noise" if name == "pixel_noise" else name for name in OWN} | {"quality"}
    assert own == set(depth_options())


@pytest.mark.parametrize("name", ["tif16_mito", "zstack_ome"])
def test_all_maps_are_those_of_the_function(bigstack, shared, tmp_path, name):
    source = shared / "data" / name
    words = ("--fused-out", tmp_path / "f.ome.tif", "--align", "none", *outputs(tmp_path))
    code, out, _ = bigstack("depth", source, "-o", tmp_path / "d.tif", *words)
    assert code == 0
    assert out.count("wrote") == 7
    stack = open_stack(source)
    expected = fuse(stack, method="depth").compute()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "d.tif"), expected.depth)
    for variable, file in NAMES.items():
        found = open_stack(tmp_path / file).values[0, :, :, 0]
        scale = 255 if expected[variable].dtype == bool else 1
        np.testing.assert_array_equal(found, expected[variable].astype(found.dtype) * scale, variable)
    np.testing.assert_array_equal(open_stack(tmp_path / "f.ome.tif").values[0], expected.image)


@pytest.mark.parametrize("ending", ["tif", "ome.tif", "ome.zarr"])
def test_units_and_pixel_size_can_be_read_again(bigstack, shared, tmp_path, ending):
    path = tmp_path / f"d.{ending}"
    words = ("--z", "5", "--pixel-size", "2.5", "--align", "none")
    assert bigstack("depth", shared / "data" / "generated_gt_1", "-o", path, "--stop", "9", *words)[0] == 0
    found = open_stack(path)
    assert found.attrs["unit"] == "micrometer"
    assert found.attrs["pixel_size"][1:] == pytest.approx([2.5, 2.5])
    assert found.dtype == np.float32
    assert 0 <= found.values.min() < found.values.max() <= 40
    assert "unit" not in open_stack(shared / "data" / "generated_gt_1").attrs


def test_large_pixels_are_believed_of_maps(bigstack, frames, tmp_path):
    words = ("--z", "500", "--pixel-size", "120,100", "--align", "none")
    assert bigstack("depth", frames, "-o", tmp_path / "d.tif", *words)[0] == 0
    assert open_stack(tmp_path / "d.tif").attrs["pixel_size"][1:] == pytest.approx([120, 100])
    code, out, _ = bigstack("info", tmp_path / "d.tif", "--json")
    assert code == 0
    assert json.loads(out)["unit"] == "micrometer"


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"average"}))
def test_every_method_that_has_a_depth_writes_it_with_its_unit(bigstack, frames, tmp_path, method):
    stop = ("--stop", "2") if method == "blend" else ()
    words = ("--method", method, "--align", "none", "--z", "2.5", *stop, "--depth-out", tmp_path / "d.tif")
    assert bigstack("stack", frames, "-o", tmp_path / "o.png", *words)[0] == 0
    found = open_stack(tmp_path / "d.tif")
    assert found.attrs["unit"] == "micrometer"
    assert 0 <= found.values.min() < found.values.max() <= 10
    words = (*words, "--confidence-out", tmp_path / "c.tif", "--overwrite")
    code, _, err = bigstack("stack", frames, "-o", tmp_path / "o.png", *words)
    if method == "depth":
        assert code == 0
        assert (
            0
            <= open_stack(tmp_path / "c.tif").values.min()
            < open_stack(tmp_path / "c.tif").values.max()
            <= 1
        )
    else:
        assert code == 2
        assert "--method depth does" in err


def test_depth_without_positions_is_in_frames(bigstack, frames, tmp_path):
    assert bigstack("depth", frames, "-o", tmp_path / "d.ome.tif", "--align", "none")[0] == 0
    assert open_stack(tmp_path / "d.ome.tif").attrs["unit"] == "frame"
    middles = [round((z + 0.5) * 411 / 5) for z in range(5)]
    depth = tifffile.imread(tmp_path / "d.ome.tif")
    assert [round(float(np.median(depth[:, x - 20 : x + 20]))) for x in middles] == [0, 1, 2, 3, 4]


def test_pixels_without_evidence_can_be_left_out(bigstack, shared, tmp_path):
    source = shared / "data" / "tif16_mito"
    words = ("--blank", "invalid", "--blank", "unobserved", *outputs(tmp_path, ["valid", "unobserved"]))
    assert bigstack("depth", source, "-o", tmp_path / "d.tif", "--align", "none", *words)[0] == 0
    masks = [open_stack(tmp_path / NAMES[name]).values[0, :, :, 0] > 0 for name in ("valid", "unobserved")]
    depth = tifffile.imread(tmp_path / "d.tif")
    np.testing.assert_array_equal(np.isfinite(depth), masks[0] & ~masks[1])
    assert 0 < np.isfinite(depth).mean() < 1
    code, _, err = bigstack("depth", source, "-o", tmp_path / "d.png", *words, "--overwrite")
    assert code == 2
    assert ".tif" in err


@pytest.mark.parametrize("way", [("--tile", "96"), ("--tile", "150", "--workers", "1")], ids=" ".join)
def test_tiles_and_workers_never_change_a_bit(bigstack, frames, tmp_path, way):
    for name, words in (("a", ()), ("b", way)):
        assert bigstack("depth", frames, "-o", tmp_path / f"{name}.tif", *words)[0] == 0
    assert (tifffile.imread(tmp_path / "a.tif") == tifffile.imread(tmp_path / "b.tif")).all()


def test_options_reach_the_function(bigstack, frames, tmp_path):
    words = ("--radius", "3", "--step", "2", "--jump", "9", "--blur", "2", "--pixel-noise", "4")
    words = (*words, "--focus-channel", "G", "--sigma-out", tmp_path / "s.tif", "--align", "none")
    assert bigstack("depth", frames, "-o", tmp_path / "d.tif", *words)[0] == 0
    how = {"radius": 3, "step": 2.0, "jump": 9.0, "blur": 2.0, "noise": 4.0, "focus_channel": "G"}
    expected = depth_from_focus(open_stack(frames), **how).compute()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "d.tif"), expected.depth)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "s.tif"), expected.sigma)


def test_alignment_and_corrections_are_those_of_stack(bigstack, shared, tmp_path):
    source = tmp_path / "small"
    source.mkdir()
    image = cv2.resize(cv2.imread(str(shared / "data" / "amber_handheld" / "0002.jpg")), (540, 345))
    for z in range(3):
        cv2.imwrite(str(source / f"{z}.png"), image[3 * z :, 5 * z :][:325, :500])
    words = ("--balance", "lumi", "--crop", "--save-alignment", tmp_path / "a.json")
    code, _, err = bigstack("depth", source, "-o", tmp_path / "d.tif", *words)
    assert code == 0, err
    height, width = tifffile.imread(tmp_path / "d.tif").shape
    assert (315, 485) < (height, width) < (325, 500)
    again = ("--alignment", tmp_path / "a.json", "--crop", "--balance", "lumi")
    assert bigstack("depth", source, "-o", tmp_path / "e.tif", *again)[0] == 0
    assert (tmp_path / "d.tif").read_bytes() == (tmp_path / "e.tif").read_bytes()


def test_nothing_is_overwritten_unasked(bigstack, frames, tmp_path):
    (tmp_path / "s.tif").write_text("mine")
    code, _, err = bigstack("depth", frames, "-o", tmp_path / "d.tif", "--sigma-out", tmp_path / "s.tif")
    assert code == 2
    assert "s.tif exists" in err
    assert (tmp_path / "s.tif").read_text() == "mine"
    assert not (tmp_path / "d.tif").exists()
    words = ("--sigma-out", tmp_path / "d.tif")
    assert "more than one output" in bigstack("depth", frames, "-o", tmp_path / "d.tif", *words)[2]
    assert "d.bmp" in bigstack("depth", frames, "-o", tmp_path / "d.bmp")[2]


def test_pictures_are_drawn_of_what_was_written(bigstack, shared, tmp_path):
    source = shared / "data" / "generated_gt_1"
    paths = {name: tmp_path / f"{name}.png" for name in ("preview", "hillshade", "relief")}
    words = [word for name, path in paths.items() for word in (f"--{name}", path)]
    words = ("depth", source, "-o", tmp_path / "d.tif", "--align", "none", "--every", "4", *words)
    code, out, _ = bigstack(*words)
    assert code == 0
    assert out.count("wrote") == 4
    grey, chalk, relief = (cv2.imread(str(path), -1) for path in paths.values())
    assert grey.shape == chalk.shape == (400, 400)
    assert relief.shape == (400, 400, 3)
    depth = tifffile.imread(tmp_path / "d.tif")
    assert np.corrcoef(grey.ravel(), depth.ravel())[0, 1] > 0.999
    code, _, err = bigstack(*words[:-1], tmp_path / "new.png", "--overwrite", "--colormap", "magma")
    assert code == 0, err
    assert not (cv2.imread(str(tmp_path / "new.png")) == relief).all()
    assert cv2.imread(str(paths["preview"]), -1).shape == (400, 400, 3)
    code, _, err = bigstack("depth", source, "-o", tmp_path / "e.tif", "--preview", paths["preview"])
    assert code == 2
    assert "preview.png exists" in err
    assert not (tmp_path / "e.tif").exists()
    assert (
        "neither was asked for" in bigstack("depth", source, "-o", tmp_path / "e.tif", "--colormap", "jet")[2]
    )


def test_dry_run_plans_and_writes_nothing(bigstack, frames, tmp_path):
    code, out, _ = bigstack("depth", frames, "-o", tmp_path / "d.tif", "--dry-run")
    assert code == 0
    assert "peak memory" in out
    assert not list(tmp_path.iterdir())


def test_a_killed_run_goes_on_and_ends_alike(process, tmp_path):
    source, made = tmp_path / "in.zarr", [tmp_path / "d.ome.zarr", tmp_path / "s.ome.zarr"]
    pixels = np.random.default_rng(2).integers(0, 256, (4, 512, 2048), dtype=np.uint8)
    array = zarr.create_array(source, shape=pixels.shape, chunks=(1, 256, 256), dtype="uint8")
    array[:] = pixels
    command = ("depth", source, "-o", made[0], "--sigma-out", made[1], "--tile", "512", "--workers", "1")
    command = (*command, "--align", "none")
    running = process(*command)
    deadline = time.monotonic() + 60
    # Two chunks of the last unfinished output: at least the first tile is stored in both.
    chunks = "s.ome.zarr.partial/*/image.zarr/0/c/0/0/*"
    while running.poll() is None and len(list(tmp_path.glob(chunks))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert not any(path.exists() for path in made)
    out, err = (again := process(*command)).communicate(timeout=120)
    assert again.returncode == 0, err
    assert "were there from an earlier run" in out
    expected = depth_from_focus(open_stack(source)).compute()
    for path, variable in zip(made, ("depth", "sigma"), strict=True):
        np.testing.assert_array_equal(open_stack(path).values[0, :, :, 0], expected[variable])


def test_measure_peak_and_refinements_are_those_of_the_function(bigstack, shared, tmp_path):
    source = shared / "data" / "zstack_ome_cells"
    words = (
        "--measure",
        "sml",
        "--set",
        "window=5",
        "--peak",
        "gaussian",
        "--refine",
        "median",
        "--align",
        "none",
    )
    code, _, _ = bigstack("depth", source, "-o", tmp_path / "d.tif", *words)
    assert code == 0
    options = {"measure": "sml", "focus_options": {"window": 5}, "peak": "gaussian", "refine": "median"}
    expected = depth_from_focus(open_stack(source), **options).depth
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "d.tif"), expected)
    code, _, err = bigstack("depth", source, "-o", tmp_path / "e.tif", "--set", "window=5")
    assert code == 2
    assert "no options" in err

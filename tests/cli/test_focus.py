"""bigstack focus and bigstack density as a user runs them."""

import json

import cv2
import numpy as np
import pytest
import tifffile

from bigstack import open_stack
from bigstack.density import focus_density
from bigstack.focus import measure_focus, sharpness
from bigstack.jobs.detect import detect_focus_regions


def test_maps_are_written_in_every_format(bigstack, frames, tmp_path):
    expected = measure_focus(open_stack(frames), method="sml", window=7).values
    words = ("--method", "sml", "--window", "7")
    assert bigstack("focus", frames, "-o", tmp_path / "f.ome.zarr", *words)[0] == 0
    np.testing.assert_array_equal(open_stack(tmp_path / "f.ome.zarr").values[..., 0], expected)
    for name in ("f.tif", "f.npy", "f.png"):
        code, out, _ = bigstack("focus", frames, "-o", tmp_path / name, *words, "--workers", "2")
        assert code == 0
        stem, ending = name.split(".")
        for z in range(5):
            path = tmp_path / f"{stem}_{z:04d}.{ending}"
            assert str(path) in out
            if ending == "png":
                shown = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                assert np.abs(shown - expected[z] / expected.max() * 255).max() < 1.01
            else:
                found = np.load(path) if ending == "npy" else tifffile.imread(path)
                np.testing.assert_array_equal(found, expected[z])
    one = frames / "f9.png"
    assert bigstack("focus", one, "-o", tmp_path / "one.tif", *words)[0] == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "one.tif"), expected[1])


def test_options_of_the_measure_reach_it(bigstack, frames, tmp_path):
    words = (
        "--method",
        "rdf",
        "--radii",
        "1,3",
        "--radii",
        "2,6",
        "--normalize",
        "mad",
        "--border",
        "reflect",
    )
    words += (
        "--power",
        "1",
        "--downsample",
        "2",
        "--smoothing",
        "1.5",
        "--focus-channel",
        "1",
        "--tile",
        "100",
    )
    assert bigstack("focus", frames, "-o", tmp_path / "f.zarr", *words)[0] == 0
    expected = measure_focus(
        open_stack(frames),
        method="rdf",
        radii=[(1, 3), (2, 6)],
        normalize="mad",
        border="reflect",
        power=1,
        downsample=2,
        smoothing=1.5,
        focus_channel=1,
    )
    np.testing.assert_array_equal(open_stack(tmp_path / "f.zarr").values[..., 0], expected)
    words = ("--method", "steerable", "--set", "angles=12", "--set", "order=2", "--sigma", "1.5")
    assert bigstack("focus", frames, "-o", tmp_path / "s.zarr", *words)[0] == 0
    expected = measure_focus(open_stack(frames), method="steerable", angles=12, order=2, sigma=1.5)
    np.testing.assert_array_equal(open_stack(tmp_path / "s.zarr").values[..., 0], expected)
    words = ("--method", "laplacian", "--noise", "estimate")
    assert bigstack("focus", frames, "-o", tmp_path / "n.zarr", *words)[0] == 0
    expected = measure_focus(open_stack(frames), method="laplacian", noise="estimate")
    np.testing.assert_array_equal(open_stack(tmp_path / "n.zarr").values[..., 0], expected)


def test_the_sharpest_frame_is_told_plotted_and_copied(bigstack, frames, tmp_path):
    sharp = frames / "f10.png"
    inputs = [frames / "f8.png", frames / "f9.png", sharp, frames / "f11.png"]
    outs = (
        "--best-frame",
        tmp_path / "best.png",
        "--summary",
        tmp_path / "s.json",
        "--plot",
        tmp_path / "p.png",
    )
    assert bigstack("focus", *inputs, "--best-frame", tmp_path / "one.png", "--method", "tenengrad")[0] == 0
    code, out, _ = bigstack(
        "focus", *inputs, *outs, "--best-frame-grid", "1,5", "-v", "--method", "tenengrad"
    )
    assert code == 0
    summary = json.loads((tmp_path / "s.json").read_text())
    curve = sharpness(open_stack(inputs), method="tenengrad", grid=(1, 5)).values
    assert summary["sharpness"] == pytest.approx(curve.mean(axis=(1, 2)).tolist())
    best = summary["best_frame"]
    assert f"sharpest frame: {best} ({inputs[best].name})" in out
    pixels = [cv2.imread(str(path)) for path in inputs]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "one.png")), pixels[best])
    mosaic = cv2.imread(str(tmp_path / "best.png"))
    for cell, frame in enumerate(summary["best_frame_grid"][0]):
        part = slice(411 * cell // 5, 411 * (cell + 1) // 5)
        np.testing.assert_array_equal(mosaic[:, part], pixels[frame][:, part])
    assert summary["best_frame_grid"][0][:4] == [0, 1, 2, 3]
    assert "0 1 2 3" in out
    assert cv2.imread(str(tmp_path / "p.png")).shape[2] == 3


def test_density_is_the_library_s(bigstack, frames, tmp_path):
    words = ("--bandwidth", "7", "--top-percent", "30", "--include-strength", "--clip", "0", "--radii", "2,5")
    assert bigstack("density", frames, "-o", tmp_path / "d.tif", *words, "--tile", "100")[0] == 0
    stack = open_stack(frames)
    focus = measure_focus(stack, method="rdf", radii=[(2, 5)], normalize="p99")
    expected = focus_density(
        focus, bandwidth=7, top_percent=30, include_strength=True, clip_percentile=None
    ).density
    for z in range(5):
        np.testing.assert_array_equal(tifffile.imread(tmp_path / f"d_{z:04d}.tif"), expected[z])
    out = ("--focus-out", tmp_path / "f.npy", "--frame", "2")
    assert bigstack("density", frames, "-o", tmp_path / "one.npy", *words, *out)[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), expected[2])
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), focus[2])


@pytest.mark.parametrize("bandwidth", ["9", "45"])
def test_an_image_has_the_density_of_detect_focus_regions(bigstack, frames, tmp_path, bandwidth):
    code, out, _ = bigstack(
        "density", frames / "f8.png", "-o", tmp_path / "d.npy", "--bandwidth", bandwidth, "-v"
    )
    assert code == 0
    found = detect_focus_regions(frames / "f8.png", bandwidth=float(bandwidth))
    np.testing.assert_array_equal(np.load(tmp_path / "d.npy"), found["density"])
    assert f"{found['threshold']:.6g}" in out
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_pictures_and_overlays(bigstack, frames, tmp_path):
    outs = ("--overlay", tmp_path / "o.png", "--raw")
    assert bigstack("density", frames / "f8.png", "-o", tmp_path / "d.png", "--bandwidth", "9", *outs)[0] == 0
    heat, overlay = (cv2.imread(str(tmp_path / name)).astype(float) for name in ("d.png", "o.png"))
    image = cv2.imread(str(frames / "f8.png")).astype(float)
    np.testing.assert_allclose(overlay, 0.45 * heat + 0.55 * image, atol=1)
    # The left fifth is sharp: warm there, cold elsewhere.
    assert heat[:, 10:60, 2].mean() > heat[:, 200:, 2].mean() + 50


def test_bandwidth_in_micrometres(bigstack, frames, tmp_path):
    words = ("--pixel-size", "0.5", "--unit", "micrometer", "--bandwidth", "4")
    assert bigstack("density", frames / "f8.png", "-o", tmp_path / "a.npy", *words)[0] == 0
    assert bigstack("density", frames / "f8.png", "-o", tmp_path / "b.npy", "--bandwidth", "8")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))


def test_an_image_without_focus_is_told(bigstack, tmp_path):
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((50, 60), 90, np.uint8))
    code, out, _ = bigstack("density", tmp_path / "flat.png", "-o", tmp_path / "d.npy")
    assert code == 0
    assert "no focus at all" in out
    assert np.load(tmp_path / "d.npy").max() == 0


def test_each_image_of_a_folder(bigstack, frames, tmp_path):
    words = ("--each", "--bandwidth", "5", "--pictures", "--overlay-on", "image", "--workers", "2")
    code, out, err = bigstack("density", frames, "-o", tmp_path / "out", *words, "-v")
    assert code == 0
    assert "5 images" in out
    assert "5/5" in err
    found = detect_focus_regions(frames / "f9.png", bandwidth=5)
    np.testing.assert_array_equal(np.load(tmp_path / "out/kde_arrays/f9_kde.npy"), found["density"])
    assert (tmp_path / "out/overlays/f9_overlay.png").exists()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    cv2.imwrite(str(tmp_path / "in/good.png"), cv2.imread(str(frames / "f8.png")))
    code, out, _ = bigstack("density", tmp_path / "in", "-o", tmp_path / "two", "--each")
    assert code == 1
    assert "1 failed" in out
    assert "bad.png" in out
    assert (tmp_path / "two/filter_arrays/good_filter.npy").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("focus",), "nothing to do"),
        (("focus", "-o", "x.tif", "--method", "rdf", "--radii", "3,1"), "inner < outer"),
        (("focus", "-o", "x.tif", "--radii", "1,3"), "option of focus measure 'log_energy'"),
        (("focus", "-o", "x.tif", "--radii", "3"), "two whole numbers"),
        (("focus", "-o", "x.tif", "--set", "angles"), "name=value"),
        (("focus", "-o", "x.tif", "--noise", "some"), "estimate"),
        (("focus", "--best-frame-grid", "0,4"), "grid"),
        (("focus", "--best-frame-grid", "4"), "two whole numbers"),
        (("focus", "-o", "x.tif", "--memory-limit", "100MB"), "--memory-limit"),
        (("density", "-o", "x.tif", "--bandwidth", "0"), "bandwidth"),
        (("density", "-o", "x.tif", "--unit", "micrometer"), "pixel size is not known"),
        (("density", "-o", "x.tif", "--frame", "9"), "frame 9"),
        (("density", "-o", "x.tif", "--recursive"), "belongs to --each"),
        (("density", "-o", "x", "--each", "--method", "sml"), "--method rdf"),
        (("density", "-o", "x", "--each", "--frame", "1"), "--each takes no --frame"),
        (("density", "-o", "x", "--each", "--unit", "pixel"), "--each takes no --unit"),
    ],
)
def test_bad_use_is_explained(bigstack, frames, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = bigstack(words[0], frames, *words[1:])
    assert code in (1, 2)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_outputs_are_not_overwritten_unasked(bigstack, frames, tmp_path):
    for command, name in (("focus", "focus_0003.tif"), ("density", "density_0003.tif")):
        (tmp_path / name).write_text("mine")
        code, _, err = bigstack(command, frames, "-o", tmp_path / f"{command}.tif")
        assert code == 2
        assert name in err
        assert (tmp_path / name).read_text() == "mine"
        assert bigstack(command, frames, "-o", tmp_path / f"{command}.tif", "--overwrite")[0] == 0
        assert tifffile.imread(tmp_path / name).shape == (301, 411)
    (tmp_path / "best.png").write_text("mine")
    assert bigstack("focus", frames, "--best-frame", tmp_path / "best.png")[0] == 2
    (tmp_path / "plot.png").write_text("mine")
    assert bigstack("focus", frames, "--plot", tmp_path / "plot.png")[0] == 2

"""bigstack correct as users run it."""

import json

import cv2
import numpy as np
import pytest

from bigstack import open_stack
from bigstack.correct import (
    correct_balance,
    correct_hot_pixels,
    correct_vignetting,
    denoise,
    estimate_balance,
    estimate_hot_pixels,
    estimate_vignetting,
)
from bigstack.geometry.correction import Balance, HotPixels, Vignetting
from bigstack.io.corrections import read_correction


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Five PNGs that flicker, with dark corners, noise and three hot pixels."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.uniform(60, 180, (6, 8, 3)).astype(np.float32), (120, 90))
    y, x = np.mgrid[-45:45, -60:60]
    light = 1 / (1 + 1e-4 * (y**2 + x**2)) ** 2
    for z, gain in enumerate((1.0, 0.8, 1.1, 0.9, 1.05)):
        frame = scene * gain * light[..., None] + rng.normal(0, 2, scene.shape)
        frame = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
        frame[[10, 40, 70], [20, 90, 33], [0, 1, 2]] = 255
        cv2.imwrite(str(folder / f"p{z}.png"), frame)
    return folder


def test_a_chain_is_applied_in_the_order_typed(bigstack, photos, tmp_path):
    out = tmp_path / "o.ome.zarr"
    words = ["--hot-pixels", "auto", "--vignetting", "cos4", "--balance", "rgb", "--denoise", "0.8"]
    code, said, _ = bigstack("correct", photos, "-o", out, *words)
    assert code == 0
    stack = open_stack(photos)
    hot = estimate_hot_pixels(stack)
    assert hot.count == 3
    expected = correct_hot_pixels(stack, hot)
    expected = correct_vignetting(expected, estimate_vignetting(expected, model="cos4"))
    expected = correct_balance(expected, estimate_balance(expected))
    expected = denoise(expected, strength=0.8)
    np.testing.assert_array_equal(open_stack(out).values, expected.values)
    lines = [line for line in said.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")]
    assert [line.split()[1] for line in lines] == ["hot", "vignetting:", "balance:", "denoise:"]
    other = tmp_path / "other.ome.zarr"
    assert bigstack("correct", photos, "-o", other, *words[4:6], *words[2:4])[0] == 0
    assert (open_stack(other).values != open_stack(out).values).any()


def test_every_option_reaches_its_correction(bigstack, photos, tmp_path):
    options = {
        "--balance": "hls", "--balance-curve": "gamma", "--balance-reference": "-1", "--balance-mask": "0.8",
        "--balance-intensity": "20,240", "--balance-subsample": "2", "--vignetting": "sigmoid",
        "--vignetting-method": "rings", "--vignetting-frame": "1", "--max-correction": "0.6",
        "--black-threshold": "3", "--hot-pixels": "40,50,60", "--hot-fill": "median",
        "--denoise": "0.5", "--noise": "3",
    }  # fmt: skip
    words = [word for pair in options.items() for word in pair]
    assert bigstack("correct", photos, *words, "--save", tmp_path)[0] == 0
    balance, light, hot, noise = (read_correction(path) for path in sorted(tmp_path.glob("*.json")))
    stack = open_stack(photos)
    assert balance == estimate_balance(
        stack, space="hls", curve="gamma", reference=-1, mask_size=0.8, intensity=(20, 240), subsample=2
    )
    even = correct_balance(stack, balance)
    assert light == estimate_vignetting(
        even, model="sigmoid", method="rings", frame=1, max_correction=0.6, black_threshold=3
    )
    assert hot == estimate_hot_pixels(correct_vignetting(even, light), thresholds=(40, 50, 60), fill="median")
    assert (noise.strength, noise.noise) == (0.5, (3.0, 3.0, 3.0))


def test_without_output_it_measures_plots_and_saves(bigstack, photos, tmp_path):
    words = ["--vignetting", "auto", "--balance", "lumi", "--hot-pixels", "auto"]
    code, said, _ = bigstack("correct", photos, *words, "--save", tmp_path / "s", "--plots", tmp_path / "p")
    assert code == 0
    assert "against frame 2" in said
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        "1-vignetting.json", "2-balance.json", "3-hot-pixels.json",
        "hot-rgb.png", "hot-r.png", "hot-g.png", "hot-b.png",
    }  # fmt: skip
    kinds = [type(read_correction(path)) for path in sorted((tmp_path / "s").glob("*.json"))]
    assert kinds == [Vignetting, Balance, HotPixels]
    assert {path.name for path in (tmp_path / "p").iterdir()} == {
        "1-vignetting.png", "2-balance.png", "2-histograms.png", "3-hot-pixels.png",
            "3-hot-pixels-thresholds.png",
    }  # fmt: skip


def test_saved_corrections_and_masks_are_used_again(bigstack, photos, tmp_path):
    saved, first, second = tmp_path / "saved", tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr"
    words = ["--hot-pixels", "auto", "--balance", "rgb", "--balance-curve", "match_hist"]
    assert bigstack("correct", photos, "-o", first, *words, "--save", saved)[0] == 0
    again = ["--hot-pixels", saved, "--correction", saved / "2-balance.json"]
    assert bigstack("correct", photos, "-o", second, *again)[0] == 0
    np.testing.assert_array_equal(open_stack(first).values, open_stack(second).values)


def test_the_same_command_goes_on_and_another_does_not(bigstack, photos, tmp_path, monkeypatch):
    from bigstack.engine import copy

    out, words = tmp_path / "o.ome.zarr", ["--balance", "rgb", "--save", tmp_path / "s"]
    whole, calls = copy._copy, []

    def interrupted(source, sink, pieces):
        calls.append(pieces)
        if len(calls) > 3:
            raise KeyboardInterrupt
        whole(source, sink, pieces)

    monkeypatch.setattr(copy, "_copy", interrupted)
    assert bigstack("correct", photos, "-o", out, *words, "--workers", "1")[0] == 130
    assert not out.exists()
    monkeypatch.setattr(copy, "_copy", whole)
    code, _, err = bigstack("correct", photos, "-o", out, "--balance", "lumi")
    assert code != 0
    assert "correction 1 balance" in err
    code, said, _ = bigstack("correct", photos, "-o", out, *words)
    assert code == 0
    assert "were there from an earlier run" in said
    stack = open_stack(photos)
    np.testing.assert_array_equal(open_stack(out).values, correct_balance(stack, estimate_balance(stack)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no correction was asked for"),
        (["--balance", "hsb"], "'hsv'"),
        (["--balance-curve", "gamma"], "--balance-curve needs --balance"),
        (["--noise", "3", "--balance", "rgb"], "--noise needs --denoise"),
        (["--hot-fill", "median"], "--hot-fill needs --hot-pixels"),
        (["--balance", "rgb", "--balance-reference", "centre"], "'centre' is not a number"),
        (["--hot-pixels", "nowhere"], "neither auto, thresholds, nor a mask"),
        (["--vignetting", "auto", "--max-correction", "2"], "0<=x<=1"),
        (["--vignetting", "auto", "--black-threshold", "-4"], "x>=0"),
    ],
)
def test_bad_use_exits_with_2(bigstack, photos, words, message):
    code, _, err = bigstack("correct", photos, *words)
    assert code == 2
    assert message in err


def test_failures_leave_no_output(bigstack, photos, tmp_path):
    out = tmp_path / "o.ome.zarr"
    code, _, err = bigstack("correct", photos, "-o", out, "--hot-pixels", "0.1")
    assert code == 2
    assert "too low" in err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "odd.json").write_text(json.dumps({"correction": "balanse"}))
    code, _, err = bigstack("correct", photos, "--correction", tmp_path / "odd.json")
    assert code == 2
    assert "odd.json" in err
    assert "balance" in err


def test_outputs_are_not_overwritten_unasked_nor_after_measuring(bigstack, photos, tmp_path, monkeypatch):
    out = tmp_path / "o.ome.zarr"
    words = ["correct", photos, "-o", out, "--balance", "rgb"]
    assert bigstack(*words)[0] == 0
    monkeypatch.setattr("bigstack.correct.estimate_balance", None)  # calling it would be a TypeError
    code, _, err = bigstack(*words)
    assert code == 2
    assert "o.ome.zarr" in err
    monkeypatch.undo()
    assert bigstack(*words, "--overwrite")[0] == 0


def test_stack_corrects_as_correct_does(bigstack, shared, tmp_path):
    from bigstack import open_stack

    source = shared / "data" / "amber_handheld"
    steps = ("--hot-pixels", "auto", "--balance", "rgb")
    assert bigstack("correct", source, "-o", tmp_path / "c.ome.zarr", *steps)[0] == 0
    assert bigstack("stack", source, "-o", tmp_path / "one.tif", "--align", "none", *steps)[0] == 0
    assert bigstack("stack", tmp_path / "c.ome.zarr", "-o", tmp_path / "two.tif", "--align", "none")[0] == 0
    one, two = (open_stack(tmp_path / f"{name}.tif").values for name in ("one", "two"))
    assert (one == two).all()

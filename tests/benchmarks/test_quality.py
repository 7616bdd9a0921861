"""The quality benchmark runs, tiny, and its parts do what they say."""

import json
import os
import stat
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def quality():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import quality
    finally:
        sys.path.remove(str(BENCHMARKS))
    return quality


@pytest.fixture
def no_tools(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_tools")
def test_the_table_ranks_methods_on_two_scenes(quality, tmp_path):
    output = tmp_path / "records.json"
    arguments = ["--scenes", "ramp,steps", "--size", "96x128", "--seeds", "2", "--json", str(output)]
    result = CliRunner().invoke(quality.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "enfuse left out: enfuse is not on PATH" in result.stderr
    assert "PSNR, dB" in result.stdout
    records = json.loads(output.read_text())
    methods = {r["method"] for r in records}
    assert {"plain argmax", "plain pyramid", "pyramid", "select", "average"} <= methods
    assert len(records) == 2 * 2 * len(methods)
    mean = {m: np.mean([r["psnr"] for r in records if r["method"] == m]) for m in methods}
    assert all(mean[m] > mean["average"] for m in methods - {"average"})
    assert min(mean["plain argmax"], mean["plain pyramid"], mean["select"]) > mean["average"] + 3
    for record in records:
        assert 0 < record["ssim"] <= 1
        assert ("halo" in record) == (record["scene"] == "steps")
        if "rmse" in record:
            assert record["mae"] <= record["rmse"] < 20


@pytest.mark.usefixtures("no_tools")
def test_pairs_are_scored_by_qabf(quality, tmp_path):
    random = np.random.default_rng(0)
    sharp = random.integers(0, 256, (40, 60), np.uint8)
    soft = cv2.GaussianBlur(sharp, (0, 0), 3)
    for n in range(2):
        (tmp_path / f"{n}").mkdir()
        cv2.imwrite(str(tmp_path / f"{n}" / "a.png"), np.hstack([sharp[:, :30], soft[:, 30:]]))
        cv2.imwrite(str(tmp_path / f"{n}" / "b.png"), np.hstack([soft[:, :30], sharp[:, 30:]]))
    arguments = [
        "--pairs",
        str(tmp_path),
        "--methods",
        "plain argmax,average",
        "--json",
        str(tmp_path / "o.json"),
    ]
    result = CliRunner().invoke(quality.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    scores = {(r["scene"], r["method"]): r["qabf"] for r in json.loads((tmp_path / "o.json").read_text())}
    assert len(scores) == 4
    assert scores["0", "plain argmax"] == scores["1", "plain argmax"] > 0.8 > scores["0", "average"]


def test_real_pairs_give_the_known_score(quality, shared):
    methods = quality.pick_methods("plain pyramid", print)
    records = quality.measure_pairs(shared / "data" / "pairs_mfiwhu", methods)
    assert len(records) == 10
    # Published results on these pairs lie between 0.72 and 0.728.
    assert np.mean([r["qabf"] for r in records]) == pytest.approx(0.725, abs=0.005)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenes", "rampe"], "did you mean 'ramp'"),
        (["--methods", "piramid"], "did you mean"),
        (["--size", "640"], "HEIGHTxWIDTH"),
        (["--pairs", str(BENCHMARKS), "--methods", "average"], "no subfolders"),
    ],
)
def test_wrong_use_is_explained(quality, arguments, message):
    result = CliRunner().invoke(quality.main, arguments)
    assert result.exit_code != 0
    assert message in result.stderr


def test_tables_average_seeds_and_mark_what_is_missing(quality):
    records = [
        {"scene": "s", "method": "a", "psnr": 30.0},
        {"scene": "s", "method": "a", "psnr": 40.0},
        {"scene": "s", "method": "b"},
        {"scene": "t", "method": "a", "psnr": 20.0},
        {"scene": "t", "method": "b", "psnr": 10.0},
    ]
    lines = quality.table(records, "psnr", "{:.1f}").splitlines()
    assert lines[0].split() == ["a", "b"]
    assert lines[2].split() == ["s", "35.0", "-"]
    assert lines[3].split() == ["t", "20.0", "10.0"]
    assert lines[4].split() == ["mean", "27.5", "-"]


FAKE = """#!{python}
import sys, cv2
frames = [a for a in sys.argv[1:] if a.endswith(".png") and "=" not in a]
option = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
image = cv2.imread(frames[{frame}])
cv2.imwrite(option["output"], image)
cv2.imwrite(option["depthmap"], image[..., 0] * 0 + 255)
"""


def install(folder: Path, program: str, text: str, monkeypatch) -> None:
    (folder / program).write_text(text)
    (folder / program).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("channels", [1, 3])
def test_tools_on_the_path_get_the_frames_and_give_image_and_depth(quality, tmp_path, monkeypatch, channels):
    install(tmp_path, "focus-stack", FAKE.format(python=sys.executable, frame=2), monkeypatch)
    frames = np.random.default_rng(0).integers(0, 256, (4, 20, 30, channels), np.uint8)
    (method,) = quality.pick_methods("focus-stack", print)
    image, depth = method.run(frames)
    np.testing.assert_array_equal(image, frames[2])
    np.testing.assert_array_equal(depth, np.full((20, 30), 3.0))


def test_a_tool_that_fails_is_named_with_its_message_and_leaves_a_gap(quality, tmp_path, monkeypatch):
    install(tmp_path, "enfuse", "#!/bin/sh\necho no such thing >&2\nexit 3\n", monkeypatch)
    arguments = ["--scenes", "five", "--size", "32x48", "--methods", "enfuse,average"]
    result = CliRunner().invoke(quality.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "five, seed 0: enfuse gave no image (exit code 3): no such thing" in result.stderr
    assert result.stdout.splitlines()[2].split() == ["average"]

"""bigstack align, and alignment inside bigstack stack."""

import json
import re

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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--max-shift", "0.5,0.001"), "shift_x"),
        (("--max-shift", "0.001,0.5"), "shift_y"),
        (("--min-overlap", "1"), "overlap"),
        (("--min-inliers", "9999"), "inliers"),
        (("--max-shift", "1,2,3"), "one number, or y,x"),
        (("--border-value", "7"), "--border constant"),
        (("--border-blur", "7", "--border", "reflect"), "--border replicate-blur"),
        (("--method", "ecc", "--flann-trees", "3"), "--align features"),
        (("--detector", "SURF"), "SURF is patented"),
        (("--detector", "SIFTY"), "SIFT"),
        (("--align-channel", "violet"), "unknown channel to align by 'violet'"),
    ],
)
def test_limits_and_options_of_others_are_told(bigstack, moved, tmp_path, words, says):
    code, _, err = bigstack("align", moved, "-o", tmp_path / "a.json", *words)
    assert code == 2
    assert says in err
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--no-align-refine",),
        ("--method", "phase", "--no-align-refine"),
        ("--patch-size", "32", "--patches", "16"),
        ("--method", "features", "--detector", "KAZE", "--descriptor", "AKAZE", "--no-align-refine"),
        (
            "--method",
            "features",
            "--matcher",
            "flann",
            "--flann-trees",
            "1",
            "--flann-checks",
            "2",
            "--no-align-refine",
        ),
        (
            "--method",
            "features",
            "--max-features",
            "60",
            "--ratio",
            "0.6",
            "--min-matches",
            "6",
            "--no-align-refine",
        ),
        ("--method", "features", "--estimator", "lmeds", "--no-align-refine"),
        (
            "--method",
            "features",
            "--ransac-iterations",
            "20",
            "--ransac-threshold",
            "0.7",
            "--no-align-refine",
        ),
        (
            "--method",
            "features",
            "--ransac-threshold",
            "0.5",
            "--ransac-confidence",
            "0.5",
            "--no-align-refine",
        ),
        ("--model", "affine"),
        ("--align-mode", "chain"),
        ("--align-reference", "last"),
        ("--align-channel", "0"),
        ("--smooth-scale",),
    ],
)
def test_every_option_of_the_estimate_has_an_effect(bigstack, moved, tmp_path, words):
    plain, other = tmp_path / "plain.json", tmp_path / "other.json"
    method = words[:2] if words[0] == "--method" else ()
    refine = ("--no-align-refine",) if "--no-align-refine" in words and method and len(words) > 3 else ()
    assert bigstack("align", moved, "-o", plain, *method, *refine)[0] == 0
    assert bigstack("align", moved, "-o", other, *words)[0] == 0
    assert plain.read_text() != other.read_text()
    centre = [Alignment.from_json(path.read_text()) for path in (plain, other)]
    steps = [
        (a.transforms[2] @ a.transforms[0].inverse()).apply([(200, 150)])[0] - (200, 150) for a in centre
    ]
    np.testing.assert_allclose(steps[1], (-9, -5), atol=0.6)
    np.testing.assert_allclose(steps[0], (-9, -5), atol=0.6)


@pytest.fixture(scope="module")
def bent(tmp_path_factory, moved):
    """Three frames, each turned by a degree, larger by 2 %, sheared, leaning and shifted in x."""
    folder = tmp_path_factory.mktemp("bent")
    scene = cv2.imread(str(moved / "f1.png"))
    centre = np.array([[1, 0, 199.5], [0, 1, 149.5], [0, 0, 1]])
    turn = np.radians(1)
    each = np.array([[1.02, -turn, 3], [turn, 1.02 * 1.01, 0], [2e-5, 0, 1]])
    for z in range(3):
        bend = centre @ np.linalg.matrix_power(each, z) @ np.linalg.inv(centre)
        frame = cv2.warpPerspective(scene, bend, (400, 300), flags=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"f{z}.png"), frame)
    return folder


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--max-scale", "1.005"), "scale"),
        (("--max-rotation", "0.3"), "rotation"),
        (("--model", "affine", "--max-shear", "0.001"), "shear"),
        (("--model", "homography", "--max-perspective", "0.0005"), "perspective"),
    ],
)
def test_frames_beyond_a_limit_are_named(bigstack, bent, tmp_path, words, says):
    out = tmp_path / "a.json"
    code, _, err = bigstack("align", bent, "-o", out, *words)
    assert code == 2
    for name in ("f0.png", "f2.png"):
        assert re.search(
            rf"{name}: no match within the limits, with frame 1 [^:]*{says} \S+ [^:]*beyond", err
        )
    assert "--on-misaligned drop" in err
    assert not out.exists()
    assert bigstack("align", bent, "-o", out, *words[:-2])[0] == 0
    assert bigstack("align", bent, "-o", tmp_path / "d.json", *words, "--on-misaligned", "drop")[0] == 0
    left = Alignment.from_json((tmp_path / "d.json").read_text())
    assert [frame.dropped for frame in left.frames] == [True, False, True]


@pytest.mark.parametrize("mode", ["global", "chain", "direct"])
def test_a_shift_that_is_held_still_is_kept_so(bigstack, bent, tmp_path, mode):
    out = tmp_path / "a.json"
    code, _, err = bigstack("align", bent, "-o", out, "--align-mode", mode, "--max-shift", "0,0.5")
    assert code == 0, err
    parts = Alignment.from_json(out.read_text()).decompose()
    assert np.abs(parts["shift_y"]).max() < 1e-6
    assert np.ptp(parts["shift_x"]) > 5


def test_frames_blurred_all_over_are_placed_by_ecc_alone(bigstack, shared, tmp_path):
    out = tmp_path / "a.json"
    words = ("--start", "7", "--stop", "9", "--method", "ecc", "--no-align-refine")
    assert bigstack("align", shared / "data" / "rail_button", "-o", out, *words)[0] == 0
    parts = Alignment.from_json(out.read_text()).decompose()
    assert 0.01 < np.ptp(parts["scale"]) < 0.02  # 0.0158 by patches
    assert 3 < np.ptp(parts["shift_y"]) < 6


def test_an_output_that_cannot_be_is_told_before_the_work(bigstack, moved, tmp_path, monkeypatch):
    monkeypatch.setattr("bigstack.align.estimate_alignment", None)  # calling it would be a TypeError
    (tmp_path / "there.ome.zarr").write_text("mine")
    for name, says in (("a.tif", ".json"), ("there.ome.zarr", "exists"), ("no/a.ome.zarr", "does not exist")):
        code, _, err = bigstack("align", moved, "-o", tmp_path / name)
        assert code == 2
        assert says in err
    (tmp_path / "bad.json").write_text("{")
    code, _, err = bigstack("stack", moved, "-o", tmp_path / "o.tif", "--alignment", tmp_path / "bad.json")
    assert code == 2
    assert "bad.json" in err


def test_borders_values_and_interpolations_are_what_was_asked_for(bigstack, moved, tmp_path):
    saved = tmp_path / "a.json"
    shifts = [[[1, 0, x], [0, 1, y], [0, 0, 1]] for x, y in ((0, 0), (-4, 3), (-9.4, -4.7))]
    saved.write_text(Alignment.of(shifts, (300, 400)).to_json())

    def aligned(*words):
        out = tmp_path / f"{'-'.join(words)}.ome.zarr".replace("--", "")
        assert bigstack("align", moved, "-o", out, "--alignment", saved, *words)[0] == 0
        return open_stack(out).values

    filled = aligned("--border", "constant", "--border-value", "77")
    made_up = (filled[2] == 77).all(axis=-1)
    assert made_up[150, :7].all()
    others = {
        words: aligned(*words)
        for words in [
            ("--border", "replicate"),
            ("--border", "reflect"),
            ("--border", "replicate-blur"),
            ("--border", "replicate-blur", "--border-blur", "3"),
            ("--interpolation", "linear"),
            ("--interpolation", "lanczos"),
        ]
    }
    inner = np.s_[2, 20:270, 20:370]
    for words, values in others.items():
        same = np.array_equal(values[inner], filled[inner])
        assert same == (words[0] == "--border")
        assert not np.array_equal(values, filled)
    borders = [values[2, 150, :7].tobytes() for words, values in others.items() if words[0] == "--border"]
    assert len(set(borders)) == 4


def test_progress_is_told_while_frames_are_aligned(moved, monkeypatch, capsys):
    from bigstack.cli.progress import Reporter
    from bigstack.engine.watch import Measuring

    reporter = Reporter(quiet=False, verbose=False)
    reporter._told -= 11
    reporter(Measuring("aligning: reading frames", 0.25))
    reporter(Measuring("aligning: reading frames", 0.5))
    assert capsys.readouterr().err == "aligning: reading frames, 25%\n"

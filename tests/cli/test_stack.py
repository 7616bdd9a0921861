"""bigstack stack as a user runs it."""

import json
import re
import signal
import time

import cv2
import numpy as np
import pytest
import tifffile
import zarr

from bigstack import open_stack
from bigstack.geometry.alignment import Alignment
from bigstack.jobs import results

# Tiles x blocks are in tests/test_fuse.py; here the command's own ways to cut and to run.
WAYS = [
    (),
    ("--tile", "64"),
    ("--tile", "100"),
    ("--tile", "150", "--workers", "3"),
    ("--tile", "299", "--workers", "1"),
    ("--tile", "500"),
    ("--tile", "64", "--processes", "--workers", "2"),
]


@pytest.mark.parametrize("method", ["pyramid", "select", "average"])
@pytest.mark.parametrize("output", ["out.tif", "out.png", "out.ome.zarr", "out.ome.tif", "out.npy"])
def test_all_formats_hold_the_same_pixels(bigstack, frames, tmp_path, method, output):
    assert bigstack("stack", frames, "-o", tmp_path / output, "--method", method)[0] == 0
    assert bigstack("stack", frames, "-o", tmp_path / "other.tif", "--method", method)[0] == 0
    found = np.load(tmp_path / output) if output.endswith("npy") else open_stack(tmp_path / output).values[0]
    np.testing.assert_array_equal(found, tifffile.imread(tmp_path / "other.tif"))


@pytest.mark.parametrize("way", WAYS[1:], ids=" ".join)
def test_tiles_workers_and_processes_never_change_a_bit(bigstack, frames, tmp_path, way):
    outs = ("--depth-out", tmp_path / "d.tif", "--index-out", tmp_path / "i.tif")
    for name, words in (("a", ()), ("b", way)):
        assert bigstack("stack", frames, "-o", tmp_path / f"{name}.tif", "--overwrite", *outs, *words)[0] == 0
        for extra in ("d", "i"):
            (tmp_path / f"{extra}.tif").rename(tmp_path / f"{name}{extra}.tif")
    for suffix in ("", "d", "i"):
        first, second = (tifffile.imread(tmp_path / f"{name}{suffix}.tif") for name in "ab")
        np.testing.assert_array_equal(first, second)


def test_the_sharp_parts_win(bigstack, frames, tmp_path):
    assert bigstack("stack", frames, "-o", tmp_path / "o.png", "--index-out", tmp_path / "i.tif")[0] == 0
    index = tifffile.imread(tmp_path / "i.tif")
    middles = [round((z + 0.5) * 411 / 5) for z in range(5)]
    assert [np.median(index[:, x - 20 : x + 20]) for x in middles] == [0, 1, 2, 3, 4]


def test_depth_is_in_micrometres(bigstack, frames, tmp_path):
    words = ("--z", "0,1.5,3,10,20", "--pixel-size", "0.25")
    assert (
        bigstack("stack", frames, "-o", tmp_path / "o.tif", "--depth-out", tmp_path / "d.tif", *words)[0] == 0
    )
    assert set(np.unique(tifffile.imread(tmp_path / "d.tif"))) <= {0, 1.5, 3, 10, 20}
    assert open_stack(tmp_path / "o.tif").attrs["pixel_size"][1:] == [0.25, 0.25]


def test_frames_can_be_picked(bigstack, frames, tmp_path):
    words = ("--every", "2", "--reverse", "--index-out", tmp_path / "i.tif")
    code, out, _ = bigstack("stack", frames, "-o", tmp_path / "o.png", *words)
    assert code == 0
    assert "3 frames" in out
    assert np.median(tifffile.imread(tmp_path / "i.tif")[:, 340:]) == 0


def test_one_channel_can_lead(bigstack, frames, tmp_path):
    assert bigstack("stack", frames, "-o", tmp_path / "o.png", "--focus-channel", "G")[0] == 0
    assert bigstack("stack", frames, "-o", tmp_path / "g.tif", "--channel", "G")[0] == 0
    assert tifffile.imread(tmp_path / "g.tif").shape == (301, 411)
    code, _, err = bigstack("stack", frames, "-o", tmp_path / "p.png", "--focus-channel", "green")
    assert code == 2
    assert "R, G, B" in err


def test_a_dry_run_writes_nothing(bigstack, frames, tmp_path):
    code, out, _ = bigstack("stack", frames, "-o", tmp_path / "o.tif", "--dry-run")
    assert code == 0
    assert re.search(r"peak memory +\d", out)
    assert not list(tmp_path.iterdir())
    _, plan, _ = bigstack("plan", frames, "--json")
    assert json.loads(plan)["tiles"] >= 1
    code, out, _ = bigstack("plan", frames, "--method", "depth", "--quality", "fast")
    assert code == 0


def test_quiet_says_nothing(bigstack, frames, tmp_path):
    assert bigstack("stack", frames, "-o", tmp_path / "o.tif", "-q") == (0, "", "")


def test_a_fast_depth_and_the_quality_of_jpeg_files_go_together(bigstack, frames, tmp_path):
    sizes = []
    for number in ("10", "95"):
        target = tmp_path / f"{number}.jpg"
        words = ("--method", "depth", "--quality", "fast", "--quality", number, "--align", "none")
        assert bigstack("stack", frames, "-o", target, *words)[0] == 0
        sizes.append(target.stat().st_size)
    assert sizes[0] < 0.5 * sizes[1]


def test_nothing_is_overwritten_unasked(bigstack, frames, tmp_path):
    target = tmp_path / "o.png"
    target.write_bytes(b"precious")
    code, _, err = bigstack("stack", frames, "-o", target)
    assert code == 2
    assert "--overwrite" in err
    assert target.read_bytes() == b"precious"
    assert bigstack("stack", frames, "-o", target, "--overwrite")[0] == 0
    assert cv2.imread(str(target)).shape == (301, 411, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "select", "--levels", "3"), "--levels belongs to --method pyramid"),
        (("--method", "average", "--smoothing", "3"), "--smoothing belongs to --method select"),
        (("--method", "select", "--measure", "smll"), "did you mean 'sml'"),
        (("--window", "4"), "odd number"),
        (("--levels", "30"), "takes 1 to 8 levels"),
        (("--quality", "5"), "--quality has no effect"),
        (("--quality", "fast"), "--quality belongs to --method depth"),
        (("--quality", "500"), "neither 1 to 100 nor one of full, fast"),
        (("--quality", "fast", "--quality", "full"), "say one of them"),
        (("--memory-limit", "1MB"), "the limit is 1 MB"),
        (("--memory-limit", "lots"), "memory size"),
        (("--processes", "--scheduler", "tcp://127.0.0.1:1"), "only one of"),
        (("--scheduler-file", "nowhere.json"), "no scheduler file"),
        (("--every", "0"), "every"),
        (("--start", "9"), "leave no frame"),
        (("--channel", "infrared"), "infrared"),
        (("--max-pixels", "100"), "pixels"),
        (("--method", "average", "--depth-out", "d.tif"), "gives no depth"),
        (("--align", "magic"), "none"),
        (("--align", "none", "--model", "affine"), "--model needs --align other than none"),
        (("--align", "phase", "--detector", "ORB"), "--detector belongs to --align features"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_use_is_explained(bigstack, frames, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = bigstack("stack", frames, "-o", tmp_path / "o.tif", *words)
    assert code in (1, 2)
    assert message in err
    assert "Traceback" not in err + out
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f9.png", b"", "f9.png"),
        ("f9.png", b"just text", "f9.png"),
        ("f20.png", b"\x89PNG\r\n\x1a\n cut off", "f20.png"),
    ],
)
def test_a_bad_frame_is_named(bigstack, frames, tmp_path, name, content, message):
    for path in frames.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    code, _, err = bigstack("stack", tmp_path, "-o", out / "o.tif")
    assert code == 1
    assert message in err
    assert not list(out.iterdir())
    code, said, _ = bigstack("stack", tmp_path, "-o", out / "o.tif", "--skip-bad")
    assert code == 0
    assert name in said


def test_missing_input_and_output_folder(bigstack, frames, tmp_path):
    assert "does not exist" in bigstack("stack", tmp_path / "no", "-o", tmp_path / "o.tif")[2]
    code, _, err = bigstack("stack", frames, "-o", tmp_path / "no" / "o.tif")
    assert code == 2
    assert "folder" in err


def test_debug_shows_where(frames, process, tmp_path):
    run = process("stack", tmp_path / "no", "-o", tmp_path / "o.tif", "--debug")
    assert "Traceback" in run.communicate()[1]
    assert run.returncode == 1


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A stack in small chunks, enough of them to be caught in the middle."""
    place = tmp_path_factory.mktemp("many") / "in.zarr"
    array = zarr.create_array(place, shape=(12, 1536, 1536), chunks=(1, 256, 256), dtype="uint8")
    array[:] = np.random.default_rng(2).integers(0, 256, array.shape, dtype=np.uint8)
    return place


def test_killed_while_it_writes_goes_on_with_the_same_alignment(process, bigstack, tmp_path):
    scene = np.random.default_rng(4).integers(0, 256, (660, 660), dtype=np.uint8)
    place, out, whole = (tmp_path / name for name in ("in.zarr", "o.ome.zarr", "whole.ome.zarr"))
    array = zarr.create_array(place, shape=(8, 640, 640), chunks=(1, 128, 128), dtype="uint8")
    for z in range(8):
        array[z] = scene[z : 640 + z, 2 * z : 640 + 2 * z]
    words = ("--tile", "128", "--workers", "1")
    partial = tmp_path / "o.ome.zarr.scratch"
    run = process("stack", place, "-o", out, *words)
    deadline = time.monotonic() + 60
    while len(list(partial.glob("fold-*"))) < 3 and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert not out.exists()
    parked = {path.name for path in partial.glob("fold-*")}
    assert len(parked) >= 3
    assert bigstack("stack", place, "-o", whole, *words)[0] == 0
    # Estimated again, in this process: were it another alignment, the record would refuse it.
    code, _, err = bigstack("stack", place, "-o", out, *words, "--save-alignment", tmp_path / "a.json")
    assert code == 0, err
    assert not Alignment.from_json((tmp_path / "a.json").read_text()).is_identity
    assert (open_stack(out).values == open_stack(whole).values).all()


def test_killed_and_run_again_goes_on(process, bigstack, many, tmp_path, monkeypatch):
    out, whole = tmp_path / "o.ome.zarr", tmp_path / "whole.ome.zarr"
    words = ("--align", "none", "--tile", "512", "--workers", "1", "--depth-out", tmp_path / "d.ome.zarr")
    partial = tmp_path / "o.ome.zarr.scratch"
    run = process("stack", many, "-o", out, *words)
    deadline = time.monotonic() + 60
    while len(list(partial.glob("fold-*"))) < 3 and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert not out.exists()
    parked = {path.name: path.stat().st_mtime_ns for path in partial.glob("fold-*")}
    assert len(parked) >= 3
    code, _, err = bigstack("stack", many, "-o", out, *words, "--method", "select")
    assert code == 1
    assert "option method was pyramid, now select" in err
    # What was parked before the kill is taken as it was: at the end the folders are still the same ones.
    at_end = {}
    clear = results.clear_scratch

    def look_and_clear(paths):
        at_end.update({path.name: path.stat().st_mtime_ns for path in partial.glob("fold-*")})
        clear(paths)

    monkeypatch.setattr(results, "clear_scratch", look_and_clear)
    code, _, err = bigstack("stack", many, "-o", out, *words)
    assert code == 0, err
    assert parked.items() <= at_end.items()
    assert len(at_end) > len(parked)
    assert not partial.exists()
    words = ("--align", "none", "--tile", "400", "--depth-out", tmp_path / "d2.ome.zarr")
    assert bigstack("stack", many, "-o", whole, *words)[0] == 0
    np.testing.assert_array_equal(open_stack(out).values, open_stack(whole).values)
    np.testing.assert_array_equal(
        open_stack(tmp_path / "d.ome.zarr").values, open_stack(tmp_path / "d2.ome.zarr").values
    )


def test_interrupted_with_stored_tiles_skips_them(bigstack, many, tmp_path, monkeypatch):
    from bigstack.io.writers.ome_zarr import OmeZarrSink

    encode, stored = OmeZarrSink.encode, []

    def break_down(self, tile, pixels):
        if len(stored) == 3:
            raise OSError(28, "No space left on device")
        stored.append(tile)
        return encode(self, tile, pixels)

    out = tmp_path / "o.ome.zarr"
    words = ("stack", many, "-o", out, "--align", "none", "--tile", "512", "--workers", "1")
    with monkeypatch.context() as patch:
        patch.setattr(OmeZarrSink, "encode", break_down)
        code, _, err = bigstack(*words)
    assert code == 1
    assert "Traceback" not in err
    assert not (tmp_path / "o.ome.zarr").exists()
    code, out, _ = bigstack(*words)
    assert code == 0
    assert "3 of 9 tiles were there from an earlier run" in out


def test_a_changed_input_is_refused(bigstack, many, tmp_path):
    import shutil

    from bigstack.io.writers.ome_zarr import OmeZarrSink

    copy = tmp_path / "in.zarr"
    shutil.copytree(many, copy)
    words = ("stack", copy, "-o", tmp_path / "o.ome.zarr", "--align", "none", "--tile", "512")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmeZarrSink, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt()))
        assert bigstack(*words)[0] == 130
    zarr.open_array(copy, mode="r+")[0, :9, :9] = 0
    code, _, err = bigstack(*words)
    assert code == 1
    assert "in.zarr has changed" in err
    assert "--overwrite" in err
    assert bigstack(*words, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("depth_map", "--weights", "softmax", "--temperature", "2", "--unit", "stack", "--levels", "2"),
        ("depth_map", "--diameter", "5", "--sigma-color", "3", "--sigma-space", "2", "--power", "4"),
        ("weighted", "--measure", "log", "--smoothing", "1", "--power", "2"),
        ("guided", "--window", "15", "--base-radius", "9", "--base-eps", "0.1", "--detail-radius", "3"),
        ("wavelet", "--levels", "3", "--consistency", "bands"),
        ("blend", "--rule", "mask", "--levels", "2", "--beta", "0.2"),
        ("pyramid", "--limit-halos", "--reassign-colors", "--denoise-fused", "0.5"),
    ],
    ids=lambda words: words[0],
)
def test_options_of_methods_reach_them_whatever_the_tiles(bigstack, frames, tmp_path, words):
    for name, more in (("plain", ("--method", words[0])), ("a", ()), ("b", ("--tile", "64"))):
        way = more if name == "plain" else ("--method", *words, *more)
        code, _, err = bigstack("stack", frames, "-o", tmp_path / f"{name}.tif", *way)
        assert code == 0, err
    plain, first, second = (
        cv2.imread(str(tmp_path / f"{name}.tif"), cv2.IMREAD_UNCHANGED) for name in ("plain", "a", "b")
    )
    np.testing.assert_array_equal(first, second)
    assert (plain != first).any()

"""bigstack info, plan, convert and demo as users run them."""

import json
import signal
import time

import numpy as np
import pytest
import tifffile
import zarr
from yaozarrs import validate_zarr_store

from bigstack import open_stack
from bigstack.cli import cli


def test_help_is_there_for_all(bigstack):
    for command in ["", *cli.commands]:
        code, out, _ = bigstack(*command.split(), "--help")
        assert code == 0
        assert "Usage" in out
    for command in cli.commands.values():
        assert command.help
        for option in command.params:
            assert option.param_type_name == "argument" or option.help


def test_an_unknown_command(bigstack):
    code, _, err = bigstack("stak", "x")
    assert code == 2
    assert "No such command" in err


def test_info(bigstack, frames):
    code, out, _ = bigstack("info", frames)
    assert code == 0
    assert "dtype: uint8" in out
    found = json.loads(bigstack("info", frames, "--json")[1])
    assert found["axes"] == {"z": 5, "y": 301, "x": 411, "channel": 3}


def test_info_of_nothing(bigstack, tmp_path):
    code, _, err = bigstack("info", tmp_path / "no")
    assert code == 1
    assert "does not exist" in err


def test_convert_keeps_pixels_and_metadata(bigstack, frames, tmp_path):
    out = tmp_path / "o.ome.zarr"
    code, said, _ = bigstack("convert", frames, out, "--chunk", "64", "--pixel-size", "2,0.5,0.25")
    assert code == 0
    assert "o.ome.zarr" in said
    copy = open_stack(out)
    np.testing.assert_array_equal(copy.values, open_stack(frames).values)
    assert copy.attrs["pixel_size"] == [2, 0.5, 0.25]
    validate_zarr_store(out)
    assert zarr.open(out)["0"].chunks[-2:] == (64, 64)


@pytest.mark.parametrize("ngff", ["0.4", "0.5"])
def test_convert_and_stack_write_both_versions(bigstack, frames, tmp_path, ngff):
    assert bigstack("convert", frames, tmp_path / "c.ome.zarr", "--ngff", ngff)[0] == 0
    assert bigstack("stack", tmp_path / "c.ome.zarr", "-o", tmp_path / "s.ome.zarr", "--ngff", ngff)[0] == 0
    assert bigstack("stack", frames, "-o", tmp_path / "s.tif")[0] == 0
    for name in "cs":
        validate_zarr_store(tmp_path / f"{name}.ome.zarr")
    np.testing.assert_array_equal(
        open_stack(tmp_path / "s.ome.zarr").values[0], tifffile.imread(tmp_path / "s.tif")
    )


def test_convert_to_something_else(bigstack, frames, tmp_path):
    code, _, err = bigstack("convert", frames, tmp_path / "o.tif")
    assert code == 1
    assert ".ome.zarr" in err


def test_convert_killed_and_run_again(bigstack, process, tmp_path):
    source = tmp_path / "in.zarr"
    array = zarr.create_array(source, shape=(40, 1024, 1024), chunks=(1, 512, 512), dtype="uint8")
    array[:] = np.random.default_rng(2).integers(0, 256, array.shape, dtype=np.uint8)
    out = tmp_path / "o.ome.zarr"
    words = ("convert", source, out, "--chunk", "128", "--workers", "1")
    run = process(*words)
    partial = tmp_path / "o.ome.zarr.partial"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.poll() is None:
        if sum(1 for path in partial.rglob("*") if path.is_file()) > 400:
            break
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    assert not out.exists()
    code, said, err = bigstack(*words)
    assert code == 0, err
    assert "were there from an earlier run" in said
    np.testing.assert_array_equal(open_stack(out).values[..., 0], array[:])


def test_demo(bigstack, tmp_path):
    code, out, _ = bigstack("demo", "-o", tmp_path / "demo")
    assert code == 0
    assert (tmp_path / "demo" / "comparison.png").exists()
    fused, single = (
        float(part.split(" dB")[0]) for part in out.split("PSNR ")[1].split("best single frame ")
    )
    assert fused > single + 10
    code, _, err = bigstack("demo", "-o", tmp_path / "demo")
    assert code == 2
    assert "--overwrite" in err


def test_a_scheduler_gives_the_same(bigstack, frames, tmp_path):
    from distributed import LocalCluster

    assert bigstack("stack", frames, "-o", tmp_path / "a.tif")[0] == 0
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address=":0",
    ) as cluster:  # fmt: skip
        where = ("--scheduler", cluster.scheduler_address)
        assert bigstack("stack", frames, "-o", tmp_path / "b.tif", "--tile", "64", *where)[0] == 0
        assert bigstack("stack", frames, "-o", tmp_path / "b.ome.zarr", "--align", "none", *where)[0] == 0
    expected = tifffile.imread(tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), expected)
    np.testing.assert_array_equal(open_stack(tmp_path / "b.ome.zarr").values[0], expected)


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        (("convert",), "ome.zarr"),
        (("align", "-o"), "ome.zarr"),
        (("correct", "--balance", "lumi", "-o"), "ome.zarr"),
        (("focus", "--method", "tenengrad", "-o"), "ome.zarr"),
        (("density", "--frame", "0", "-o"), "ome.zarr"),
        (("bunch", "--frames", "2", "-o"), "ome.zarr"),
        (("depth", "--align", "none", "-o"), "tif"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_runs_on_a_cluster_of_its_own(bigstack, frames, tmp_path, command, ending):
    name, *words = command
    here, there = (tmp_path / f"{which}.{ending}" for which in "ab")
    assert bigstack(name, frames, *words, here)[0] == 0
    assert bigstack(name, frames, *words, there, "--cluster", "local", "--workers", "1")[0] == 0
    np.testing.assert_array_equal(open_stack(there).values, open_stack(here).values)


def test_images_of_their_own_on_a_cluster(bigstack, frames, tmp_path):
    words = ("density", frames, "--each", "-o")
    assert bigstack(*words, tmp_path / "a")[0] == 0
    assert bigstack(*words, tmp_path / "b", "--cluster", "local", "--workers", "1")[0] == 0
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.npy"))
    assert len(files) == 10
    for file in files:
        np.testing.assert_array_equal(np.load(tmp_path / "a" / file), np.load(tmp_path / "b" / file))

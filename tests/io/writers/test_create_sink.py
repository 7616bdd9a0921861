import os
import subprocess
import sys

import numpy as np
import pytest

from bigstack.errors import FormatError, InputError, OutputExistsError
from bigstack.io.record import InputRecord, RunRecord
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import SUFFIXES, create_sink, create_stack_sink, sink_options, suffix_of
from bigstack.io.writers.spec import StackSpec

RGB = ImageSpec((100, 80, 3), "uint8")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_extension_writes(tmp_path, write, picture, suffix):
    path = write(tmp_path / f"out{suffix.upper()}", picture((50, 40, 3)))
    assert path.exists()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_longest_extension_wins():
    assert suffix_of("a.b.ome.tif") == ".ome.tif"
    assert suffix_of("x.OME.Zarr") == ".ome.zarr"
    assert suffix_of("some.tif") == ".tif"


@pytest.mark.parametrize("name", ["a", "a.bmp", ".png", "png"])
def test_unknown_extensions_list_the_known(tmp_path, name):
    with pytest.raises(FormatError, match=r"one of: \.ome\.zarr, .*\.npy"):
        create_sink(tmp_path / name, RGB)


@pytest.mark.parametrize(
    ("name", "spec", "why", "able", "unable"),
    [
        (
            "a.jpg",
            ImageSpec((70000, 9, 3), "uint8"),
            "at most 65535 pixels a side, not 70000",
            ".png",
            ".jpg",
        ),
        ("a.jpg", ImageSpec((9, 9, 3), "uint16"), "holds uint8, not uint16", ".png", ".jpg"),
        ("a.jpg", ImageSpec((9, 9, 4), "uint8"), "1 or 3 channels, not 4", ".png", ".jpg"),
        ("a.png", ImageSpec((9, 9, 1), "float32"), "uint8 and uint16, not float32", ".tif", ".png"),
        ("a.png", ImageSpec((9, 9, 5), "uint8"), "1 to 4 channels, not 5", ".ome.tif", ".png"),
        ("a.png", ImageSpec((9, 1_000_001, 1), "uint8"), "at most 1000000 pixels", ".ome.zarr", ".png"),
        (
            "a.png",
            ImageSpec((9, 9, 2), "uint8", channels=("DAPI", "GFP")),
            "is alpha, not 'GFP'",
            ".tif",
            ".png",
        ),
        ("a.tif", ImageSpec((9, 9, 1), "float16"), "not float16", ".ome.zarr", ".tif"),
        ("a.tif", ImageSpec((2**31, 9, 1), "uint8"), "at most 2147483647", ".ome.zarr", ".tif"),
        ("a.ome.zarr", ImageSpec((9, 9, 1), "bool"), "not bool", ".npy", ".zarr"),
    ],
)
def test_limits_name_the_formats_that_can(tmp_path, name, spec, why, able, unable):
    with pytest.raises(FormatError) as caught:
        create_sink(tmp_path / name, spec)
    reason, listed = str(caught.value).rsplit("formats that can: ", 1)
    assert why in reason
    assert able in listed.split(", ")
    assert unable not in listed.split(", ")
    assert list(tmp_path.iterdir()) == []


def test_existing_outputs_are_kept(tmp_path, write, picture):
    path = write(tmp_path / "a.tif", picture((9, 9, 1)))
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        create_sink(path, ImageSpec((9, 9, 1), "uint8"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr"])
def test_the_old_output_stays_until_the_new_is_whole(tmp_path, write, picture, name):
    path = write(tmp_path / name, picture((9, 9, 1)))
    before = sorted(p.name for p in path.rglob("*")) if path.is_dir() else path.read_bytes()
    sink = create_sink(path, ImageSpec((20, 20, 1), "uint8"), overwrite=True)
    sink.open()
    sink.abort()
    assert (sorted(p.name for p in path.rglob("*")) if path.is_dir() else path.read_bytes()) == before
    write(path, picture((20, 20, 1), seed=1), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_folders_of_the_user_are_never_replaced(tmp_path):
    for name in ("a.tif", "a.zarr"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match="did not write"):
            create_sink(tmp_path / name, RGB, overwrite=True)


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"folder .*nowhere does not exist; create it first"):
        create_sink(tmp_path / "nowhere" / "a.tif", RGB)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_closed_folders_are_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="not writable"):
        create_sink(tmp_path / "a.tif", RGB)


def test_options_are_checked(tmp_path):
    assert sink_options("a.jpg") == ("quality", "subsampling")
    assert "chunk" in sink_options("a.zarr")
    with pytest.raises(InputError, match=r"unknown option of \.jpg 'qualty'; did you mean 'quality'"):
        create_sink(tmp_path / "a.jpg", RGB, qualty=3)
    with pytest.raises(InputError, match="takes no options"):
        create_sink(tmp_path / "a.npy", RGB, quality=3)


def test_an_input_is_not_an_output(tmp_path, write, picture):
    path = write(tmp_path / "frame.tif", picture((9, 9, 1)))
    record = RunRecord("stack", (InputRecord.of(path),))
    with pytest.raises(InputError, match="is an input of this run"):
        create_sink(path, RGB, overwrite=True, record=record)


def test_stacks_go_to_zarr_only(tmp_path):
    with pytest.raises(FormatError, match=r"\.ome\.zarr or \.zarr, not \.tif"):
        create_stack_sink(tmp_path / "a.tif", StackSpec((2, 9, 9, 1), "uint8"))


def test_tasks_can_run_elsewhere(tmp_path, monkeypatch):
    """A relative name is the driver's, wherever the worker runs."""
    monkeypatch.chdir(tmp_path)
    assert create_sink("a.tif", RGB).path == tmp_path / "a.tif"


def test_equal_sinks_have_equal_tokens(tmp_path):
    from dask.base import tokenize

    for suffix in SUFFIXES:
        first, second = (create_sink(tmp_path / f"a{suffix}", RGB) for _ in range(2))
        assert tokenize(first) == tokenize(second)
        assert tokenize(first) != tokenize(create_sink(tmp_path / f"b{suffix}", RGB))
    jpeg = [create_sink(tmp_path / "a.jpg", RGB, quality=q) for q in (50, 60)]
    assert tokenize(jpeg[0]) != tokenize(jpeg[1])


def test_importing_the_writers_is_fast():
    """Zarr, tifffile and imagecodecs are imported when they are needed."""
    code = (
        "import sys, bigstack.io.writers; "
        "heavy = ('zarr', 'tifffile', 'imagecodecs', 'xarray', 'dask', 'psutil'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_abort_without_open_is_harmless(tmp_path):
    for suffix in (".tif", ".ome.zarr"):
        (tmp_path / f"a{suffix}.partial").write_text("of somebody else")
        create_sink(tmp_path / f"a{suffix}", RGB).abort()
        assert (tmp_path / f"a{suffix}.partial").exists()


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr"])
def test_using_a_closed_sink_is_refused(tmp_path, name):
    sink = create_sink(tmp_path / name, ImageSpec((8, 8, 1), "uint8"))
    with pytest.raises(InputError, match="not open for writing"):
        sink.finish()
    sink.open()
    sink.abort()
    with pytest.raises(InputError, match="not open for writing"):
        sink.finish()
    assert np.all([not p.exists() for p in (tmp_path / name, tmp_path / f"{name}.partial")])

"""OME-Zarr written to S3: the bytes of one on a disk, never over another, nothing half-written to be seen."""

import json

import cv2
import numpy as np
import pytest

from bigstack import open_stack
from bigstack.errors import InputError, OutputExistsError, StackError, StoreError
from bigstack.geometry import Tile
from bigstack.io.record import InputRecord
from bigstack.io.remote import RemotePath
from bigstack.io.scratch import Scratch, clear_scratch
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink
from bigstack.jobs.write import write_image

from .conftest import assert_equal_files, download, keys, texture

PLAIN = ("--align", "none", "--tile", "512", "-q")


def attributes(address):
    return json.loads((RemotePath(address) / "zarr.json").read_text())["attributes"]


@pytest.mark.parametrize("how", [("--ngff", "0.4"), ("--shard", "512", "--chunk", "256")])
def test_convert_there_and_stack_from_there(bucket, bigstack, frames, fused, tmp_path, how):
    assert bigstack("convert", frames, f"{bucket}/in.ome.zarr", *how)[0] == 0
    assert bigstack("convert", frames, tmp_path / "in.ome.zarr", *how)[0] == 0
    assert_equal_files(download(f"{bucket}/in.ome.zarr", tmp_path / "in"), tmp_path / "in.ome.zarr")
    code, _, said = bigstack("stack", f"{bucket}/in.ome.zarr", "-o", f"{bucket}/out.ome.zarr", *PLAIN)
    assert (code, said) == (0, "")
    assert_equal_files(download(f"{bucket}/out.ome.zarr", tmp_path / "out"), fused)
    assert {name.split("/")[0] for name in keys(bucket)} == {"in.ome.zarr", "out.ome.zarr"}
    own = attributes(f"{bucket}/out.ome.zarr")["bigstack"]
    assert (own["tiles"]["of"], own["tiles"]["stored"]) == (9, 9)
    assert own["run"]["inputs"][0]["path"] == f"{bucket}/in.ome.zarr"


def test_other_commands(bucket, bigstack, tmp_path):
    (tmp_path / "frames").mkdir()
    for z in range(3):
        cv2.imwrite(str(tmp_path / "frames" / f"{z}.png"), cv2.blur(texture((120, 150)), (2 * z + 1, 1)))
    assert bigstack("convert", tmp_path / "frames", f"{bucket}/in.ome.zarr")[0] == 0
    runs = {
        "depth": (
            "-o", "{}/depth.ome.zarr", "--sigma-out", "{}/sigma.ome.zarr", "--align", "none", "-q",
            "--report", tmp_path / "report.html", "--overwrite",
        ),
        "align": ("-o", "{}/aligned.ome.zarr",),
        "focus": ("-o", "{}/focus.ome.zarr", "--method", "sml"),
    }  # fmt: skip
    for command, words in runs.items():
        for place in (bucket, tmp_path):
            code, _, said = bigstack(
                command, f"{bucket}/in.ome.zarr", *(str(word).format(place) for word in words)
            )
            assert code == 0, said
    for place in (bucket, tmp_path):
        assert bigstack("picture", f"{place}/depth.ome.zarr", "-o", f"{place}/picture.ome.zarr")[0] == 0
    for name in ("depth", "sigma", "aligned", "focus", "picture"):
        found = download(f"{bucket}/{name}.ome.zarr", tmp_path / f"{name}-there")
        assert_equal_files(found, tmp_path / f"{name}.ome.zarr")


def test_tasks_share_a_store(bucket, bigstack, frames, fused, tmp_path):
    words = ("stack", frames, "-o", f"{bucket}/out.ome.zarr", *PLAIN)
    for task in ("2/3", "1/3", "2/3"):
        assert bigstack(*words, "--task", task)[0] == 0
    code, _, said = bigstack(*words, "--finish")
    assert code == 1
    assert "3 tiles" in said
    with pytest.raises(StackError, match="is unfinished"):
        open_stack(f"{bucket}/out.ome.zarr")
    assert bigstack(*words, "--task", "3/3")[0] == 0
    assert bigstack(*words, "--finish")[0] == 0
    assert_equal_files(download(f"{bucket}/out.ome.zarr", tmp_path / "out"), fused)
    assert attributes(f"{bucket}/out.ome.zarr")["bigstack"]["tiles"]["stored"] == 9


def test_nothing_is_replaced_unasked(bucket, bigstack, frames):
    (RemotePath(bucket) / "mine.zarr" / "notes.txt").write_text("mine")
    write_image(texture((40, 50)), f"{bucket}/o.ome.zarr")
    before = keys(bucket)
    for name, says in {"o.ome.zarr": "exists; allow to overwrite it", "mine.zarr": "did not write"}.items():
        code, _, said = bigstack("stack", frames, "-o", f"{bucket}/{name}", *PLAIN)
        assert code == 2
        assert says in said
    assert bigstack("stack", frames, "-o", f"{bucket}/mine.zarr", *PLAIN, "--overwrite")[0] == 2
    assert keys(bucket) == before


@pytest.mark.parametrize("versions", [("0.5", "0.5"), ("0.4", "0.5"), ("0.5", "0.4"), ("0.4", "0.4")])
def test_what_is_replaced_stays_whole_until_then(bucket, versions):
    old, new = texture((90, 100), 1), texture((70, 60), 2)
    place = f"{bucket}/o.ome.zarr"
    write_image(old, place, version=versions[0], chunk=32)
    sink = create_sink(
        place, ImageSpec((70, 60, 1), "uint8"), overwrite=True, version=versions[1], chunk=32
    )  # fmt: skip
    sink.open()
    sink.encode(Tile(0, 64, 0, 60), new[:64, :, None])
    np.testing.assert_array_equal(open_stack(place)[0, ..., 0], old)
    sink.encode(Tile(64, 70, 0, 60), new[64:, :, None])
    for level in range(1, sink.levels):
        for tile in sink.level_tasks(level):
            sink.build_level(level, tile)
    sink.finish()
    np.testing.assert_array_equal(open_stack(place)[0, ..., 0], new)
    with pytest.raises(OutputExistsError):
        write_image(new, place)
    write_image(old, place, chunk=32, overwrite=True)
    np.testing.assert_array_equal(open_stack(place)[0, ..., 0], old)
    used = {level["path"] for level in attributes(place)["ome"]["multiscales"][0]["datasets"]}
    assert {name.split("/")[0] for name in keys(place)} == used | {"zarr.json"}
    assert {name.split("/")[0] for name in keys(bucket)} == {"o.ome.zarr"}


def test_what_was_given_up_leaves_nothing(bucket):
    sink = create_sink(f"{bucket}/o.ome.zarr", ImageSpec((64, 64, 1), "uint8"))
    sink.open()
    sink.encode(Tile(0, 64, 0, 64), texture((64, 64, 1)))
    assert keys(bucket)
    sink.abort()
    assert keys(bucket) == []


def test_a_task_of_a_given_up_run_harms_nobody(bucket):
    place, spec = f"{bucket}/o.ome.zarr", ImageSpec((64, 64, 1), "uint8")
    stale = create_sink(place, spec)
    stale.open()
    stale.encode(Tile(0, 64, 0, 64), texture((64, 64, 1), 2))
    stale.output.release()
    wanted = texture((64, 64), 1)
    sink = create_sink(place, spec, overwrite=True)
    sink.open()
    sink.encode(Tile(0, 64, 0, 64), wanted[..., None])
    stale.encode(Tile(0, 64, 0, 64), texture((64, 64, 1), 2))
    sink.finish()
    np.testing.assert_array_equal(open_stack(place)[0, ..., 0], wanted)


def test_an_input_is_no_output(bucket, bigstack):
    write_image(texture((40, 50)), f"{bucket}/o.ome.zarr")
    code, _, said = bigstack(
        "stack", f"{bucket}/o.ome.zarr", "-o", f"{bucket}/o.ome.zarr", "--overwrite", *PLAIN
    )
    assert code == 2
    assert "is an input of this run" in said


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("{}/o.tif", "only OME-Zarr is written to a store"),
        ("s3://nobucket/o.ome.zarr", "there is no bucket 'nobucket'"),
        ("http://127.0.0.1:9/o.ome.zarr", "HTTP is for reading only"),
        ("ftp://host/o.ome.zarr", "of a kind that is not read"),
    ],
)
def test_outputs_that_cannot_be_are_told_before_the_work(bucket, bigstack, frames, output, says):
    code, _, said = bigstack("stack", frames, "-o", output.format(bucket), *PLAIN)
    assert code in (1, 2)
    assert says in said
    assert keys(bucket) == []


def test_from_python(bucket):
    with pytest.raises(StoreError, match="no bucket"):
        write_image(texture((4, 4)), "s3://nobucket/o.ome.zarr")
    with pytest.raises(InputError, match="only OME-Zarr"):
        write_image(texture((4, 4)), f"{bucket}/o.png")
    write_image(texture((4, 4)), f"{bucket}/o.ome.zarr")
    np.testing.assert_array_equal(open_stack(f"{bucket}/o.ome.zarr")[0, ..., 0], texture((4, 4)))


def test_jobs_read_from_a_store(bucket, tmp_path, bigstack):
    for z in range(3):
        cv2.imwrite(str(tmp_path / f"{z}.png"), texture((60, 70), z))
    assert bigstack("convert", *sorted(tmp_path.glob("*.png")), f"{bucket}/in.ome.zarr", "-q")[0] == 0
    job = tmp_path / "job.toml"
    text = f'[input]\npath = "{bucket}/in.ome.zarr"\n[output]\nfolder = "out"\n[[steps]]\ndo = "fuse"\n'
    job.write_text(text)
    said = [bigstack("run", job) for _ in range(2)]
    assert [code for code, _, _ in said] == [0, 0]
    assert "1 results are up to date" in said[1][1]
    record = json.loads((tmp_path / "out" / "in-fuse.tif.bigstack.json").read_text())
    assert record["inputs"][0]["path"] == f"{bucket}/in.ome.zarr"
    RemotePath(f"{bucket}/in.ome.zarr/0/c/0/0/0/0").write_bytes(b"changed")
    assert bigstack("run", job, "--dry-run")[1].count("to do") >= 1
    job.write_text(text.replace('"out"', f'"{bucket}/out"'))
    code, _, error = bigstack("run", job)
    assert code == 2
    assert "only its input can be in a store" in error
    assert not list(tmp_path.glob("s3*"))


def test_pieces_between_passes_lie_in_the_store(bucket):
    scratch = Scratch(f"{bucket}/o.ome.zarr.scratch")
    begun = scratch.begin("tile-0")
    begun.empty("tall", (2, 3), np.dtype(np.uint16))[...] = 7
    begun.save("bands", [np.arange(i) for i in range(12)])
    begun.save("index", np.ones((2, 2)))
    assert scratch.find("tile-0") is None
    begun.finish()
    parked = scratch.find("tile-0")
    assert parked.load("tall").tolist() == [[7] * 3] * 2
    assert isinstance(parked.load("tall"), np.memmap)
    assert [len(band) for band in parked.load("bands")] == list(range(12))
    assert parked.load("index").sum() == 4
    RemotePath(f"{bucket}/o.ome.zarr.scratch/tile-0/whole").unlink()
    assert scratch.find("tile-0") is None
    clear_scratch(scratch.folder)
    assert keys(bucket) == []


def test_the_record_knows_a_store(bucket, moto):
    write_image(texture((40, 50)), f"{bucket}/o.ome.zarr")
    first, again = (InputRecord.of(f"{bucket}/o.ome.zarr", digest=True) for _ in range(2))
    assert first == again
    assert first.size == sum(facts.st_size for _, facts in RemotePath(f"{bucket}/o.ome.zarr").files_below())
    RemotePath(f"{bucket}/o.ome.zarr/more").write_bytes(b"x")
    assert "bytes then" in first.change(InputRecord.of(f"{bucket}/o.ome.zarr"))
    with pytest.raises(StackError, match="there is nothing"):
        InputRecord.of(f"{bucket}/other")

"""Jobs run: what is written, what is computed again and what is not."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile

from bigstack import Job, open_stack
from bigstack.errors import BigstackError, InputError, OutputExistsError, StackError
from bigstack.jobs import actions
from bigstack.jobs.record import record_path

from .conftest import write_frames


@pytest.fixture
def job(photos, tmp_path):
    return (
        Job(photos, tmp_path / "out")
        .add("align", method="phase")
        .add("balance")
        .add("fuse", outputs=["image", "depth"])
        .add("fuse", name="mean", method="average", format="png")
    )


@pytest.fixture
def measured(monkeypatch):
    """Kinds of steps that were measured."""
    found = []
    estimate = actions.estimate

    def noted(kind, stack, options):
        found.append(kind)
        return estimate(kind, stack, options)

    monkeypatch.setattr(actions, "estimate", noted)
    return found


def states(result):
    return {step.step: step.state for stack in result.stacks for step in stack.steps}


def pixels(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tif")}


def test_outputs_are_those_of_the_functions(job, photos, tmp_path):
    import bigstack

    job.run()
    stack = open_stack(photos)
    stack = bigstack.apply_alignment(stack, bigstack.estimate_alignment(stack, method="phase"))
    stack = bigstack.correct_balance(stack, bigstack.estimate_balance(stack))
    fused = bigstack.fuse(stack)
    out = tmp_path / "out"
    np.testing.assert_array_equal(tifffile.imread(out / "photos-fuse.tif"), fused.image.values)
    np.testing.assert_array_equal(tifffile.imread(out / "photos-fuse-depth.tif"), fused.depth.values)
    mean = cv2.cvtColor(cv2.imread(str(out / "photos-mean.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(mean, bigstack.fuse(stack, method="average").image.values)


def test_a_second_run_does_nothing_and_says_so(job, tmp_path, measured):
    first = job.run()
    assert states(first) == {"fuse": "done", "mean": "done"}
    assert measured == ["align", "balance"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir() if path.is_file()}
    again = job.run()
    assert states(again) == {"fuse": "up to date", "mean": "up to date"}
    assert again.lines()[-1] == "nothing to do: all 2 results are up to date"
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert measured == ["align", "balance"]


def test_only_what_a_change_touches_is_made_again(job, photos, measured):
    job.run()
    del measured[:]
    assert states(job.set({"mean.kind": "max"}).run()) == {"fuse": "up to date", "mean": "done"}
    assert measured == []
    job = job.set({"mean.kind": "max", "balance.space": "lumi"})
    assert states(job.run()) == {"fuse": "done", "mean": "done"}
    assert measured == ["balance"]
    # The same pixels under another time are the same.
    os.utime(photos / "f1.png")
    assert states(job.run()) == {"fuse": "up to date", "mean": "up to date"}
    write_frames(photos.with_name("other"), 4, 9)
    shutil.copy(photos.with_name("other") / "f1.png", photos / "f1.png")
    job.run()
    assert measured == ["balance", "align", "balance"]


def test_what_is_no_longer_of_use_is_forgotten(job, tmp_path):
    job.run()
    kept = {path.name for path in (tmp_path / "out" / ".bigstack").iterdir()}
    job.set({"balance.space": "lumi"}).run()
    now = {path.name for path in (tmp_path / "out" / ".bigstack").iterdir()}
    assert len(now) == len(kept)
    assert now != kept


def test_from_and_only(job, measured):
    job.run()
    del measured[:]
    assert states(job.run(start="balance")) == {"fuse": "done", "mean": "done"}
    assert measured == ["balance"]
    assert states(job.run(only="mean")) == {"mean": "done"}
    assert measured == ["balance"]
    with pytest.raises(InputError, match="did you mean 'fuse'"):
        job.run(only="fus")
    with pytest.raises(InputError, match="exclude each other"):
        job.run(only="fuse", start="fuse")


def test_a_dry_run_writes_nothing(job, tmp_path):
    result = job.run(dry_run=True)
    assert states(result) == {"fuse": "to do", "mean": "to do"}
    assert not [path for path in (tmp_path / "out").glob("*") if path.is_file()]


def test_a_record_makes_the_output_again_to_the_bit(job, tmp_path, measured):
    job.run()
    out, again = tmp_path / "out", tmp_path / "again"
    wanted = pixels(out)
    record = Job.read(record_path(out / "photos-fuse.tif"))
    assert states(record.run()) == {"fuse": "up to date"}
    del measured[:]
    assert states(record.set({"output.folder": str(again)}).run()) == {"fuse": "done"}
    assert pixels(again) == wanted
    assert measured == []
    found = json.loads(record_path(again / "photos-fuse.tif").read_text())
    assert len(found["inputs"]) == 4
    assert all(len(item["digest"]) == 64 for item in found["inputs"])
    assert set(found["estimates"]) == {"align", "balance"}
    assert found["audit"]["frames"] == 4
    assert found["timings"]["write fuse"] > 0
    # Measured anew, as by somebody who has the job alone, it is the same as well.
    fresh = Job.from_toml(record.to_toml()).set({"output.folder": str(tmp_path / "fresh")})
    fresh.run()
    assert measured == ["align", "balance"]
    assert pixels(tmp_path / "fresh") == wanted


def test_a_record_follows_its_frames_and_refuses_others(job, photos, tmp_path):
    job.run()
    record = Job.read(record_path(tmp_path / "out" / "photos-fuse.tif"))
    moved = photos.rename(tmp_path / "moved")
    elsewhere = {"input.path": str(moved), "output.folder": str(tmp_path / "again")}
    assert states(record.set(elsewhere).run()) == {"fuse": "done"}
    assert pixels(tmp_path / "again") == pixels(tmp_path / "out")
    shutil.copy(write_frames(tmp_path / "x", 4, 5) / "f2.png", moved / "f2.png")
    with pytest.raises(StackError, match=r"f2.png is not what it was"):
        record.set(elsewhere).run()


def test_a_changed_record_is_a_job_like_any_other(job, tmp_path, measured):
    job.run()
    record = Job.read(record_path(tmp_path / "out" / "photos-fuse.tif"))
    del measured[:]
    record.set({"align.method": "ecc", "output.folder": str(tmp_path / "other")}).run()
    assert measured == ["align", "balance"]


def test_files_of_others_are_left_alone(job, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "photos-fuse.tif").write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="not this job's"):
        job.run()
    assert (out / "photos-fuse.tif").read_bytes() == b"precious"
    job.run(overwrite=True)
    retouched = out / "photos-mean.png"
    cv2.imwrite(str(retouched), np.zeros((9, 9), np.uint8))
    with pytest.raises(OutputExistsError, match="was changed since"):
        job.set({"mean.kind": "max"}).run()
    assert cv2.imread(str(retouched)).shape == (9, 9, 3)


def test_stacks_are_kept_and_estimates_saved_and_used(photos, tmp_path):
    out = tmp_path / "out"
    job = Job(photos, out).add("align", method="phase", keep=True, save=True).add("fuse")
    job.run()
    kept = open_stack(out / "photos-align.ome.zarr")
    assert kept.shape == (4, 120, 160, 3)
    saved = Job(photos, tmp_path / "b").add("align", use=out / "photos-align.json").add("fuse")
    saved.run()
    assert pixels(tmp_path / "b") == pixels(out)
    wrong = Job(photos, tmp_path / "c").add("balance", use=out / "photos-align.json").add("fuse")
    with pytest.raises(InputError, match=r"photos-align.json"):
        wrong.run()


def test_a_step_can_take_an_image(photos, tmp_path):
    job = Job(photos, tmp_path / "out").add("fuse").add("denoise", source="fuse", strength=0.8, keep=True)
    job.run()
    smooth = open_stack(tmp_path / "out" / "photos-denoise.ome.zarr")
    assert smooth.shape == (1, 120, 160, 3)
    assert states(job.run()) == {"fuse": "up to date", "denoise": "up to date"}
    assert states(job.set({"fuse.levels": 2}).run()) == {"fuse": "done", "denoise": "done"}


def test_depth_and_masks(photos, tmp_path):
    job = Job(photos, tmp_path / "out").add("depth", outputs={"depth": "d.tif", "valid": "v.png"})
    job.run()
    assert tifffile.imread(tmp_path / "out" / "d.tif").dtype == np.float32
    assert set(np.unique(cv2.imread(str(tmp_path / "out" / "v.png")))) <= {0, 255}
    with pytest.raises(InputError, match="gives no sigma"):
        Job(photos, tmp_path / "b").add("fuse", outputs=["sigma"]).run()


def test_names(photos, tmp_path):
    how = {
        "folder": tmp_path / "out",
        "prefix": "x_",
        "suffix": "_y",
        "filename": "{method}{frames:03d}{first}",
    }
    Job(photos, how).add("fuse", outputs=["image", "index"]).run()
    names = {path.name for path in (tmp_path / "out").glob("*.tif")}
    assert names == {"x_pyramid004f0_y.tif", "x_pyramid004f0-index_y.tif"}
    with pytest.raises(InputError, match="would be written for"):
        Job(photos, how).add("fuse").add("fuse", levels=2).run()


def test_every_nth_frame_and_reading(photos, tmp_path):
    Job({"path": photos, "every": 2, "pixel_size": 0.5}, tmp_path / "out").add(
        "fuse", outputs=["index"]
    ).run()
    assert set(np.unique(tifffile.imread(tmp_path / "out" / "photos-fuse-index.tif"))) <= {0, 1}


def test_many_stacks_one_of_which_fails(shoot, tmp_path):
    job = Job({"path": shoot, "split": "folders"}, tmp_path / "out").add("fuse")
    result = job.run()
    assert [stack.name for stack in result.failures] == ["b"]
    assert "f1.png" in str(result.failures[0].error)
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} == {"a-fuse.tif", "c-fuse.tif"}
    write_frames(tmp_path / "good", 3, 7)
    shutil.copy(tmp_path / "good" / "f1.png", shoot / "b" / "f1.png")
    result = job.run()
    assert [step.state for stack in result.stacks for step in stack.steps] == [
        "up to date",
        "done",
        "up to date",
    ]


def test_results_among_the_stacks_are_no_stack(shoot):
    shutil.rmtree(shoot / "b")
    job = Job({"path": shoot, "split": "folders"}, shoot / "stacked").add("fuse")
    job.run()
    assert [stack.name for stack in job.run().stacks] == ["a", "c"]


def test_split_by_count_and_by_time(tmp_path):
    from PIL import Image

    folder = write_frames(tmp_path / "day", 5, 3)
    for z, seconds in enumerate((0, 4, 100, 104, 108)):
        exif = Image.Exif()
        exif[306] = f"2026:01:01 10:{seconds // 60:02d}:{seconds % 60:02d}"
        with Image.open(folder / f"f{z}.png") as image:
            image.save(folder / f"f{z}.jpg", exif=exif, quality=95)
        (folder / f"f{z}.png").unlink()
    for split, sizes in ((2, [2, 2, 1]), ("30s", [2, 3]), ("3min", [5])):
        out = tmp_path / str(split)
        job = Job({"path": folder, "split": split}, {"folder": out, "filename": "{stack}_{frames}"}).add(
            "fuse"
        )
        job.run()
        names = sorted(path.stem for path in out.glob("*.tif"))
        assert names == [f"day-{n:03d}_{size}" for n, size in enumerate(sizes, 1)]
    record = Job.read(record_path(tmp_path / "30s" / "day-002_3.tif"))
    assert states(record.run()) == {"fuse": "up to date"}
    same = Job({"path": folder, "split": 3}, {"folder": tmp_path / "x", "filename": "same"}).add("fuse").run()
    assert "would be written for day-001: fuse and for day-002: fuse" in str(same.failures[0].error)
    (folder / "f1.jpg").unlink()
    write_frames(tmp_path / "n", 2, 3)
    with pytest.raises(StackError, match="does not say when"):
        Job({"path": tmp_path / "n", "split": "30s"}, out).add("fuse").run()
    with pytest.raises(InputError, match="a stack is split by"):
        Job({"path": folder, "split": "often"}, out).add("fuse").run()


def test_metadata_is_that_of_the_frame_asked_for(tmp_path):
    from PIL import Image

    folder = write_frames(tmp_path / "photos", 3, 3)
    for z in range(3):
        exif = Image.Exif()
        exif[271], exif[272] = "Maker", f"Model {z}"
        with Image.open(folder / f"f{z}.png") as image:
            image.save(folder / f"f{z}.jpg", exif=exif)
        (folder / f"f{z}.png").unlink()
    job = (
        Job(folder, {"folder": tmp_path / "out", "format": "jpg"}).add("align", reference="last").add("fuse")
    )

    def model():
        with Image.open(tmp_path / "out" / "photos-fuse.jpg") as image:
            return image.getexif()[272]

    job.run()
    assert model() == "Model 2"
    job = job.set({"output.metadata_from": 1})
    assert states(job.run()) == {"fuse": "done"}
    assert model() == "Model 1"
    with pytest.raises(InputError, match="metadata-from 9"):
        job.set({"output.metadata_from": 9}).run()


def test_huge_inputs_need_not_be_hashed(job, photos, tmp_path, monkeypatch):
    from bigstack.io.record import InputRecord

    of = InputRecord.of

    def counted(path, *, digest=False):
        assert not (digest and photos in (path, *getattr(path, "parents", ())))
        return of(path, digest=digest)

    monkeypatch.setattr(InputRecord, "of", counted)
    job = job.set({"input.hash": False})
    job.run()
    assert states(job.run()) == {"fuse": "up to date", "mean": "up to date"}
    os.utime(photos / "f1.png")
    assert states(job.run(dry_run=True)) == {"fuse": "to do", "mean": "to do"}
    with pytest.raises(StackError, match="is not what it was"):
        Job.read(record_path(tmp_path / "out" / "photos-fuse.tif")).run()


def test_a_format_counts_for_who_reads_the_image(photos, tmp_path):
    job = Job(photos, tmp_path / "out").add("fuse").add("denoise", source="fuse", strength=0.8, keep=True)
    job.run()
    assert states(job.set({"fuse.format": "jpg"}).run()) == {"fuse": "done", "denoise": "done"}


def test_missing_things(photos, tmp_path):
    with pytest.raises(StackError, match="does not exist"):
        Job(tmp_path / "no", tmp_path / "out").add("fuse").run()
    (tmp_path / "file").write_text("")
    with pytest.raises(BigstackError, match="cannot be made"):
        Job(photos, tmp_path / "file" / "out").add("fuse").run()
    with pytest.raises(InputError, match="among the frames"):
        Job(photos, {"folder": photos, "format": "png"}).add("fuse").run()


FULL = """
import resource, signal, sys
from bigstack import Job
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    job = Job(sys.argv[1], {"folder": sys.argv[2], "quality": 40}).add("fuse", format="jpg")
    job.add("fuse", name="big", levels=2).run()
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_leaves_earlier_results_whole(tmp_path):
    photos = write_frames(tmp_path / "photos", 3, 2, shape=(300, 500))
    out = tmp_path / "out"
    Job(photos, out).add("fuse", name="big", format="tif").run()
    old = pixels(out)
    said = subprocess.run(
        [sys.executable, "-c", FULL, photos, out], capture_output=True, text=True, check=True
    )
    assert "RunError no space to write" in said.stdout
    assert pixels(out) == old
    assert (out / "photos-fuse.jpg").exists()
    job = (
        Job(photos, {"folder": out, "quality": 40})
        .add("fuse", format="jpg")
        .add("fuse", name="big", levels=2)
    )
    assert states(job.run()) == {"fuse": "up to date", "big": "done"}


KILLED = """
import os, signal, sys
from bigstack import Job
from bigstack.jobs import outputs
outputs.write_record = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
Job(sys.argv[1], sys.argv[2]).add("fuse").run()
"""


def test_killed_before_the_record_is_written(photos, tmp_path):
    out = tmp_path / "out"
    died = subprocess.run([sys.executable, "-c", KILLED, photos, out], check=False)
    assert died.returncode == -9
    assert (out / "photos-fuse.tif").exists()
    assert not record_path(out / "photos-fuse.tif").exists()
    assert states(Job(photos, out).add("fuse").run()) == {"fuse": "done"}

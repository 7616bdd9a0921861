"""What a person meets in the first hour: odd folders, odd names, two runs at once."""

import shutil

import pytest

from bigstack.jobs.stack import StackJob, run_stack


@pytest.fixture
def photos(frames, tmp_path):
    return shutil.copytree(frames, tmp_path / "photos")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_gap_in_the_numbering_is_told_unasked(bigstack, photos, tmp_path):
    (photos / "f10.png").unlink()
    for words in (("stack", photos, "-o", tmp_path / "o.png"), ("convert", photos, tmp_path / "o.ome.zarr")):
        code, out, _ = bigstack(*words)
        assert code == 0
        assert "no frame between f9.png and f11.png" in out


def test_skipped_frames_are_named_in_plain_words(bigstack, photos, tmp_path):
    first = names(photos)[0]
    shutil.copy(photos / first, photos / f"z{first}")
    code, out, _ = bigstack("stack", photos, "-o", tmp_path / "o.png", "--skip-bad")
    assert code == 0
    assert f"skipped z{first}: duplicate: the same content as {first}" in out
    assert bigstack("info", photos)[0] == 1


def test_an_output_that_the_next_run_would_read_is_refused(bigstack, photos):
    before = names(photos)
    code, _, err = bigstack("stack", photos, "-o", photos / f"fused{(photos / before[0]).suffix}")
    assert code == 2
    assert "another folder" in err
    assert names(photos) == before
    assert bigstack("stack", photos, "-o", photos / "fused.ome.zarr")[0] == 0


def test_outputs_need_names_of_their_own(bigstack, frames, tmp_path):
    code, _, err = bigstack(
        "stack", frames, "-o", tmp_path / "o.tif", "--index-out", tmp_path / "o.tif", "--overwrite"
    )
    assert code == 2
    assert "more than one output" in err
    assert not names(tmp_path)


@pytest.mark.parametrize("words", [("info", "ftp://a/b.zarr"), ("layers", "x", "-o", "s3://a/b.tif")])
def test_addresses_are_told_from_paths(bigstack, words):
    code, _, err = bigstack(*words)
    assert code == 2
    assert f"'{words[-1]}' is an address" in err


def test_a_run_that_finds_the_output_taken_leaves_the_other_runs_scratch_alone(frames, tmp_path):
    job = StackJob((frames,), tmp_path / "o.tif")
    scratch = tmp_path / "o.tif.scratch"
    scratch.mkdir()
    (tmp_path / "o.tif.lock").write_text('{"host": "another machine", "pid": 1, "started": 0}')
    with pytest.raises(Exception, match="another run is writing"):
        run_stack(job)
    assert scratch.is_dir()

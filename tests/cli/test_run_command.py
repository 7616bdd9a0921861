"""bigstack run and bigstack job as a user runs them."""

import json

import pytest
import tifffile


@pytest.fixture
def job(bigstack, frames, tmp_path):
    path = tmp_path / "job.toml"
    assert bigstack("job", "init", path, "--input", frames, "-o", "out")[0] == 0
    return path


def test_init_check_run_and_run_again(bigstack, job, frames, tmp_path):
    code, out, _ = bigstack("job", "check", job)
    assert code == 0
    assert "balance: balance of align" in out
    assert "5 x 301 x 411 x 3" in out
    code, out, err = bigstack("run", job)
    assert code == 0, err
    image = tmp_path / "out" / f"{frames.name}-fuse.tif"
    assert str(image) in out
    assert tifffile.imread(image).shape == (301, 411, 3)
    assert bigstack("run", job)[1].splitlines()[-1] == "nothing to do: all 1 results are up to date"
    code, out, _ = bigstack("run", job, "--set", "fuse.method=average", "--set", "fuse.kind=max", "--dry-run")
    assert (code, out.splitlines()[-1]) == (0, "1 to do, 0 up to date; nothing was run")


def test_a_record_runs_and_becomes_a_job(bigstack, job, tmp_path, frames):
    assert bigstack("run", job, "--set", "fuse.levels=3", "-q") == (0, "", "")
    record = tmp_path / "out" / f"{frames.name}-fuse.tif.bigstack.json"
    assert bigstack("run", record, "-o", tmp_path / "again")[0] == 0
    name = f"{frames.name}-fuse.tif"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert json.loads(record.read_text())["again"] == f"bigstack run {record.name}"
    assert bigstack("job", "from", record, "-o", tmp_path / "b.toml")[0] == 0
    assert "levels = 3" in (tmp_path / "b.toml").read_text()
    assert bigstack("run", tmp_path / "b.toml")[1].startswith("fuse: up to date")


def test_failures_of_some_stacks_exit_1(bigstack, frames, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "shoot" / name).mkdir(parents=True)
        for path in frames.iterdir():
            (tmp_path / "shoot" / name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "shoot" / "a" / "f9.png").write_bytes(b"")
    job = tmp_path / "job.toml"
    job.write_text('[input]\npath = "shoot"\n[output]\nfolder = "out"\n[[steps]]\ndo = "fuse"\n')
    code, out, _ = bigstack("run", job, "--split", "folders")
    assert code == 1
    assert "a: failed:" in out
    assert "f9.png" in out
    assert (tmp_path / "out" / "b-fuse.tif").exists()
    code, _, err = bigstack("run", job, "--split", "folders", "-q")
    assert code == 1
    assert "Error: a:" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--set", "fuse.levels=deep"), 2, "levels takes a whole number, got 'deep'"),
        (("--set", "fuze.levels=3"), 2, "did you mean 'fuse'"),
        (("--set", "levels"), 2, "is not step.option=value"),
        (("--only", "blend"), 2, "unknown step 'blend'"),
        (("--from", "fuse", "--only", "fuse"), 2, "exclude each other"),
        (("--input", "nowhere"), 1, "does not exist"),
        (("--split", "weekly"), 2, "a stack is split by"),
    ],
)
def test_bad_use_is_explained(bigstack, job, tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    found, out, err = bigstack("run", job, *words)
    assert found == code
    assert message in err
    assert "Traceback" not in out + err


def test_a_job_with_mistakes(bigstack, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text('[input]\npath = "photos"\n[[steps]]\ndo = "fus"\n')
    code, _, err = bigstack("job", "check", job)
    assert code == 2
    assert "did you mean 'fuse'" in err
    assert bigstack("job", "init", job)[0] == 2
    assert 'do = "fus"' in job.read_text()

"""shinestacker's usage example, as a job file and as a script, on photographs taken by hand."""

import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from bigstack import Job

EXAMPLES = Path(__file__).parents[2] / "examples"
RESULTS = ("amber_handheld_py.tif", "amber_handheld_dm.tif", "amber_handheld-multilayer.tif")


@pytest.fixture(scope="module")
def stacked(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stacked")
    job = Job.read(EXAMPLES / "shinestacker.toml")
    paths = {"input.path": str(shared / "data" / "amber_handheld"), "output.folder": str(folder)}
    return job.set({**paths, "input.every": 2, "batches.frames": 2, "batches.overlap": 1}), folder


def test_the_job_file_gives_what_the_readme_promises(stacked):
    job, folder = stacked
    result = job.run()
    assert [step.state for step in result.stacks[0].steps] == ["done"] * 4
    for name in RESULTS[:2]:
        assert tifffile.imread(folder / name).shape == (1300, 2000, 3)
    assert len(list((folder / "amber_handheld-batches").iterdir())) == 2
    with tifffile.TiffFile(folder / RESULTS[2]) as file:
        assert 37724 in file.pages[0].tags
    assert job.run().lines()[-1] == "nothing to do: all 4 results are up to date"


def test_the_script_gives_the_same(shared, stacked, tmp_path):
    job, folder = stacked
    if not (folder / RESULTS[0]).exists():
        job.run()
    script = (EXAMPLES / "shinestacker.py").read_text().replace("frames=10, overlap=2", "frames=2, overlap=1")
    script = script.replace("bigstack.Job(sys.argv[1]", 'bigstack.Job({"path": sys.argv[1], "every": 2}')
    words = [sys.executable, "-c", script, shared / "data" / "amber_handheld", tmp_path]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "4 results written" in said
    for name in RESULTS:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_every_name_of_the_page_is_one_of_ours():
    import re

    from bigstack.jobs.steps import KINDS

    page = (EXAMPLES.parent / "docs" / "shinestacker.md").read_text()
    found = re.findall(r"`(\w+): (\w+)", page)
    assert len(found) > 25
    for kind, option in found:
        assert kind in KINDS, kind
        names = set(KINDS[kind].options({})) | {
            "name",
            "from",
            "keep",
            "enabled",
            "prefix",
            "suffix",
            "filename",
        }
        for method in ("select", "depth_map"):
            names |= set(KINDS[kind].options({"method": method})) if KINDS[kind].methods else set()
        assert option in names | {"format"}, (kind, option)

"""A queue made of two scripts: jobs are processes of this machine, but the whole way to them is SLURM's."""

import os
import sys

import cv2
import numpy as np
import pytest
import tifffile

from bigstack.cli import main
from bigstack.cluster import Cluster, open_executor
from bigstack.errors import InputError, RunError
from bigstack.io.fake import FakeSource

SBATCH = """#!{python}
import pathlib, subprocess, sys
script = pathlib.Path(sys.argv[-1])
if "-p closed" in script.read_text():
    sys.exit("sbatch: error: invalid partition specified: closed")
if "--test-only" in sys.argv:
    sys.exit()
folder = pathlib.Path({folder!r})
(folder / f"job{{len(list(folder.glob('job*')))}}").write_text(script.read_text())
job = subprocess.Popen(["bash", str(script)], start_new_session=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
# The script is removed as soon as it is handed in, so the job keeps a copy.
print("Submitted batch job", job.pid)
"""
SCANCEL = """#!{python}
import os, signal, sys
for job in sys.argv[1:]:
    try:
        os.killpg(int(job), signal.SIGTERM)
    except (ProcessLookupError, ValueError):
        pass
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Put sbatch and scancel on PATH; gives the folder with the scripts of jobs."""
    tools, jobs = tmp_path / "tools", tmp_path / "jobs"
    tools.mkdir()
    jobs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tools / name).write_text(text.format(python=sys.executable, folder=str(jobs)))
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return jobs


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    source = FakeSource((3, 300, 500, 1), "uint8")
    for z in range(3):
        cv2.imwrite(str(folder / f"{z}.png"), source.read(z, slice(0, 300), slice(0, 500)))
    return folder


def run(*words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return stop.value.code


def test_jobs_of_a_queue_give_the_same_bits(queue, frames, tmp_path, capsys):
    plain = ("stack", frames, "--align", "none", "--tile", "128", "-o")
    assert run(*plain, tmp_path / "a.tif") == 0
    slurm = (
        "--cluster",
        "slurm",
        "--cores",
        "2",
        "--jobs",
        "2",
        "--walltime",
        "00:10:00",
        "--partition",
        "big",
    )
    assert run(*plain, tmp_path / "b.tif", *slurm, "--memory-limit", "1GB") == 0
    assert "scheduler at" in capsys.readouterr().err.replace("dashboard at", "scheduler at")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), tifffile.imread(tmp_path / "b.tif"))
    scripts = [path.read_text() for path in queue.iterdir()]
    assert len(scripts) == 2
    for line in ("-p big", "-t 00:10:00", "--cpus-per-task=2", "--mem=954M", "OMP_NUM_THREADS=1"):
        assert line in scripts[0]


def test_options_that_do_not_fit(tmp_path, frames, capsys):
    plain = ("stack", frames, "-o", tmp_path / "a.tif")
    assert run(*plain, "--cluster", "slurm") == 2
    assert "--cores" in capsys.readouterr().err
    assert run(*plain, "--cluster", "local", "--jobs", "3") == 2
    assert "belongs to cluster slurm" in capsys.readouterr().err
    assert run(*plain, "--jobs", "3") == 2
    assert "belongs to --cluster slurm" in capsys.readouterr().err
    with pytest.raises(InputError, match="only one of --processes, --cluster"):
        open_executor(processes=True, cluster=Cluster("local")).__enter__()
    with pytest.raises(InputError, match="jobs must be at least 1"):
        Cluster("slurm", jobs=0)


def test_without_sbatch(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="needs sbatch"):
        open_executor(cluster=Cluster("slurm", cores=1), memory_limit=10**9).__enter__()


def test_a_refused_job(queue):
    with pytest.raises(RunError, match="invalid partition"):
        open_executor(cluster=Cluster("slurm", cores=1, partition="closed"), memory_limit=10**9).__enter__()


def test_local_cluster(tmp_path, frames, capsys):
    plain = ("stack", frames, "--align", "none", "--tile", "128", "-o")
    assert run(*plain, tmp_path / "a.tif") == 0
    assert run(*plain, tmp_path / "b.tif", "--cluster", "local", "--workers", "1") == 0
    assert "127.0.0.1" in capsys.readouterr().err
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), tifffile.imread(tmp_path / "b.tif"))

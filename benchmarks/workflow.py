"""How long a job takes, from the start of the process to the written image; beside shinestacker where it is.

python benchmarks/workflow.py FOLDER                                  align, balance, fuse
python benchmarks/workflow.py FOLDER --shinestacker ENV/bin/python    and shinestacker's same steps
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

JOB = """
[input]
path = "{folder}"
[output]
folder = "{output}"
[[steps]]
do = "align"
[[steps]]
do = "balance"
space = "lumi"
[[steps]]
do = "fuse"
"""

THEIRS = """
from shinestacker.algorithms import *
job = StackJob("job", ".", input_path="frames")
job.add_action(CombinedActions("align", actions=[AlignFrames(), BalanceFrames()]))
job.add_action(FocusStack("stack", PyramidStack()))
job.run()
"""


Seconds = tuple[float, float]
"""Of the clock, and of all processors: the latter is what a busy machine can be measured by."""


def timed(words: list[object], folder: Path) -> Seconds:
    """Seconds that a process takes."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"exit code {done.returncode}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, processors


def ours(frames: Path, folder: Path) -> tuple[Seconds, Seconds]:
    """Seconds of a first run, and of a second one that has nothing to do."""
    job = folder / "job.toml"
    job.write_text(JOB.format(folder=frames, output=folder / "out"))
    words = [sys.executable, "-m", "bigstack", "run", job]
    return timed(words, folder), timed(words, folder)


def theirs(python: Path, frames: Path, folder: Path) -> Seconds:
    """Seconds of shinestacker; its frames are copied before the clock starts."""
    shutil.copytree(frames, folder / "frames")
    (folder / "theirs.py").write_text(THEIRS)
    seconds = timed([python, folder / "theirs.py"], folder)
    if not list((folder / "stack").glob("*")):
        raise click.ClickException("shinestacker wrote nothing")
    return seconds


@click.command()
@click.argument("frames", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--shinestacker", "python", type=click.Path(path_type=Path), help="Python that has it.")
@click.option("--repeats", default=3, show_default=True)
def main(frames: Path, python: Path | None, repeats: int) -> None:
    """Print medians."""
    frames = frames.absolute()
    found: dict[str, list[Seconds]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as place:
            first, second = ours(frames, Path(place))
            found.setdefault("bigstack run", []).append(first)
            found.setdefault("bigstack run again", []).append(second)
            if python is not None:
                seconds = theirs(python.absolute(), frames, Path(place))
                found.setdefault("shinestacker", []).append(seconds)
    click.echo("| what | seconds | processor seconds |\n|---|---|---|")
    for name, runs in found.items():
        clock, processors = (sorted(each)[len(runs) // 2] for each in zip(*runs, strict=True))
        click.echo(f"| {name} | {clock:.1f} | {processors:.1f} |")


if __name__ == "__main__":
    main()

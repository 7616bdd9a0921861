"""How long a job takes, from the start of the process to the written image; beside shinestacker where it is.

python benchmarks/workflow.py FOLDER                                  align, balance, fuse
python benchmarks/workflow.py FOLDER --shinestacker ENV/bin/python    and shinestacker's same steps
"""

from __future__ import annotations

import os
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


def timed(words: list[object], folder: Path) -> float:
    """Seconds that a process takes."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    start = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    return time.perf_counter() - start


def ours(frames: Path, folder: Path) -> tuple[float, float]:
    """Seconds of a first run, and of a second one that has nothing to do."""
    job = folder / "job.toml"
    job.write_text(JOB.format(folder=frames, output=folder / "out"))
    words = [sys.executable, "-m", "bigstack", "run", job]
    return timed(words, folder), timed(words, folder)


def theirs(python: Path, frames: Path, folder: Path) -> float:
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
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as place:
            first, second = ours(frames, Path(place))
            found.setdefault("bigstack run", []).append(first)
            found.setdefault("bigstack run again", []).append(second)
            if python is not None:
                seconds = theirs(python.absolute(), frames, Path(place))
                found.setdefault("shinestacker", []).append(seconds)
    click.echo("| what | seconds |\n|---|---|")
    for name, seconds in found.items():
        click.echo(f"| {name} | {sorted(seconds)[len(seconds) // 2]:.1f} |")


if __name__ == "__main__":
    main()

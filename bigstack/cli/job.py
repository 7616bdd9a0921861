"""bigstack job: start, check and extract job files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options

_JOB = click.argument("job", type=click.Path(path_type=Path, exists=True, dir_okay=False))


@click.group()
def job() -> None:
    """Start, check and extract job files, for `bigstack run`."""


@job.command()
@click.argument("path", type=options.PATH, default="job.toml")
@click.option("--input", "source", default="photos", show_default=True, help="Input of the job.")
@click.option("-o", "--output", default="stacked", show_default=True, help="Folder of its results.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
def init(path: Path, source: str, output: str, overwrite: bool) -> None:
    """Write a new job file to PATH: every step and option, with what it means.

    \b
    Example:
      bigstack job init job.toml --input photos/ -o stacked/
    """  # noqa: D301 click reads the backspace character
    from bigstack.io.corrections import put_files
    from bigstack.jobs.template import template

    put_files({path: template(source, output).encode()}, overwrite=overwrite)
    click.echo(f"wrote {path}; edit it, then: bigstack run {path}")


@job.command()
@_JOB
def check(job: Path) -> None:
    """Check a job file without running it: names, values, order, inputs.

    \b
    Example:
      bigstack job check job.toml
    """  # noqa: D301 click reads the backspace character
    from bigstack.jobs.batch import stacks_of
    from bigstack.jobs.check import check_job
    from bigstack.jobs.recipe import Job

    recipe = Job.read(job)
    checked = check_job(recipe)
    for node in checked.nodes:
        click.echo(f"{node.name}: {node.kind.name} of {', '.join(node.sources)}")
    stacks = stacks_of(recipe)
    _look(checked, stacks[0])
    names = ", ".join(each.name for each in stacks[:5]) + (", ..." if len(stacks) > 5 else "")
    click.echo(f"{len(stacks)} stack{'s' if len(stacks) > 1 else ''}: {names}")


@job.command("from")
@_JOB
@click.option("-o", "--output", type=options.PATH, required=True, help="Job file to write.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
def extract(job: Path, output: Path, overwrite: bool) -> None:
    """Make a job file of the record of a run, to change it or to run it on other frames.

    \b
    Example:
      bigstack job from fused.tif.bigstack.json -o job.toml
    """  # noqa: D301 click reads the backspace character
    from bigstack.jobs.recipe import Job

    Job.read(job).write(output, overwrite=overwrite)
    click.echo(f"wrote {output}")


def _look(checked: Any, given: Any) -> None:
    """Open the first stack, so that an input that is not there is told."""
    from bigstack.io.open import open_stack

    stack = open_stack(given.paths, **checked.reading)
    size = " x ".join(str(number) for number in stack.shape)
    click.echo(f"{given.name}: {size} (z, y, x, channel) {stack.dtype}")

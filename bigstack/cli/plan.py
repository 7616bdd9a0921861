"""bigstack plan: what `bigstack stack` would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.align import alignment_options
from bigstack.cli.correct import correction_options
from bigstack.cli.stack import method_options, stack_job


@click.command()
@options.inputs
@click.option("-o", "--output", type=options.PLACE, help="Image that would be written [none.ome.zarr].")
@method_options
@alignment_options
@correction_options
@options.reading
@options.running
@options.quality
@click.option(
    "--calibrate",
    is_flag=True,
    help="Run parts of the job for some seconds, and tell how long all of it takes.",
)
@click.option(
    "--calibrate-seconds",
    type=click.FloatRange(0.1),
    default=8.0,
    show_default=True,
    help="How long those parts may take, about.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
def plan(
    inputs: tuple[Path, ...],
    output: Path | None,
    calibrate: bool,
    calibrate_seconds: float,
    as_json: bool,
    debug: bool,
    **values: Any,
) -> None:
    """Show tiles, tasks, bytes read and peak memory of a `bigstack stack` without running it.

    With --calibrate also its time: parts of it are run, and written to a temporary folder.
    """
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.stack import plan_stack

    job = stack_job(inputs, output or Path("none.ome.zarr"), values)
    found = plan_stack(job, calibrate=calibrate_seconds if calibrate else None)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2))
        return
    Reporter(quiet=False, verbose=True).plan(found)

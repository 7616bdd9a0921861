"""bigstack bunch: fuse a deep stack in slabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.align import alignment_options
from bigstack.cli.correct import correction_options
from bigstack.cli.stack import method_options, stack_job


@click.command()
@options.inputs
@click.option(
    "-o", "--output", type=options.PLACE, required=True, help="An .ome.zarr, or a folder for a file a bunch."
)
@click.option("--frames", type=click.IntRange(1), default=10, show_default=True, help="Frames of a bunch.")
@click.option(
    "--overlap", type=click.IntRange(0), default=0, show_default=True, help="Frames shared with the next one."
)
@click.option(
    "--format",
    type=click.Choice(["tif", "png", "jpg", "ome.tif"]),
    default="tif",
    show_default=True,
    help="Format of the files in a folder.",
)
@method_options
@alignment_options
@correction_options
@options.reading
@options.running
@options.writing
@options.metadata
@options.talking
def bunch(inputs: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Fuse each bunch of neighbouring frames into an image of its own.

    The bunch images are a stack of a few frames, to retouch by hand or to fuse again. Frames that bunches
    share are read once where memory allows.

    \b
    Examples:
      bigstack bunch photos/ -o bunches.ome.zarr --frames 10 --overlap 2
      bigstack stack bunches.ome.zarr -o fused.tif --align none
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.bunch import BunchJob, run_bunch

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    own = {name: values.pop(name) for name in ("frames", "overlap", "format")}
    job = BunchJob(**vars(stack_job(inputs, output, values)), **own)
    with reporter:
        result = run_bunch(job, watch=reporter)
    reporter.summary(result)

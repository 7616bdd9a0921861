"""bigstack convert: copy a stack into OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=options.PLACE)
@click.argument("output", type=options.PLACE)
@options.reading
@click.option("--ngff", type=click.Choice(["0.5", "0.4"]), help="OME-Zarr version [0.5].")
@click.option("--chunk", type=click.IntRange(16), help="Side of a chunk in pixels [512].")
@click.option(
    "--shard", type=click.IntRange(16), help="Side of a shard in pixels: fewer, larger files [none]."
)
@click.option("--compression", help="Codec of the chunks [zstd].")
@click.option("--levels", type=click.IntRange(1), help="Resolutions to store [until one fits a chunk].")
@options.keep_gps
@options.running_without_tile
@click.option("--overwrite", is_flag=True, help="Replace an output that is there already.")
@options.talking
def convert(inputs: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Copy a stack into OUTPUT.zarr, an OME-Zarr that any region can be read from.

    Frames of a format that can only be decoded whole (JPEG, PNG) are read faster from there when the stack
    outgrows memory. An interrupted conversion goes on where it was.

    \b
    Example:
      bigstack convert photos/ stack.ome.zarr --chunk 512
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.convert import ConvertJob, convert_stack

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"), work="converting")
    values.pop("debug")
    reading = options.reading_options(values)
    with reporter:
        result = convert_stack(ConvertJob(inputs, output, reading, **values), watch=reporter)
    reporter.summary(result)

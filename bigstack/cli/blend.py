"""bigstack blend: two frames blended in every way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from bigstack.cli import options
from bigstack.cli.align import align_options, alignment_options
from bigstack.cli.correct import correction_options, in_turn, steps_of
from bigstack.names import AlignMethod


@click.command()
@click.argument("back", type=options.PATH)
@click.argument("front", type=options.PATH)
@click.option("-o", "--output", type=options.PATH, required=True, help="Folder to write.")
@click.option(
    "--format",
    type=click.Choice(["png", "tif", "jpg", "ome.zarr"]),
    default="png",
    show_default=True,
    help="Format of the five images.",
)
@click.option("--levels", type=click.IntRange(0), help="Levels of detail [4].")
@click.option("--beta", type=click.FloatRange(0, min_open=True), help="Steepness, a grey level [0.1].")
@click.option(
    "--align",
    type=click.Choice(get_args(AlignMethod)),
    default="auto",
    show_default=True,
    callback=in_turn,
    help="How the frames are registered; frames that lie still are left alone.",
)
@alignment_options
@correction_options
@options.running
@options.writing
@options.talking
def blend(back: Path, front: Path, output: Path, **values: Any) -> None:
    """Blend two frames, one focused on the BACK and one on the FRONT, in five images.

    by_channel (each channel weighs by its own gradients), all_channels (one weight for all), new_method
    (whole pixels by a mask), blending_mask (white where the back was taken) and direct (no pyramid).

    \b
    Examples:
      bigstack blend back.jpg front.jpg -o blended/
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.blend import BlendJob
    from bigstack.jobs.stack import run_stack

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    values["align"] = align_options(values["align"], values)
    if options.take_quality(values) is not None:
        raise click.UsageError("blend has one quality of work; --quality is the number of its JPEG files")
    steps = steps_of(values)
    values.pop("align")
    chosen = {name: values.pop(name) for name in ("levels", "beta")}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    job = BlendJob(inputs=(front, back), output=output, steps=steps, options=chosen, **values)
    with reporter:
        result = run_stack(job, tell=reporter.prelude, watch=reporter)
    reporter.summary(result)

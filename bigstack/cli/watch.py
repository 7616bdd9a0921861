"""bigstack watch: fuse frames while they are being written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.align import alignment_options
from bigstack.cli.correct import correction_options
from bigstack.cli.stack import method_options, stack_job


@click.command()
@click.argument("folder", type=options.PATH)
@click.option(
    "-o", "--output", type=options.PATH, required=True, help="Image to write; its ending says the format."
)
@click.option("--frames", type=click.IntRange(1), help="Finish after so many frames.")
@click.option("--idle", type=click.FloatRange(0), help="Finish when none has come for so many seconds.")
@click.option(
    "--settle", type=click.FloatRange(0), default=1.0, show_default=True,
    help="Seconds a file must not have changed to be whole.",
)  # fmt: skip
@click.option("--preview", type=options.PATH, help="Where the preview goes [beside the output].")
@click.option("--no-preview", is_flag=True, help="Write no preview.")
@method_options
@click.option("--depth-out", type=options.PATH, help="Also write the z of the sharpest frame of each pixel.")
@click.option("--index-out", type=options.PATH, help="Also write the number of that frame.")
@alignment_options
@correction_options
@options.reading
@options.threads
@options.writing
@options.metadata
@options.talking
@click.pass_context
def watch(context: click.Context, folder: Path, output: Path, **values: Any) -> None:
    """Fuse the frames of FOLDER while a microscope or camera writes them.

    Each frame is added as soon as its file is whole, and a preview shows what there is so far. The result has
    the pixels of `bigstack stack` on the same frames, to the bit. Killed, the same command goes on where it
    was. Frames are taken as they lie; with --align or corrections, which need all frames, the previews still
    are, and the result is made once all are there.

    \b
    Examples:
      bigstack watch incoming/ -o fused.tif --frames 40
      bigstack watch incoming/ -o fused.ome.zarr --idle 60 --method select
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.watch import WatchJob, run_watch

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    own = {name: values.pop(name) for name in ("frames", "idle", "settle", "preview")}
    own["previews"] = not values.pop("no_preview")
    # Frames are taken as they come unless an alignment is asked for.
    if context.get_parameter_source("align") is not click.core.ParameterSource.COMMANDLINE:
        values["align"] = "none"
    job = WatchJob(**vars(stack_job((folder,), output, values)), **own)
    job.steps = [step for step in job.steps if not _idle(step)]
    result = run_watch(job, tell=lambda text: None if reporter.quiet else click.echo(text, err=True))
    reporter.summary(result)


def _idle(step: Any) -> bool:
    """Whether a step does nothing: an alignment that was not asked for."""
    how = step.options.get("how")
    return step.kind == "align" and how.method == "none" and how.alignment is None

"""bigstack focus: how sharp every pixel of every frame is, and which frames matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.measures import chosen_options, measure_options


class Noise(click.ParamType):
    """A standard deviation, or the word estimate."""

    name = "number|estimate"

    def convert(self, value: Any, param: Any, ctx: Any) -> float | str:
        """The number or the word."""
        if value == "estimate":
            return "estimate"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of grey levels nor the word estimate", param, ctx)


class Cells(click.ParamType):
    """Cells down and across."""

    name = "rows,columns"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """The pair."""
        if isinstance(value, tuple):
            return value
        try:
            rows, columns = (int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not two whole numbers such as 4,6", param, ctx)
        return rows, columns


@click.command()
@options.inputs
@click.option(
    "-o",
    "--output",
    type=options.PLACE,
    help="Where maps go: .zarr holds all frames, .tif, .npy or .png get one file a frame.",
)
@measure_options("log_energy")
@click.option("--smoothing", type=click.FloatRange(0), default=0.0, help="Gaussian over the map, pixels.")
@click.option("--noise", type=Noise(), help="Subtract what this noise alone would give, in grey levels.")
@click.option("--summary", type=options.PATH, help="Write how sharp each frame is, as JSON.")
@click.option("--plot", type=options.PATH, help="Plot how sharp each frame is over z, as PNG.")
@click.option(
    "--best-frame",
    type=options.PATH,
    help="Copy the sharpest frame there, and say which; with a grid, each cell of its own.",
)
@click.option("--best-frame-grid", "grid", type=Cells(), help="Say which frame is sharpest in each cell.")
@options.reading
@options.running
@click.option("--overwrite", is_flag=True, help="Replace outputs that are there already.")
@options.talking
def focus(inputs: tuple[Path, ...], **values: Any) -> None:
    """Measure how sharp every pixel of every frame is, and which frames matter.

    INPUTS are a folder, frames, a multi-page TIFF or OME-TIFF, or an OME-Zarr.

    \b
    Examples:
      bigstack focus photos/ -o focus.zarr
      bigstack focus photos/ -o focus.tif --method rdf --radii 1,3 --radii 2,5 --normalize p99
      bigstack focus photos/ --summary sharpness.json --plot sharpness.png --best-frame best.jpg
      bigstack focus photos/ --best-frame-grid 4,6
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.focus import FocusJob, run_focus

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    plot = values.pop("plot")
    job = FocusJob(
        inputs=inputs,
        options=chosen_options(values),
        reading=options.reading_options(values),
        focus_channel=list(values.pop("focus_channel")) or None,
        compare=plot is not None,
        **values,
    )
    with reporter:
        result = run_focus(job, watch=reporter)
        if plot is not None:
            from bigstack.report.sharpness import save_sharpness

            result.written.append(save_sharpness(result, plot, overwrite=job.overwrite))
    reporter.summary(result)

"""bigstack picture: previews, colours and hillshade of maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.surface import calibration_options, given
from bigstack.names import ColorMap, PictureKind, choices

light_options = options.combined(
    click.option("--azimuth", type=float, help="Where light comes from, degrees from the top [315]."),
    click.option(
        "--altitude", type=click.FloatRange(0, 90, min_open=True), help="Its degrees above the plane [45]."
    ),
    click.option(
        "--exaggeration", type=click.FloatRange(0, min_open=True),
        help="How much steeper slopes are shown than a calibrated map has them [5 % over 45 degrees].",
    ),
    click.option("--invert", is_flag=True, default=None, help="Larger depths are nearer, not farther away."),
)  # fmt: skip

colour_options = options.combined(
    click.option("--colormap", type=click.Choice(choices(ColorMap)), help="Colours of the depth [viridis]."),
    click.option("--bits", type=click.IntRange(8, 16), help="color: 8, or 16 for --colormap grey [8]."),
    click.option("--low", type=float, help="Value shown darkest [0.1st percentile of the map]."),
    click.option("--high", type=float, help="Value shown brightest [99.9th percentile]."),
)
OWN = ("colormap", "bits", "low", "high", "azimuth", "altitude", "exaggeration", "invert")


@click.command()
@click.argument("depth", type=options.PLACE)
@click.option(
    "-o", "--output", type=options.PLACE, required=True, help="Picture: .png, .tif, .jpg, .ome.zarr."
)
@click.option(
    "--kind", type=click.Choice(choices(PictureKind)), default="relief", show_default=True,
    help="Colours of the depth (or grey), chalk in slanting light, or colours in that light.",
)  # fmt: skip
@colour_options
@light_options
@calibration_options
@click.option("--workers", type=click.IntRange(1), help="Tasks at once; one a processor by default.")
@click.option("--overwrite", is_flag=True, help="Replace a picture that is there already.")
@options.talking
def picture(depth: Path, output: Path, **values: Any) -> None:
    """Show a depth map, or any other map, as a picture for people.

    \b
    Examples:
      bigstack picture depth.tif -o relief.png
      bigstack picture depth.tif -o preview.png --kind color --colormap grey --bits 16
      bigstack picture depth.ome.zarr -o shade.tif --kind hillshade --exaggeration 1 --altitude 30
      bigstack picture sigma.tif -o sigma.png --kind color --colormap magma --low 0
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.picture import PictureJob, run_picture

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"), work="drawing")
    values.pop("debug")
    own = given(values, *OWN, "pixel_size", "z_scale")
    with reporter:
        result = run_picture(PictureJob(depth, output, options=own, **values), watch=reporter)
    reporter.summary(result)

"""bigstack roughness and bigstack profile: measures of a depth map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.surface import calibration_options, calibration_without_scale, given
from bigstack.names import Form, choices


class Several(options.Numbers):
    """As many numbers as there must be."""

    def __init__(self, count: int, name: str, kind: type = float) -> None:
        self.count, self.name, self.kind = count, name, kind

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        """The numbers."""
        found = super().convert(value, param, ctx)
        if len(found) != self.count or any(self.kind(number) != number for number in found):
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return tuple(self.kind(number) for number in found)


@click.command()
@click.argument("depth", type=options.PLACE)
@click.option("-o", "--output", type=options.PATH, help="JSON to write.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--form",
    type=click.Choice(choices(Form)),
    default="plane",
    show_default=True,
    help="Form that is fitted and removed; none takes the mean.",
)
@click.option("--s-filter", type=click.FloatRange(0, min_open=True), help="Shorter wavelengths are left out.")
@click.option("--l-filter", type=click.FloatRange(0, min_open=True), help="Longer wavelengths are left out.")
@click.option("--region", type=Several(4, "x0,y0,x1,y1", int), help="Only these pixels, to x1 and y1.")
@click.option("--invert", is_flag=True, help="Larger depths are higher, not lower.")
@calibration_options
@click.option("--memory-limit", type=options.Bytes(), default="2GB", show_default=True, help="Memory to use.")
@click.option("--workers", type=click.IntRange(1), help="Threads; one a processor by default.")
@click.option("--overwrite", is_flag=True, help="Replace an output that is there already.")
@options.talking
def roughness(depth: Path, output: Path | None, as_json: bool, **values: Any) -> None:
    """Measure the areal roughness of a calibrated depth map: ISO 25178-2.

    Cut-off wavelengths are in micrometres (or pixels, where these have no known size). Pixels without a depth
    (NaN, or 0 in --valid) are left out.

    \b
    Examples:
      bigstack roughness depth.tif
      bigstack roughness depth.tif --form quadratic --s-filter 2.5 --l-filter 250 -o roughness.json
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.topography import RoughnessJob, run_roughness

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    own = given(values, "form", "s_filter", "l_filter", "region", "pixel_size", "z_scale", "workers")
    own |= {name: values.pop(name) for name in ("invert", "memory_limit")}
    result = run_roughness(RoughnessJob(depth, output, own, **values))
    if as_json:
        click.echo(json.dumps(result.roughness.as_dict(), indent=1))
    else:
        reporter.summary(result)


@click.command()
@click.argument("depth", type=options.PLACE)
@click.option("--from", "start", type=Several(2, "x,y"), required=True, help="Start: x,y in pixels.")
@click.option("--to", "stop", type=Several(2, "x,y"), required=True, help="End: x,y in pixels.")
@click.option("-o", "--output", type=options.PATH, help="Table (.csv, .json) or plot (.png, .pdf, .svg).")
@click.option(
    "--width", type=click.IntRange(1), default=1, show_default=True, help="Lines that are averaged."
)
@calibration_without_scale
@click.option("--overwrite", is_flag=True, help="Replace an output that is there already.")
@options.talking
def profile(depth: Path, start: Any, stop: Any, output: Path | None, **values: Any) -> None:
    """Measure the depth along a straight line.

    \b
    Examples:
      bigstack profile depth.tif --from 10,200 --to 900,200 -o profile.csv
      bigstack profile depth.tif --from 10,200 --to 900,480 --width 9 -o profile.png
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.io.writers.output import Output
    from bigstack.jobs.topography import ProfileJob, run_profile
    from bigstack.report.profile import PICTURES, save_profile

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    own = given(values, "width", "pixel_size")
    drawn = output is not None and output.suffix.lower() in PICTURES
    if output is not None and drawn:
        Output(output, overwrite=values["overwrite"], folder=False).check()
    result = run_profile(ProfileJob(depth, None if drawn else output, own, start=start, stop=stop, **values))
    if output is not None and drawn:
        result.written.append(save_profile(result.profile, output, overwrite=values["overwrite"]))
    reporter.summary(result)

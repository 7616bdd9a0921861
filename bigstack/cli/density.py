"""bigstack density: where in an image the sharpest pixels gather."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.measures import chosen_options, measure_options

density_options = options.combined(
    click.option(
        "--top-percent", type=click.FloatRange(0, 100, min_open=True), default=25.0, show_default=True,
        help="Share of the pixels with any focus that is selected.",
    ),
    click.option(
        "--bandwidth", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
        help="Standard deviation of the Gaussian.",
    ),
    click.option(
        "--unit", type=click.Choice(["pixel", "micrometer"]), default="pixel", show_default=True,
        help="What the bandwidth is in.",
    ),
    click.option("--include-strength", is_flag=True, help="Weigh selected pixels by their focus."),
    click.option(
        "--clip", "clip_percentile", type=click.FloatRange(0, 100), default=99.5, show_default=True,
        help="Clip the density at this percentile; 0 for not at all.",
    ),
    click.option("--raw", is_flag=True, help="Don't divide the density by its maximum."),
)  # fmt: skip

batch_options = options.combined(
    click.option("--each", is_flag=True, help="INPUTS are images, or a folder of them, each by itself."),
    click.option("--recursive", is_flag=True, help="each: look in subfolders too."),
    click.option(
        "--extensions", help="each: endings of images, comma separated [jpg,jpeg,png,bmp,tiff,tif]."
    ),
    click.option("--no-arrays", is_flag=True, help="each: save no .npy files."),
    click.option("--pictures", is_flag=True, help="each: save PNGs of focus and density too."),
)

_EACH_ONLY = ("recursive", "extensions", "no_arrays", "pictures", "overlay_on")
_BOTH = (
    "inputs", "output", "each", "method", "power", "radii", "border", "normalize", "downsample", "settings",
    "top_percent", "bandwidth", "include_strength", "clip_percentile", "raw", "workers", "processes",
    "scheduler", "scheduler_file", "cluster", *options.CLUSTER_OPTIONS, "memory_limit",
    "overwrite", "verbose", "quiet", "debug",
)  # fmt: skip


@click.command()
@options.inputs
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    required=True,
    help="Density to write (.zarr, .tif, .npy; .png in colours); with --each a folder.",
)
@measure_options("rdf")
@density_options
@click.option("--focus-out", type=options.PATH, help="Also write the focus that the density is of.")
@click.option("--overlay", type=options.PATH, help="Also write the density laid over the image.")
@click.option(
    "--overlay-on",
    type=click.Choice(["image", "focus"]),
    help="each: save overlays on the image or its focus.",
)
@click.option("--frame", type=int, help="Only this frame of a stack, counted from 0.")
@batch_options
@options.reading
@options.running
@click.option("--overwrite", is_flag=True, help="Replace outputs that are there already.")
@options.talking
def density(inputs: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Map where in an image the sharpest pixels gather: a kernel density of focus.

    INPUTS are an image, or a stack, of which every frame gets its own density; with --each a folder of
    images that have nothing to do with each other. Images of any size are worked on tile by tile.

    \b
    Examples:
      bigstack density image.tif -o density.tif --bandwidth 50 --overlay overlay.png
      bigstack density slide.ome.zarr -o density.zarr --bandwidth 200 --unit micrometer
      bigstack density photos/ -o regions/ --each --radii 1,3 --radii 2,5 --pictures
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    values["clip_percentile"] = values["clip_percentile"] or None
    if values.pop("each"):
        _refuse_all_but((*_BOTH, *_EACH_ONLY), "--each takes no")
        _each(inputs, output, values, reporter)
        return
    for name in _EACH_ONLY:
        if values.pop(name):
            raise click.UsageError(f"--{name.replace('_', '-')} belongs to --each")
    from bigstack.jobs.density import DensityJob, run_density

    job = DensityJob(
        inputs=inputs,
        output=output,
        options=chosen_options(values),
        reading=options.reading_options(values),
        focus_channel=list(values.pop("focus_channel")) or None,
        normalize=not values.pop("raw"),
        **values,
    )
    with reporter:
        result = run_density(job, watch=reporter)
    reporter.summary(result)


def _each(inputs: tuple[Path, ...], output: Path, values: dict[str, Any], reporter: Any) -> None:
    from bigstack.jobs.detect_folder import EXTENSIONS, detect_folder

    if values["method"] != "rdf":
        raise click.UsageError("--each measures focus with --method rdf")
    endings = values["extensions"]

    def told(done: int, total: int, path: Path) -> None:
        if reporter.verbose and not reporter.quiet:
            click.echo(f"{done}/{total} {path}", err=True)

    where = ("workers", "processes", "scheduler", "scheduler_file", "cluster", "memory_limit")
    what = ("top_percent", "bandwidth", "include_strength", "clip_percentile")
    found = detect_folder(
        inputs[0] if len(inputs) == 1 and inputs[0].is_dir() else inputs,
        output=output,
        extensions=endings.split(",") if endings else EXTENSIONS,
        save_arrays=not values["no_arrays"],
        save_pictures=values["pictures"],
        overlay=values["overlay_on"],
        progress=told,
        normalize_density=not values["raw"],
        **{name: values[name] for name in ("recursive", "overwrite", *where, *what)},
        **chosen_options(values),
    )
    reporter.summary(found)
    if found.failures:
        raise SystemExit(1)


def _refuse_all_but(names: tuple[str, ...], message: str) -> None:
    """Refuse what was typed and has no effect, rather than forget it."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if typed and name not in names:
            raise click.UsageError(f"{message} {parameter.opts[0]}")

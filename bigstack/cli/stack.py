"""bigstack stack: fuse a stack into one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from bigstack.cli import options
from bigstack.cli.align import alignment_options
from bigstack.cli.blending import BLENDING_OPTIONS, FINISHING_OPTIONS, blending_options, finishing_options
from bigstack.cli.correct import correction_options, in_turn
from bigstack.cli.report import report_options
from bigstack.cli.stacking import carry_out, job_values
from bigstack.names import AlignMethod, BaseKind, FusionMethod, Projection, Ties

method_options = options.combined(
    click.option(
        "--method", type=click.Choice(get_args(FusionMethod)), default="pyramid", show_default=True,
        help="How frames are fused.",
    ),
    click.option(
        "--align", type=click.Choice(get_args(AlignMethod)), default="auto",
        show_default=True, callback=in_turn,
        help="How frames are registered; a stack that needs none is left alone. Corrections typed after it "
        "are measured on aligned frames.",
    ),
    click.option(
        "--prune", is_flag=True,
        help="Read only those frames of each part of the image that may be sharpest there, as a smaller copy "
        "of the stack tells: a multiscale image's own, else means of some frames.",
    ),
    click.option("--focus-channel", multiple=True, help="Measure focus on this channel only (repeatable)."),
    click.option(
        "--levels", type=click.IntRange(0),
        help="Levels of detail [pyramid: from the size; depth_map, blend: 4; wavelet: 5].",
    ),
    click.option(
        "--window", type=click.IntRange(1, 201),
        help="Odd side: pyramid, of the energy's box [5]; guided, of the mean that is the base [31].",
    ),
    click.option("--base", type=click.Choice(get_args(BaseKind)), help="pyramid: rule for the lowest level."),
    click.option("--measure", help="select, depth_map, weighted: focus measure [sml]."),
    click.option(
        "--smoothing", type=click.FloatRange(0),
        help="select, weighted, depth_map: sigma of a Gaussian over the focus [2; depth_map: 0].",
    ),
    click.option("--ties", type=click.Choice(get_args(Ties)), help="select: which of equally sharp frames."),
    click.option("--radius", type=click.IntRange(0), help="depth: pixels the map's median reaches [24]."),
    click.option("--blur", type=click.FloatRange(0), help="depth: pixels blur grows by a frame [1.2]."),
    click.option(
        "--shrink", type=click.FloatRange(0), help="depth: how strongly noise that it leaves is shrunk [1]."
    ),
    click.option("--kind", type=click.Choice(get_args(Projection)), help="average: which projection [mean]."),
    blending_options,
    finishing_options,
)  # fmt: skip

METHOD_OPTIONS = (
    "levels",
    "window",
    "base",
    "measure",
    "smoothing",
    "ties",
    "radius",
    "blur",
    "shrink",
    "kind",
    *BLENDING_OPTIONS,
    *FINISHING_OPTIONS,
)


@click.command()
@options.inputs
@click.option(
    "-o", "--output", type=options.PLACE, required=True, help="Image to write; its ending says the format."
)
@method_options
@click.option("--depth-out", type=options.PLACE, help="Also write the z of the sharpest frame of each pixel.")
@click.option("--index-out", type=options.PLACE, help="Also write the number of that frame.")
@click.option("--confidence-out", type=options.PLACE, help="depth: also write how sure the depth is, 0 to 1.")
@click.option("--sigma-out", type=options.PLACE, help="depth: also write the depth's standard deviation.")
@alignment_options
@correction_options
@options.reading
@options.running
@options.sharing
@options.writing
@options.metadata
@report_options
@click.option("--dry-run", is_flag=True, help="Only show the plan: tiles, tasks, bytes read, peak memory.")
@options.talking
def stack(inputs: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Fuse a stack into one all-in-focus image.

    INPUTS are a folder, frames, a multi-page TIFF or OME-TIFF, or an OME-Zarr. The ending of the output says
    its format: .ome.zarr (any size, goes on where it was interrupted), .tif, .ome.tif, .png, .jpg.

    \b
    Examples:
      bigstack stack photos/ -o fused.tif
      bigstack stack stack.ome.zarr -o fused.ome.zarr --memory-limit 2GB --depth-out depth.tif
    """  # noqa: D301 click reads the backspace character
    from bigstack.jobs.stack import run_stack

    carry_out(inputs, output, values, stack_job, run_stack)


def stack_job(inputs: tuple[Path, ...], output: Path, values: dict[str, Any]) -> Any:
    """Turn the command's values into a `StackJob`."""
    from bigstack.jobs.stack import StackJob

    chosen = {name: values.pop(name) for name in METHOD_OPTIONS}
    chosen["denoise"] = chosen.pop("denoise_fused")
    return StackJob(**job_values(inputs, output, values, chosen))

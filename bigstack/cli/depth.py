"""bigstack depth: find the depth of every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.align import alignment_options
from bigstack.cli.correct import correction_options, in_turn
from bigstack.cli.measures import Setting
from bigstack.cli.report import report_options
from bigstack.cli.stacking import carry_out, job_values
from bigstack.names import AlignMethod, Blank, ColorMap, DepthMeasure, Peak, Priority, Refinement, choices

depth_options = options.combined(
    click.option(
        "--measure", type=click.Choice(choices(DepthMeasure)),
        help="What depth is found by: the tree of scales, or one focus measure [tree].",
    ),
    click.option(
        "--set", "focus_options", type=Setting(), multiple=True,
        help="Option of that measure, such as window=9 (repeatable).",
    ),
    click.option("--smoothing", type=click.FloatRange(0), help="Gaussian over its maps, pixels [0]."),
    click.option("--peak", type=click.Choice(choices(Peak)), help="Fit between frames [mixed]."),
    click.option(
        "--refine", type=click.Choice(choices(Refinement)), multiple=True,
        help="Refinement of the map (repeatable, in this order) [sgm, median, diffusion, tv].",
    ),
    click.option("--window", type=click.IntRange(1), help="Pixels a side of the diamond, odd [7]."),
    click.option(
        "--fill", is_flag=True, default=None, help="Fill places without texture from those around them."
    ),
    click.option(
        "--priority", type=click.Choice(choices(Priority)),
        help="Of two surfaces in focus at one pixel: the one with more evidence, or the nearer or farther.",
    ),
    click.option("--focus-channel", multiple=True, help="Measure focus on this channel only (repeatable)."),
    click.option("--radius", type=click.IntRange(0), help="Pixels the map's median reaches [24]."),
    click.option("--step", type=click.FloatRange(0), help="Price of a neighbour's depth one frame off [4]."),
    click.option("--jump", type=click.FloatRange(0), help="Price of any larger step of depth [24]."),
    click.option("--blur", type=click.FloatRange(0), help="Pixels that blur grows by a frame [1.2]."),
    click.option(
        "--pixel-noise", type=click.FloatRange(0), help="Noise of the pixels, in grey levels [measured]."
    ),
)  # fmt: skip
"""How depth is found: options of `bigstack.depth_from_focus`, under its names but for `pixel_noise`."""

OWN = (
    "measure",
    "focus_options",
    "smoothing",
    "peak",
    "refine",
    "radius",
    "step",
    "jump",
    "blur",
    "window",
    "fill",
    "priority",
    "pixel_noise",
)

output_options = options.combined(
    click.option("--confidence-out", type=options.PLACE, help="Also write how sure the depth is, 0 to 1."),
    click.option("--sigma-out", type=options.PLACE, help="Also write the depth's standard deviation."),
    click.option("--index-out", type=options.PLACE, help="Also write the number of the nearest frame."),
    click.option("--valid-out", type=options.PLACE, help="Also write where there is evidence, 255 or 0."),
    click.option("--unobserved-out", type=options.PLACE, help="Also write what is hidden, 255 or 0."),
    click.option("--fused-out", type=options.PLACE, help="Also write the image fused by the depth."),
    click.option("--preview", type=options.PATH, help="Also draw the depth in grey, or in --colormap."),
    click.option("--hillshade", type=options.PATH, help="Also draw the surface in slanting light."),
    click.option("--relief", type=options.PATH, help="Also draw it in colours and slanting light."),
    click.option("--colormap", type=click.Choice(choices(ColorMap)), help="Colours of the pictures."),
    click.option(
        "--blank", type=click.Choice(choices(Blank)), multiple=True,
        help="Write no depth (NaN) for such pixels (repeatable).",
    ),
)  # fmt: skip


@click.command()
@options.inputs
@click.option(
    "-o", "--output", type=options.PLACE, required=True, help="Depth to write: .tif, .ome.zarr, .npy."
)
@output_options
@depth_options
@click.option(
    "--align", type=click.Choice(choices(AlignMethod)), default="auto", show_default=True, callback=in_turn,
    help="How frames are registered; a stack that needs none is left alone. Corrections typed after it "
    "are measured on aligned frames.",
)  # fmt: skip
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
def depth(inputs: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Find the depth of every pixel of a stack from where it is sharp.

    Depth is float32, between frames too, in micrometres where the stack tells the distance of its frames
    (or --z does), else in frames. INPUTS are what `bigstack stack` takes.

    \b
    Examples:
      bigstack depth stack.ome.tif -o depth.tif --sigma-out sigma.tif --fused-out fused.tif
      bigstack depth photos/ -o depth.ome.zarr --z 50 --pixel-size 4.2 --blank invalid
    """  # noqa: D301 click reads the backspace character
    from bigstack.jobs.depth import run_depth

    carry_out(inputs, output, values, depth_job, run_depth, work="finding depth")


def depth_job(inputs: tuple[Path, ...], output: Path, values: dict[str, Any]) -> Any:
    """Turn the command's values into a `DepthJob`."""
    from bigstack.jobs.depth import DepthJob

    chosen = {name: values.pop(name) for name in OWN}
    chosen["noise"] = chosen.pop("pixel_noise")
    chosen["refine"] = chosen["refine"] or None
    chosen["focus_options"] = dict(chosen["focus_options"]) or None
    return DepthJob(**job_values(inputs, output, values, chosen))

"""bigstack layers: frames and results as layers of one TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.names import Interpolation, WarpBorder, choices

BITS: dict[str | None, Any] = {None: None, "8": 8, "16": 16}


@click.command()
@options.inputs
@click.option("-o", "--output", type=options.PATH, required=True, help="The .tif to write.")
@click.option(
    "--bits", type=click.Choice(["8", "16"]), help="Bits of a channel [those of the deepest input]."
)
@click.option("--hide", is_flag=True, help="Hide all layers but the top one at first.")
@click.option(
    "--alignment",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Saved alignment to apply to the input of as many frames.",
)
@click.option(
    "--border", type=click.Choice(choices(WarpBorder)), help="alignment: made-up pixels [replicate]."
)
@click.option(
    "--interpolation", type=click.Choice(choices(Interpolation)), help="alignment: resampling [cubic]."
)
@click.option("--crop", is_flag=True, default=None, help="alignment: cut to what all frames have data for.")
@options.reading
@options.keep_gps
@click.option("--overwrite", is_flag=True, help="Replace an output that is there already.")
@options.talking
def layers(inputs: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Put frames and results into one TIFF of layers, to retouch by hand.

    INPUTS, bottom to top, are folders of frames, stacks and images of one size. Photoshop, GIMP and Affinity
    open the layers; any other program sees the picture they make together. For frames that a stack was fused
    from with an alignment, save it (bigstack stack --save-alignment) and give it here too.

    \b
    Examples:
      bigstack layers photos/ fused.tif -o layers.tif
      bigstack layers photos/ fused.tif -o layers.tif --alignment alignment.json --hide
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.errors import InputError
    from bigstack.jobs.layers import LayersJob, layer_file

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"), work="writing layers")
    values.pop("debug")
    bits = values.pop("bits")
    apply = {name: values.pop(name) for name in ("border", "interpolation", "crop")}
    apply = {name: value for name, value in apply.items() if value is not None}
    if apply and values["alignment"] is None:
        raise InputError(f"--{next(iter(apply))} needs --alignment")
    reading = options.reading_options(values)
    job = LayersJob(inputs, output, bits=BITS[bits], apply=apply, reading=reading, **values)
    with reporter:
        result = layer_file(job, watch=reporter)
    reporter.summary(result)

"""bigstack surface: a triangle mesh of a depth map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options

_PIXEL_SIZE = click.option(
    "--pixel-size", type=options.Numbers(), help="Micrometres of a pixel, one number or y,x [the map's]."
)
_UNIT = click.option(
    "--unit", help="What the map's values are in, such as micrometer, mm [what the map says]."
)
_VALID = click.option("--valid", type=options.PLACE, help="Mask: leave pixels out where it is 0.")

calibration_options = options.combined(
    _PIXEL_SIZE,
    _UNIT,
    click.option(
        "--z-scale", type=click.FloatRange(0, min_open=True),
        help="Micrometres (or pixels, where these have no known size) that one unit of the map is; for a map "
        "in a unit of length, by how much heights are exaggerated.",
    ),
    _VALID,
)  # fmt: skip
"""What a map's numbers and pixels measure."""

calibration_without_scale = options.combined(_PIXEL_SIZE, _UNIT, _VALID)
"""The same for what needs no relation between the two."""


def given(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """Take those of a command's `values` that were given."""
    found = {name: values.pop(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


@click.command()
@click.argument("depth", type=options.PLACE)
@click.option("-o", "--output", type=options.PATH, required=True, help="Mesh: .ply, .obj, .stl, .glb, .gltf.")
@click.option("--texture", type=options.PLACE, help="Image fused with that depth, the picture on the mesh.")
@click.option(
    "--triangles", type=click.IntRange(2), default=200_000, show_default=True, help="How many at most."
)
@click.option("--tolerance", type=click.FloatRange(0), help="Leave out what is smaller, in units of the map.")
@click.option(
    "--max-step",
    type=click.FloatRange(0),
    help="No walls across steps larger than this, in units of the map.",
)
@click.option("--invert", is_flag=True, help="Larger depths are nearer, not farther away.")
@click.option(
    "--texture-size",
    type=click.IntRange(16),
    default=4096,
    show_default=True,
    help="Its longest side, pixels.",
)
@calibration_options
@click.option("--memory-limit", type=options.Bytes(), default="2GB", show_default=True, help="Memory to use.")
@click.option("--workers", type=click.IntRange(1), help="Tasks at once; one a processor by default.")
@click.option("--overwrite", is_flag=True, help="Replace a mesh that is there already.")
@options.talking
def surface(depth: Path, output: Path, **values: Any) -> None:
    """Make a triangle mesh of a depth map, many triangles where it is rough and few where it is flat.

    DEPTH is what `bigstack depth` wrote, of any size. The mesh looks as the image does: x to the right, y up,
    z towards the viewer. Pixels without a depth (NaN, or 0 in --valid) are holes.

    \b
    Examples:
      bigstack surface depth.tif --texture fused.tif -o mesh.glb
      bigstack surface depth.tif -o mesh.stl --triangles 500000 --max-step 20
      bigstack surface depth.tif -o mesh.ply --z-scale 35    # photographs: one frame is 35 pixels deep
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.surface import SurfaceJob, run_surface

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    own = given(values, "triangles", "tolerance", "max_step", "pixel_size", "z_scale")
    own |= {name: values.pop(name) for name in ("invert", "texture_size", "memory_limit")}
    reporter.summary(run_surface(SurfaceJob(depth, output, options=own, **values)))

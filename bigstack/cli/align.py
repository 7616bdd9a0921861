"""bigstack align: register the frames of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.names import AlignMethod, Interpolation, Misaligned, Mode, Model, WarpBorder, choices

ESTIMATE = {
    "model": "model",
    "align_reference": "reference",
    "align_mode": "mode",
    "align_channel": "channel",
    "on_misaligned": "on_misaligned",
    "smooth_scale": "smooth_scale",
}
APPLY = {"border": "border", "interpolation": "interpolation", "crop": "crop"}
LIMITS = {"max_shift": ("shift_x", "shift_y"), "max_scale": ("scale",), "max_rotation": ("rotation",)}
FEATURES = ("detector", "descriptor", "ratio", "min_matches", "ransac_threshold")

alignment_options = options.combined(
    click.option("--model", type=click.Choice(choices(Model)), help="align: motions [similarity]."),
    click.option("--align-reference", help="align: frame that stays, or first, middle, last."),
    click.option("--align-mode", type=click.Choice(choices(Mode)), help="align: which pairs, how [global]."),
    click.option("--align-channel", multiple=True, help="align: register by this channel (repeatable)."),
    click.option(
        "--on-misaligned", type=click.Choice(choices(Misaligned)),
        help="align: what to do about a frame that cannot be placed [error].",
    ),
    click.option("--smooth-scale", is_flag=True, default=None, help="align: scale is smooth in z."),
    click.option("--max-shift", type=click.FloatRange(0, 1), help="align: share of the frame's side [0.5]."),
    click.option("--max-scale", type=click.FloatRange(1), help="align: largest ratio of sizes [2]."),
    click.option("--max-rotation", type=click.FloatRange(0, 180), help="align: degrees [45]."),
    click.option("--detector", help="align features: SIFT, ORB, AKAZE, BRISK or KAZE [SIFT]."),
    click.option("--descriptor", help="align features: one of the same [the detector's own]."),
    click.option("--ratio", type=click.FloatRange(0, 1), help="align features: ratio test [0.75]."),
    click.option("--min-matches", type=click.IntRange(3), help="align features: fewest that agree [10]."),
    click.option("--ransac-threshold", type=click.FloatRange(0), help="align features: pixels [5]."),
    click.option(
        "--border", type=click.Choice(choices(WarpBorder)), help="align: made-up pixels [replicate]."
    ),
    click.option(
        "--interpolation", type=click.Choice(choices(Interpolation)), help="align: resampling [cubic]."
    ),
    click.option("--crop", is_flag=True, default=None, help="align: cut to what all frames have data for."),
    click.option(
        "--alignment", type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="align: apply this saved alignment instead of estimating one.",
    ),
    click.option("--save-alignment", type=options.PATH, help="align: save the alignment as JSON."),
)  # fmt: skip


def align_options(method: str, values: dict[str, Any]) -> Any:
    """Take the options of alignment out of a command's `values`."""
    from bigstack.errors import InputError
    from bigstack.jobs.align import AlignOptions

    asked = {name: values.pop(name) for name in (*ESTIMATE, *LIMITS, *FEATURES, *APPLY)}
    asked = {name: value for name, value in asked.items() if value is not None and value != ()}
    alignment, save = values.pop("alignment"), values.pop("save_alignment")
    if method == "none" and alignment is None and (asked or save):
        name = next(iter(asked), "save_alignment")
        raise InputError(f"--{name.replace('_', '-')} needs --align other than none")
    useless = [name for name in asked if name not in APPLY] if alignment is not None else []
    if useless:
        raise InputError(f"--{useless[0].replace('_', '-')} estimates, but --alignment gives an estimate")
    estimate = {own: asked[name] for name, own in ESTIMATE.items() if name in asked}
    if "channel" in estimate:
        estimate["channel"] = list(estimate["channel"])
    estimate |= _limits(asked) | _features(method, asked)
    apply = {own: asked[name] for name, own in APPLY.items() if name in asked}
    return AlignOptions(method, estimate, apply, alignment, save)


def _limits(asked: dict[str, Any]) -> dict[str, Any]:
    given = {own: asked[name] for name, owns in LIMITS.items() if name in asked for own in owns}
    if not given:
        return {}
    from bigstack.kernels.registration.plausible import Limits

    return {"limits": Limits(**given)}


def _features(method: str, asked: dict[str, Any]) -> dict[str, Any]:
    given = {name: asked[name] for name in FEATURES if name in asked}
    if not given:
        return {}
    from bigstack.errors import InputError
    from bigstack.kernels.registration.features import FeatureOptions

    if method not in ("auto", "features"):
        raise InputError(f"--{next(iter(given)).replace('_', '-')} belongs to --align features, not {method}")
    if "ransac_threshold" in given:
        given["threshold"] = given.pop("ransac_threshold")
    return {"features": FeatureOptions(**given)}


@click.command()
@options.inputs
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    required=True,
    help="alignment.json, or an .ome.zarr to write the aligned stack to.",
)
@click.option(
    "--method",
    type=click.Choice(choices(AlignMethod)[:-1]),
    default="auto",
    show_default=True,
    help="How frames are registered.",
)
@alignment_options
@options.reading
@options.running_without_tile
@click.option("--plots", type=options.PATH, help="Folder for plots of shift, scale, rotation and residual.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that are there already.")
@options.talking
def align(inputs: tuple[Path, ...], output: Path, **values: Any) -> None:
    """Find how the frames of a stack lie on one another; write it, or the aligned stack.

    \b
    Examples:
      bigstack align photos/ -o alignment.json
      bigstack align photos/ -o aligned.ome.zarr --crop --on-misaligned drop
      bigstack stack photos/ -o fused.tif --alignment alignment.json
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.align import AlignJob, align_stack

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    values.pop("debug")
    plots = values.pop("plots")
    how = align_options(values.pop("method"), values)
    reading = options.reading_options(values)
    with reporter:
        result = align_stack(AlignJob(inputs, output, how, reading, **values), watch=reporter)
        if plots is not None:
            from bigstack.report.alignment import save_plots

            result.written += save_plots(result.alignment, plots, overwrite=values["overwrite"])
    reporter.summary(result)

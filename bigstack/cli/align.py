"""bigstack align: register the frames of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.plots import plot_options
from bigstack.names import (
    AlignMethod,
    Consensus,
    FeatureMatcher,
    Interpolation,
    Misaligned,
    Mode,
    Model,
    WarpBorder,
    choices,
)

ESTIMATE = {
    "model": "model",
    "align_reference": "reference",
    "align_mode": "mode",
    "align_channel": "channel",
    "on_misaligned": "on_misaligned",
    "smooth_scale": "smooth_scale",
    "align_refine": "refine",
    "patch_size": "patch_size",
    "patches": "patches",
}
APPLY = {
    "border": "border",
    "border_value": "border_value",
    "border_blur": "border_blur",
    "interpolation": "interpolation",
    "crop": "crop",
}
BORDERS = {"border_value": "constant", "border_blur": "replicate-blur"}
LIMITS = {
    "max_shift": ("shift_y", "shift_x"),
    "max_scale": ("scale",),
    "max_rotation": ("rotation",),
    "max_shear": ("shear",),
    "max_perspective": ("perspective",),
    "min_overlap": ("overlap",),
    "min_inliers": ("inliers",),
}
FEATURES = {
    "detector": "detector",
    "descriptor": "descriptor",
    "max_features": "max_features",
    "matcher": "matcher",
    "flann_trees": "trees",
    "flann_checks": "checks",
    "ratio": "ratio",
    "estimator": "estimator",
    "ransac_threshold": "threshold",
    "ransac_confidence": "confidence",
    "ransac_iterations": "iterations",
    "min_matches": "min_matches",
}

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
    click.option(
        "--align-refine/--no-align-refine", default=None,
        help="align: measure patches at full resolution after the method, or take what it gives [refine].",
    ),
    click.option("--patch-size", type=click.IntRange(16, 256), help="align: side of patches, pixels [48]."),
    click.option("--patches", type=click.IntRange(8, 10_000), help="align: most a pair and level [64]."),
    click.option(
        "--max-shift", type=options.Numbers(),
        help="align: share of the frame's side, one number or y,x; 0 holds it still [0.5].",
    ),
    click.option("--max-scale", type=click.FloatRange(1), help="align: largest ratio of sizes [2]."),
    click.option("--max-rotation", type=click.FloatRange(0, 180), help="align: degrees [45]."),
    click.option("--max-shear", type=click.FloatRange(0), help="align: ratio of scales less 1 [0.1]."),
    click.option("--max-perspective", type=click.FloatRange(0), help="align: change of scale [0.1]."),
    click.option("--min-overlap", type=click.FloatRange(0, 1), help="align: share of the output [0.4]."),
    click.option("--min-inliers", type=click.IntRange(0), help="align: patches or points that agree [6]."),
    click.option("--detector", help="align features: SIFT, ORB, AKAZE, BRISK or KAZE [SIFT]."),
    click.option("--descriptor", help="align features: one of the same [the detector's own]."),
    click.option("--max-features", type=click.IntRange(1), help="align features: key points a frame [4000]."),
    click.option(
        "--matcher", type=click.Choice(choices(FeatureMatcher)),
        help="align features: approximate, exact, or exact up to 4000 points [auto].",
    ),
    click.option("--flann-trees", type=click.IntRange(1), help="align features: k-d trees of flann [5]."),
    click.option("--flann-checks", type=click.IntRange(1), help="align features: leaves flann visits [50]."),
    click.option("--ratio", type=click.FloatRange(0, 1), help="align features: ratio test [0.75]."),
    click.option("--min-matches", type=click.IntRange(3), help="align features: fewest that agree [10]."),
    click.option(
        "--estimator", type=click.Choice(choices(Consensus)), help="align features: consensus by [ransac]."
    ),
    click.option("--ransac-threshold", type=click.FloatRange(0), help="align features: pixels [5]."),
    click.option(
        "--ransac-confidence", type=click.FloatRange(0, 1), help="align features: when to stop [0.999]."
    ),
    click.option("--ransac-iterations", type=click.IntRange(1), help="align features: most samples [5000]."),
    click.option(
        "--border", type=click.Choice(choices(WarpBorder)), help="align: made-up pixels [replicate]."
    ),
    click.option("--border-value", type=float, help="align: of border constant, in grey levels [0]."),
    click.option("--border-blur", type=float, help="align: sigma of replicate-blur, pixels [50]."),
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
    for name, border in BORDERS.items():
        if name in asked and asked.get("border") != border:
            raise InputError(f"--{name.replace('_', '-')} belongs to --border {border}")
    return AlignOptions(method, estimate, apply, alignment, save)


def _limits(asked: dict[str, Any]) -> dict[str, Any]:
    from bigstack.errors import InputError

    given: dict[str, Any] = {}
    for name in [name for name in LIMITS if name in asked]:
        values = asked[name] if isinstance(asked[name], tuple) else (asked[name],)
        owns = LIMITS[name]
        if len(values) not in (1, len(owns)):
            raise InputError(f"--{name.replace('_', '-')} takes one number, or y,x; got {len(values)}")
        given |= dict(zip(owns, values * (len(owns) // len(values)), strict=True))
    if not given:
        return {}
    from bigstack.kernels.registration.plausible import Limits

    return {"limits": Limits(**given)}


def _features(method: str, asked: dict[str, Any]) -> dict[str, Any]:
    given = {own: asked[name] for name, own in FEATURES.items() if name in asked}
    if not given:
        return {}
    from bigstack.errors import InputError
    from bigstack.kernels.registration.features import FeatureOptions

    if method not in ("auto", "features"):
        name = next(name for name in FEATURES if name in asked)
        raise InputError(f"--{name.replace('_', '-')} belongs to --align features, not {method}")
    return {"features": FeatureOptions(**given)}


@click.command()
@options.inputs
@click.option(
    "-o",
    "--output",
    type=options.PLACE,
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
@plot_options
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
    plots, form = values.pop("plots"), values.pop("plot_format")
    how = align_options(values.pop("method"), values)
    reading = options.reading_options(values)
    with reporter:
        result = align_stack(AlignJob(inputs, output, how, reading, **values), watch=reporter)
        if plots is not None:
            from bigstack.report.alignment import save_plots

            again = values["overwrite"]
            result.written += save_plots(
                result.alignment, plots, stack=result.stack, format=form, overwrite=again
            )
    reporter.summary(result)

"""bigstack correct: balance, vignetting, hot pixels and noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from bigstack.cli import options
from bigstack.cli.plots import plot_options
from bigstack.geometry.correction import Curve, Falloff, Fill, Space

F = TypeVar("F", bound=Callable[..., Any])
_ORDER = "bigstack.corrections"


def in_turn(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Remember which corrections are asked for; click calls this in the order they were typed."""
    if value is not None and value != ():
        context.meta.setdefault(_ORDER, []).append(parameter.name)
    return value


class Reference(click.ParamType):
    """A frame by number, or first, middle, last, global."""

    name = "frame"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        """Number or word."""
        if value in ("first", "middle", "last", "global"):
            return str(value)
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of a frame, first, middle, last or global", param, ctx)


class HotPixelRule(click.ParamType):
    """The word auto, thresholds, or the path of masks."""

    name = "auto|number[,number...]|path"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, Any]:
        """Options of the step."""
        if isinstance(value, dict):
            return value
        if value == "auto":
            return {}
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError:
            if not Path(value).exists():
                self.fail(f"{value!r} is neither auto, thresholds, nor a mask that is there", param, ctx)
            return {"masks": Path(value)}
        return {"thresholds": numbers[0] if len(numbers) == 1 else numbers}


correction_options = options.combined(
    click.option(
        "--balance", type=click.Choice(get_args(Space), case_sensitive=False), callback=in_turn,
        help="Give all frames equal brightness: of luminance, each channel, or levels of a colour space.",
    ),
    click.option("--balance-curve", type=click.Choice(get_args(Curve)), help="balance: its curves [linear]."),
    click.option("--balance-reference", type=Reference(), help="balance: frame that stays [middle]."),
    click.option("--balance-mask", type=float, help="balance: measure in a disc only, share of side."),
    click.option("--balance-intensity", type=options.Numbers(), help="balance: measure values from,to only."),
    click.option("--balance-subsample", type=click.IntRange(1), help="balance: measure every N-th pixel."),
    click.option(
        "--vignetting", type=click.Choice(["auto", *get_args(Falloff)]), callback=in_turn,
        help="Make corners as bright as the centre, by this model of the falloff.",
    ),
    click.option(
        "--vignetting-method", type=click.Choice(["gradients", "rings"]),
        help="vignetting: what is fitted [gradients].",
    ),
    click.option("--vignetting-frame", type=int, help="vignetting: measure this frame only."),
    click.option("--max-correction", type=click.FloatRange(0, 1), help="vignetting: share to undo [1]."),
    click.option(
        "--black-threshold", type=click.FloatRange(0), help="vignetting: leave darker pixels alone [0]."
    ),
    click.option(
        "--hot-pixels", type=HotPixelRule(), callback=in_turn,
        help="Replace hot pixels: found by the noise (auto) or by thresholds, or those of masks.",
    ),
    click.option("--hot-fill", type=click.Choice(get_args(Fill)), help="hot-pixels: by what [mean]."),
    click.option(
        "--denoise", type=click.FloatRange(0), callback=in_turn,
        help="Remove noise by non-local means of this strength; 1 suits the noise.",
    ),
    click.option("--noise", type=options.Numbers(), help="denoise: standard deviation(s) [estimated]."),
    click.option(
        "--correction", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True,
        callback=in_turn, help="Apply a correction that was saved (repeatable).",
    ),
)  # fmt: skip
"""The corrections, applied in the order they are typed."""

_OWN = {
    "balance": {
        "balance_curve": "curve",
        "balance_reference": "reference",
        "balance_mask": "mask_size",
        "balance_intensity": "intensity",
        "balance_subsample": "subsample",
    },
    "vignetting": {
        "vignetting_method": "method",
        "vignetting_frame": "frame",
        "max_correction": "max_correction",
        "black_threshold": "black_threshold",
    },
    "hot_pixels": {"hot_fill": "fill"},
    "denoise": {"noise": "noise"},
}
"""Options of each correction, and what the function that estimates it calls them."""


def steps_of(values: dict[str, Any]) -> list[Any]:
    """Take the corrections out of a command's `values`, as steps in the order they were typed."""
    from bigstack.jobs.correct import Step

    order = click.get_current_context().meta.get(_ORDER, [])
    asked = {name: values.pop(name) for name in (*_OWN, "correction")}
    steps = []
    own = {kind: _own_options(kind, asked[kind], values) for kind in _OWN}
    for name in order:
        if name == "align":
            steps.append(Step("align", {"how": values["align"]}))
        elif name == "correction":
            steps += [Step("saved", {"path": path}) for path in asked[name]]
        else:
            steps.append(Step(name, {**_main_option(name, asked[name]), **own[name]}))
    return steps


def _own_options(kind: str, asked: Any, values: dict[str, Any]) -> dict[str, Any]:
    found = {own: values.pop(name) for name, own in _OWN[kind].items() if values[name] is not None}
    for name in _OWN[kind]:
        values.pop(name, None)
    if found and asked is None:
        name = next(name for name, own in _OWN[kind].items() if own in found)
        raise click.UsageError(f"--{name.replace('_', '-')} needs --{kind.replace('_', '-')}")
    return found


def _main_option(kind: str, value: Any) -> dict[str, Any]:
    if kind == "hot_pixels":
        return dict(value)
    return {{"balance": "space", "vignetting": "model", "denoise": "strength"}[kind]: value}


@click.command()
@options.inputs
@click.option("-o", "--output", type=options.PLACE, help="OME-Zarr to write; without it, only measure.")
@correction_options
@click.option("--save", type=options.PATH, help="Folder for corrections (JSON) and masks (PNG).")
@plot_options
@options.reading
@options.running_without_tile
@click.option("--ngff", type=click.Choice(["0.5", "0.4"]), help="OME-Zarr version [0.5].")
@click.option("--compression", help="Codec of the chunks [zstd].")
@click.option("--overwrite", is_flag=True, help="Replace outputs that are there already.")
@options.talking
def correct(inputs: tuple[Path, ...], output: Path | None, **values: Any) -> None:
    """Correct the light of a stack, or only measure it.

    Corrections are applied in the order they are typed, each measured on what those before it give. Pixels
    keep their dtype.

    \b
    Examples:
      bigstack correct photos/ -o even.ome.zarr --hot-pixels auto --vignetting auto --balance rgb
      bigstack correct photos/ --vignetting sigmoid --vignetting-method rings --plots plots/
      bigstack correct photos/ -o even.ome.zarr --correction saved/1-balance.json --denoise 0.7
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.correct import CorrectJob, correct_stack

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"), work="correcting")
    values.pop("debug")
    plots, form = values.pop("plots"), values.pop("plot_format")
    steps = steps_of(values)
    if not steps:
        raise click.UsageError("no correction was asked for; choose one or more, such as --balance rgb")
    reading = options.reading_options(values)
    with reporter:
        result = correct_stack(CorrectJob(inputs, steps, output, reading=reading, **values), watch=reporter)
        if plots is not None:
            from bigstack.report.plots import save_plots

            again = values["overwrite"]
            result.written += save_plots(result.found, plots, format=form, overwrite=again)
    reporter.summary(result)

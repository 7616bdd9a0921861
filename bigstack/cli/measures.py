"""Options of focus measures, as `bigstack focus` and `bigstack density` share them."""

from __future__ import annotations

from typing import Any, get_args

import click

from bigstack.cli import options
from bigstack.names import Border, FocusMeasure, Normalization


class Radii(click.ParamType):
    """Two whole numbers: radius of the disk, outer radius of the ring."""

    name = "inner,outer"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """The pair."""
        if isinstance(value, tuple):
            return value
        try:
            inner, outer = (int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not two whole numbers such as 1,3", param, ctx)
        return inner, outer


class Setting(click.ParamType):
    """An option of the measure and its value, or several values with commas between them."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """Name and value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not (name and equals and text):
            self.fail(f"{value!r} is not name=value, such as angles=16", param, ctx)
        parts = [_value(part) for part in text.split(",")]
        return name, parts[0] if len(parts) == 1 else tuple(parts)


def _value(text: str) -> Any:
    """A number where it reads as one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def measure_options(default: FocusMeasure) -> Any:
    """Which measure, and its options; those that are not given stay at the measure's defaults."""
    return options.combined(
        click.option(
            "--method", type=click.Choice(get_args(FocusMeasure)), default=default, show_default=True,
            help="Focus measure; docs/focus.md compares them.",
        ),
        click.option("--window", type=click.IntRange(1), help="Side of the square that is averaged over."),
        click.option("--sigma", type=click.FloatRange(0), help="Gaussian smoothing beforehand, pixels."),
        click.option("--power", type=click.FloatRange(0, min_open=True), help="Exponent of the response."),
        click.option(
            "--radii", type=Radii(), multiple=True, help="rdf: disk and ring of a scale (repeatable) [1,3]."
        ),
        click.option(
            "--border", type=click.Choice(get_args(Border)), help="rdf: pixels outside the image [replicate]."
        ),
        click.option(
            "--normalize", type=click.Choice(get_args(Normalization)),
            help="rdf: make scales comparable by statistics of the whole stack.",
        ),
        click.option("--downsample", type=click.IntRange(1), help="rdf: measure on a reduced image."),
        click.option(
            "--set", "settings", type=Setting(), multiple=True,
            help="Any other option of the measure (repeatable).",
        ),
        click.option("--focus-channel", multiple=True, help="Measure on this channel only (repeatable)."),
    )  # fmt: skip


def chosen_options(values: dict[str, Any]) -> dict[str, Any]:
    """Take the measure's options out of a command's `values`, those that were given."""
    names = ("window", "sigma", "power", "border", "normalize", "downsample")
    found = {name: values.pop(name) for name in names}
    found["radii"] = values.pop("radii") or None
    return {name: value for name, value in found.items() if value is not None} | dict(values.pop("settings"))

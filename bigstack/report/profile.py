"""Plot of a height profile."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigstack.errors import InputError
from bigstack.io.writers.text import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".pdf", ".svg")
"""Endings that a plot is written to."""


def plot_profile(profile: Any) -> Figure:
    """Depth against distance, as `bigstack.profile` gives them; larger depths are lower.

    Raises
    ------
    InputError
        When matplotlib, the extra ``plot``, is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("plots need matplotlib: pip install 'bigstack[plot]'") from error
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    panel = figure.subplots()
    panel.plot(profile.distance, profile.values, linewidth=1)
    unit = profile.attrs.get("unit")
    panel.set(
        xlabel=f"distance, {profile.distance.attrs['units']}", ylabel=f"depth, {unit}" if unit else "depth"
    )
    panel.invert_yaxis()
    panel.grid(alpha=0.3)
    ends = [f"({float(profile.x[i]):g}, {float(profile.y[i]):g})" for i in (0, -1)]
    panel.set_title(f"from pixel {ends[0]} to {ends[1]}", fontsize="medium")
    return figure


def save_profile(profile: Any, path: Path, *, overwrite: bool = False) -> Path:
    """Write the plot; its ending says the format.

    Raises
    ------
    OutputExistsError
        When it is there and `overwrite` is not set.
    """
    buffer = io.BytesIO()
    plot_profile(profile).savefig(buffer, format=path.suffix[1:].lower(), dpi=150)
    return write_bytes(path, buffer.getvalue(), overwrite=overwrite)

"""Plots of an alignment: what moves from frame to frame, and how well it is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bigstack.errors import InputError, OutputExistsError
from bigstack.geometry.alignment import Alignment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_alignment(alignment: Alignment) -> Figure:
    """Shift, scale, rotation and residual of every frame against its number; odd frames are marked.

    Raises
    ------
    InputError
        When matplotlib, the extra ``plot``, is missing.

    Examples
    --------
    >>> len(plot_alignment(Alignment.identity((480, 640), 3)).axes)
    4
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("plots need matplotlib: pip install 'bigstack[plot]'") from error
    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(2, 2)
    parts, z = alignment.decompose(), np.arange(len(alignment))
    residual = np.array([np.nan if f.residual is None else f.residual for f in alignment.frames])
    rows = [
        ("shift, pixels", {"x": parts["shift_x"], "y": parts["shift_y"]}),
        ("scale", {"": parts["scale"]}),
        ("rotation, degrees", {"": parts["rotation"]}),
        ("residual, pixels", {"": residual}),
    ]
    for panel, (title, curves) in zip(panels.flat, rows, strict=True):
        for name, values in curves.items():
            panel.plot(z, values, ".-", label=name)
        for odd in alignment.flagged:
            panel.axvline(odd, color="tab:red", alpha=0.3)
        panel.set(title=title, xlabel="frame")
        panel.ticklabel_format(useOffset=False)
    panels[0, 0].legend()
    figure.suptitle(f"{alignment.model} against frame {alignment.reference}")
    return figure


def save_plots(alignment: Alignment, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write ``alignment.png`` into a folder.

    Raises
    ------
    OutputExistsError
        When it is there and `overwrite` is not set.
    """
    path = Path(folder) / "alignment.png"
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} is there already; choose another folder, or overwrite it")
    figure = plot_alignment(alignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return [path]

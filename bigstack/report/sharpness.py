"""Plot of how sharp the frames of a stack are. Needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bigstack.errors import InputError, OutputExistsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_sharpness(sharpness: np.ndarray, z: np.ndarray, *, unit: str = "frame") -> Figure:
    """Curve of the mean focus of each frame over z, the sharpest frame marked.

    Examples
    --------
    >>> figure = plot_sharpness(np.array([1.0, 3.0, 2.0]), np.arange(3.0))
    >>> figure.axes[0].get_xlabel()
    'z [frame]'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    best = int(np.argmax(sharpness))
    axes.plot(z, sharpness, marker="o", markersize=3, color="tab:blue")
    axes.plot(z[best], sharpness[best], marker="o", color="tab:red")
    axes.annotate(
        f"frame {best}",
        (z[best], sharpness[best]),
        textcoords="offset points",
        xytext=(6, 4),
        color="tab:red",
    )
    axes.set_ylim(0, 1.12 * max(float(np.max(sharpness)), 1e-12))
    axes.set_xlabel(f"z [{unit}]")
    axes.set_ylabel("mean focus")
    return figure


def save_sharpness(found: Any, path: Path, *, overwrite: bool = False) -> Path:
    """Write the plot of what `bigstack.jobs.focus.run_focus` found.

    Raises
    ------
    OutputExistsError
        When it is there and `overwrite` is not set.
    """
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; give --overwrite to replace it")
    try:
        figure = plot_sharpness(found.sharpness, found.z, unit=found.unit)
    except ImportError as error:
        raise InputError("plots need matplotlib: pip install 'bigstack[plot]'") from error
    figure.savefig(path, dpi=120)
    return path

"""Plot of how sharp the frames of a stack are. Needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"z [{unit}]")
    axes.set_ylabel("mean focus")
    return figure

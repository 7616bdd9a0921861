"""All plots of a run as files: what was measured, and what it will do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bigstack.geometry.alignment import Alignment
from bigstack.geometry.correction import Balance, HotPixels, Vignetting
from bigstack.report import corrections
from bigstack.report.alignment import alignment_plots
from bigstack.report.figures import Drawing, PlotFormat, save_figures
from bigstack.report.sharpness import plot_sharpness

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_plots(
    found: Sequence[tuple[Any, Any]],
    folder: Path,
    *,
    stack: Any = None,
    unit: str = "frame",
    format: PlotFormat = "png",
    overwrite: bool = False,
) -> list[Path]:
    """Write the plots of corrections and alignments into a folder: ``1-balance.png``, ...

    Parameters
    ----------
    found
        Each value with the stack that it was estimated on, in order.
    stack
        The stack as it was fused, for how sharp its frames are; left out when not given.
    unit
        Of its z.
    format
        ``png`` or ``pdf``.

    Raises
    ------
    OutputExistsError
        When one of them is there and `overwrite` is not set.
    """
    drawings: list[Drawing] = []
    for n, (before, value) in enumerate(found, 1):
        drawings += [(f"{n}-{name}", draw) for name, draw in plots_of(before, value)]
    if stack is not None:
        drawings.append(("sharpness", partial(_sharpness, stack, unit)))
    return save_figures(drawings, folder, format=format, overwrite=overwrite)


def plots_of(stack: Any, value: Any) -> list[Drawing]:
    """Name and drawing of each plot of a correction, or an alignment, that was estimated on `stack`."""
    if isinstance(value, Alignment):
        return alignment_plots(value, stack)
    if isinstance(value, Balance):
        channels = stack.sizes["channel"]
        return [
            ("balance", partial(corrections.plot_balance, value, channels=channels)),
            ("histograms", partial(corrections.plot_histograms, stack, value)),
        ]
    if isinstance(value, Vignetting):
        return [("vignetting", partial(corrections.plot_vignetting, value))]
    if isinstance(value, HotPixels):
        return [
            ("hot-pixels", partial(corrections.plot_hot_pixels, value)),
            ("hot-pixels-thresholds", partial(corrections.plot_thresholds, stack, value)),
        ]
    return []


def _sharpness(stack: Any, unit: str) -> Figure:
    from bigstack.focus import sharpness

    z = stack.coords["z"].values if "z" in stack.coords else np.arange(stack.sizes["z"])
    return plot_sharpness(np.asarray(sharpness(stack).values).reshape(len(z)), z, unit=unit)

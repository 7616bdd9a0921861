"""Plots of an alignment: what moves from frame to frame, how well it is known, and what it rests on."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine.frame_pairs import measure_pair
from bigstack.engine.sources import as_source
from bigstack.errors import InputError
from bigstack.geometry.alignment import Alignment
from bigstack.kernels.registration.coarse import PairOptions
from bigstack.kernels.registration.models import inverse, map_points, motions_of
from bigstack.report.figures import Drawing, PlotFormat, new_figure, save_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PAIRS = 12
"""Pairs of neighbours whose matches `save_plots` draws, spread over the stack."""
_WIDE = 700
"""Longer side in pixels of a frame in a plot."""
_MOST_LINES = 80


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
    figure = new_figure((9, 6))
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


def plot_matches(
    stack: xr.DataArray, alignment: Alignment, first: int, second: int, *, model: str | None = None
) -> Figure:
    """Patches that two frames are found to have in common, joined by lines, and what they miss by.

    Above, the two frames side by side. Below, the first frame with arrows from where the alignment puts each
    patch to where it was found, enlarged as the title says: arrows that point all ways are noise, arrows of a
    pattern are a motion that the alignment does not have. Reads both frames.

    Parameters
    ----------
    stack
        The stack (z, y, x, channel) before alignment.
    alignment
        Of its frames.
    first, second
        Numbers of the two frames.
    model
        What the patches are allowed to agree on, the alignment's model by default.

    Examples
    --------
    >>> from bigstack.synthetic import render_stack
    >>> moved = render_stack(frames=2, shape=(240, 320), channels=1, shift=3.0)
    >>> figure = plot_matches(moved.stack, Alignment.of(moved.truth.transform.values, (240, 320)), 0, 1)
    >>> len(figure.axes)
    3
    """
    source = as_source(stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data))
    if len(alignment) != source.shape[0] or alignment.shape != source.shape[1:3]:
        raise InputError("the alignment is of another stack: other frames, or another size")
    transforms = alignment.transforms
    between = transforms[second].matrix @ inverse(transforms[first].matrix)
    chosen = model or (alignment.model if alignment.model in ("affine", "homography") else "similarity")
    options = PairOptions(model=chosen, motions=motions_of(chosen))
    found = measure_pair(source, first, second, between, options)
    small = max(1.0, max(alignment.shape) / _WIDE)
    images = [_preview(source, z, small) for z in (first, second)]
    miss = found.second - map_points(between, found.first)
    figure = new_figure((11, 9))
    pair, arrows = figure.subplots(2, 1, height_ratios=[1, 1])
    _draw_pair(pair, images, found.first / small, found.second / small, np.hypot(*miss.T))
    _draw_misses(arrows, images[0], found.first / small, miss / small, small)
    median = f"{np.median(np.hypot(*miss.T)):.2f} px in the median" if len(miss) else "none agree"
    figure.suptitle(f"frames {first} and {second}: {len(miss)} of {found.offered} patches agree, {median}")
    return figure


def save_plots(
    alignment: Alignment,
    folder: Path,
    *,
    stack: xr.DataArray | None = None,
    format: PlotFormat = "png",
    overwrite: bool = False,
) -> list[Path]:
    """Write ``alignment.png`` into a folder and, with the stack, matches of neighbours, at most 12 pairs.

    Raises
    ------
    OutputExistsError
        When one of them is there and `overwrite` is not set.
    """
    return save_figures(alignment_plots(alignment, stack), folder, format=format, overwrite=overwrite)


def alignment_plots(alignment: Alignment, stack: xr.DataArray | None) -> list[Drawing]:
    """Name and drawing of each plot: the motions and, with the stack, matches of neighbours."""
    drawings: list[Drawing] = [("alignment", partial(plot_alignment, alignment))]
    if stack is None:
        return drawings
    pairs = list(pairwise(alignment.kept))
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(MOST_PAIRS, len(pairs))).round().astype(int))
    for n in chosen if pairs else ():
        first, second = pairs[n]
        name = f"matches-{first:04d}-{second:04d}"
        drawings.append((name, partial(plot_matches, stack, alignment, first, second)))
    return drawings


def _preview(source: Any, z: int, small: float) -> np.ndarray:
    """A frame reduced for a plot, grey (y, x) between 0 and 1, read strip by strip."""
    height, width = source.shape[1:3]
    size = max(1, round(height / small)), max(1, round(width / small))
    rows = height if source.whole_frames else max(1, (1 << 24) // width)
    strips = []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        grey = source.read(z, slice(top, bottom), slice(0, width)).mean(axis=2, dtype=np.float32)
        part = max(1, round(bottom * size[0] / height) - round(top * size[0] / height))
        strips.append(cv2.resize(np.nan_to_num(grey), (size[1], part), interpolation=cv2.INTER_AREA))
    image = np.concatenate(strips)
    low, high = np.percentile(image, [0.5, 99.5])
    return np.clip((image - low) / max(high - low, 1e-12), 0, 1)


def _draw_pair(
    panel: Any, images: list[np.ndarray], first: np.ndarray, second: np.ndarray, miss: np.ndarray
) -> None:
    from matplotlib.collections import LineCollection

    panel.imshow(np.hstack(images), cmap="gray", vmin=0, vmax=1)
    shown = np.linspace(0, len(first) - 1, min(_MOST_LINES, len(first))).round().astype(int)
    lines = np.stack([first[shown], second[shown] + (images[0].shape[1], 0)], axis=1)
    drawn = LineCollection(list(lines), array=miss[shown], cmap="viridis", linewidths=0.7)
    panel.add_collection(drawn)
    panel.figure.colorbar(drawn, ax=panel, label="miss, pixels")
    panel.set_axis_off()


def _draw_misses(panel: Any, image: np.ndarray, places: np.ndarray, miss: np.ndarray, small: float) -> None:
    panel.imshow(image, cmap="gray", vmin=0, vmax=1)
    usual = float(np.median(np.hypot(*miss.T))) if len(miss) else 0.0
    enlarged = round(20 / usual) if usual > 0 else 1
    if len(miss):
        panel.quiver(
            *places.T, *(miss * enlarged).T, angles="xy", scale_units="xy", scale=1, color="tab:orange"
        )
    panel.set_title(f"misses, {enlarged / small:.3g} times as long")
    panel.set_axis_off()

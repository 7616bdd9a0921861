"""Plots of what corrections measured and will do; each returns a figure to show or save.

They need the extra ``plot`` (matplotlib).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bigstack.engine.hot_counts import counts_over
from bigstack.engine.photometry import LightProbe, over_frames, value_range
from bigstack.engine.sources import as_source
from bigstack.errors import InputError
from bigstack.geometry.correction import Balance, HotPixels, Vignetting
from bigstack.kernels.correction.balance import space_of
from bigstack.kernels.correction.curves import evaluate
from bigstack.kernels.correction.histogram import Histogram
from bigstack.kernels.correction.vignetting import falloff, radius_of_corner, radius_where
from bigstack.report.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIGHT_LEFT = (0.95, 0.75, 0.5, 0.25, 0.05)
"""Shares of the centre's light whose radii are marked."""

_COLOURS = {"channel 0": "tab:red", "channel 1": "tab:green", "channel 2": "tab:blue"}
_BINS = 128


def plot_balance(balance: Balance, *, channels: int = 3) -> Figure:
    """Factors or exponents of all frames, or the curves of matched histograms, one panel a level.

    Examples
    --------
    >>> figure = plot_balance(Balance("lumi", "linear", 255.0, 0, (((1.0,),), ((1.25,),))))
    >>> len(figure.axes)
    1
    """
    names = balance_levels(balance.space, channels)
    figure, panels = _panels(len(names), "balance in " + balance.space)
    for n, (panel, name) in enumerate(zip(panels, names, strict=True)):
        panel.set_title(name)
        if balance.curve == "match_hist":
            _draw_curves(panel, [frame[n] for frame in balance.curves])
            continue
        values = [frame[n][0] for frame in balance.curves]
        panel.plot(range(balance.frames), values, ".-", color=_COLOURS.get(name, "black"))
        panel.set_xlabel("frame")
        panel.set_ylabel("factor" if balance.curve == "linear" else "gamma")
        if balance.reference is not None:
            panel.axvline(balance.reference, color="grey", linestyle=":", label="reference")
            panel.legend()
    return figure


def plot_histograms(stack: xr.DataArray, balance: Balance) -> Figure:
    """Histograms of all frames before and after a balance, one row a level; reads the stack once.

    `stack` is the one that the balance was estimated from.

    Examples
    --------
    >>> import dask.array as da
    >>> frames = da.full((2, 8, 8, 1), 100, dtype="uint8")
    >>> stack = xr.DataArray(frames, dims=("z", "y", "x", "channel"))
    >>> figure = plot_histograms(stack, Balance("lumi", "linear", 255.0, 0, (((1.0,),), ((1.25,),))))
    >>> len(figure.axes)
    2
    """
    levels = list(balance_histograms(stack, balance))
    figure, panels = _panels(2 * len(levels), "histograms before and after", columns=2)
    for n, (name, edges, *both) in enumerate(levels):
        for after, shares in enumerate(both):
            panel = panels[2 * n + after]
            panel.set_title(f"{name}, {'balanced' if after else 'as it is'}")
            panel.set_yscale("log")
            for z, share in enumerate(shares):
                place = z / max(len(shares) - 1, 1)
                middles = (edges[1:] + edges[:-1]) / 2
                panel.step(middles, share, where="mid", color=_of_frame(place), linewidth=0.8)
    return figure


def balance_histograms(
    stack: xr.DataArray, balance: Balance
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, edges of bins, and shares of pixels (frame, bin) before and after, of each level of a balance.

    Reads the stack once. `stack` is the one that the balance was estimated from.
    """
    source = as_source(stack.data)
    if balance.frames != source.shape[0]:
        raise InputError(f"the balance is for {balance.frames} frames, the stack has {source.shape[0]}")
    names = balance_levels(balance.space, source.shape[3])
    probe = LightProbe(balance.space, value_range(source), mask_size=None, intensity=None, step=_step(source))
    light = over_frames(probe, source, range(source.shape[0]))
    for n, (low, high, full) in enumerate(probe.scales(source.shape[3])):
        edges = np.linspace(low, high, _BINS + 1)
        before = [frame.histograms[n] for frame in light]
        after = [_bent(h, balance, balance.curves[z][n], full) for z, h in enumerate(before)]
        yield names[n], edges, _shares(before, edges), _shares(after, edges)


def plot_vignetting(vignetting: Vignetting) -> Figure:
    """Mean luminance of the rings, the model, and the radii where 95, 75, 50, 25, 5 % of the light is left.

    Examples
    --------
    >>> figure = plot_vignetting(Vignetting("cos4", (200.0, 1e-6), (1000, 1500)))
    >>> figure.axes[0].get_xlabel()
    'radius / pixel'
    """
    figure, (panel,) = _panels(1, f"vignetting: {vignetting.model}")
    r = np.linspace(0, radius_of_corner(vignetting.shape), 500)
    light = falloff(r, vignetting.model, vignetting.parameters)
    centre = 1.0
    if vignetting.radii:
        at_rings = falloff(np.array(vignetting.radii), vignetting.model, vignetting.parameters)
        intensities = np.array(vignetting.intensities)
        centre = float((at_rings * intensities).sum() / (at_rings**2).sum())
        panel.plot(vignetting.radii, intensities, ".", color="black", label="rings")
    panel.plot(r, centre * light, color="tab:red", label="model")
    for share in LIGHT_LEFT:
        radius = radius_where(share, vignetting.model, vignetting.parameters, vignetting.shape)
        if radius is not None:
            panel.axvline(radius, color="grey", linestyle=":")
            panel.annotate(
                f"{share:.0%}", (radius, centre * share), xytext=(3, 3), textcoords="offset points"
            )
    panel.set_xlabel("radius / pixel")
    panel.set_ylabel("mean luminance")
    panel.set_ylim(bottom=0)
    panel.legend()
    return figure


def plot_hot_pixels(hot_pixels: HotPixels) -> Figure:
    """Where the hot pixels are, one colour a channel.

    Examples
    --------
    >>> figure = plot_hot_pixels(HotPixels((10, 10, 3), ((2, 5, 0), (2, 5, 1))))
    >>> len(figure.axes[0].collections)
    2
    """
    figure, (panel,) = _panels(1, f"{hot_pixels.count} hot values")
    positions = np.array(hot_pixels.positions, np.int64).reshape(-1, 3)
    for channel in np.unique(positions[:, 2]):
        y, x, _ = positions[positions[:, 2] == channel].T
        name = f"channel {channel}"
        panel.scatter(x, y, s=4, color=_COLOURS.get(name), label=f"{name}: {len(x)}")
    panel.set_xlim(-0.5, hot_pixels.shape[1] - 0.5)
    panel.set_ylim(hot_pixels.shape[0] - 0.5, -0.5)
    panel.set_aspect("equal")
    panel.set_xlabel("x / pixel")
    panel.set_ylabel("y / pixel")
    if len(positions):
        panel.legend()
    return figure


def plot_thresholds(stack: xr.DataArray, hot_pixels: HotPixels) -> Figure:
    """How many values would be hot at which threshold, each channel, and the threshold that was taken.

    What counts is how far the mean of the frames is from its own 5x5 Gaussian, the rule of given thresholds;
    the automatic rule looks at single frames, so its thresholds are there to compare. Reads the stack once.

    Examples
    --------
    >>> import dask.array as da
    >>> frames = da.full((2, 8, 8, 1), 100, dtype="uint8")
    >>> stack = xr.DataArray(frames, dims=("z", "y", "x", "channel"))
    >>> len(plot_thresholds(stack, HotPixels((8, 8, 1), ())).axes)
    1
    """
    limits, counts = counts_over(as_source(stack.data))
    figure, (panel,) = _panels(1, "hot values by threshold (dotted: taken)")
    for channel, numbers in enumerate(counts):
        name = f"channel {channel}"
        panel.plot(limits, np.where(numbers > 0, numbers, np.nan), color=_COLOURS.get(name), label=name)
        if channel < len(hot_pixels.thresholds):
            panel.axvline(hot_pixels.thresholds[channel], color=_COLOURS.get(name), linestyle=":")
    panel.set_yscale("log")
    panel.set_xlabel("threshold / grey level")
    panel.set_ylabel("values above it")
    panel.legend()
    return figure


def balance_levels(space: str, channels: int) -> tuple[str, ...]:
    """Names of what a balance bends."""
    return space_of(space, channels).names or tuple(f"channel {c}" for c in range(channels))


def _panels(count: int, title: str, columns: int = 3) -> tuple[Figure, list[Any]]:
    """A figure of its own, without matplotlib's global state, and its panels."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure((5 * columns, 3.5 * rows))
    figure.suptitle(title)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _draw_curves(panel: Any, curves: list[tuple[float, ...]]) -> None:
    for z, parameters in enumerate(curves):
        half = len(parameters) // 2
        panel.plot(parameters[:half], parameters[half:], color=_of_frame(z / max(len(curves) - 1, 1)))
    panel.set_xlabel("value")
    panel.set_ylabel("becomes")


def _shares(histograms: Sequence[Histogram], edges: np.ndarray) -> np.ndarray:
    """Share of the pixels in each bin (frame, bin); zeros where nothing was counted."""
    return np.array(
        [np.histogram(h.values, edges, weights=h.counts / max(h.counts.sum(), 1))[0] for h in histograms]
    )


def _of_frame(place: float) -> Any:
    """Colour of a frame, from the first, 0, to the last, 1."""
    from matplotlib import colormaps

    return colormaps["viridis"](place)


def _bent(histogram: Histogram, balance: Balance, parameters: tuple[float, ...], full: float) -> Histogram:
    values = evaluate(histogram.values, balance.curve, parameters, full)
    return Histogram(np.minimum(values, full), histogram.counts)


def _step(source: Any) -> int:
    return max(1, int((source.shape[1] * source.shape[2] / (1 << 18)) ** 0.5))

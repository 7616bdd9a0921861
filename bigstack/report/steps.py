"""What each correction and the alignment did, as charts and words of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from bigstack.geometry.alignment import Alignment
from bigstack.geometry.correction import Balance, Denoise, HotPixels, Vignetting
from bigstack.kernels.correction.vignetting import falloff, radius_of_corner, radius_where
from bigstack.report.charts import Curve, chart
from bigstack.report.corrections import LIGHT_LEFT, balance_histograms, balance_levels

MOST_CURVES = 8
"""Curves of single frames in one chart."""


@dataclass
class Shown:
    """One step of the page."""

    id: str
    title: str
    texts: list[str] = field(default_factory=list)
    charts: list[tuple[str, Markup]] = field(default_factory=list)


def show_step(number: int, stack: Any, value: Any) -> Shown:
    """Charts of a correction, or alignment, that was estimated on `stack`."""
    kinds: dict[type, Callable[[Any, Any], Shown]] = {
        Alignment: _alignment,
        Balance: _balance,
        Vignetting: _vignetting,
        HotPixels: _hot_pixels,
        Denoise: _denoise,
    }
    shown = kinds[type(value)](stack, value)
    shown.id = f"{shown.id}-{number}"
    return shown


def _alignment(stack: Any, value: Alignment) -> Shown:
    parts, z = value.decompose(), np.arange(len(value))
    residual = [np.nan if f.residual is None else f.residual for f in value.frames]
    error = [np.nan if f.error is None else f.error for f in value.frames]
    marks = [(float(value.reference), "reference")]
    texts = [
        f"{value.model.capitalize()} of each frame against frame {value.reference}, found by method "
        f"{value.method!r}."
    ]
    if value.is_identity:
        return Shown(
            "align", "Alignment", [*texts, "The frames lie on one another already: nothing was moved."]
        )
    for n, frame in enumerate(value.frames):
        if frame.flags or frame.dropped:
            words = ", ".join((*frame.flags, *(["left out"] if frame.dropped else [])))
            texts.append(f"Frame {n}: {words}.")

    def one(name: str, unit: str, curves: list[Curve]) -> tuple[str, Markup]:
        title = f"{name} of each frame"
        label = f"{name} / {unit}" if unit else name
        return title.capitalize(), chart(curves, x_label="frame", y_label=label, title=title, marks=marks)

    charts = [
        one("shift", "pixel", [Curve("x", z, parts["shift_x"]), Curve("y", z, parts["shift_y"])]),
        one("scale", "", [Curve("scale", z, parts["scale"])]),
        one("rotation", "degree", [Curve("rotation", z, parts["rotation"])]),
    ]
    if np.isfinite([*residual, *error]).any():
        curves = [Curve("median residual", z, residual), Curve("standard error at the corners", z, error)]
        charts.append(one("residual", "pixel", curves))
    return Shown("align", "Alignment", texts, charts)


def _balance(stack: Any, value: Balance) -> Shown:
    against = "all frames together" if value.reference is None else f"frame {value.reference}"
    texts = [f"Brightness in {value.space}, {value.curve.replace('_', ' ')} curves, against {against}."]
    names = balance_levels(value.space, stack.sizes["channel"])
    charts = []
    if value.curve == "match_hist":
        for n, name in enumerate(names):
            curves = []
            for z in _some(value.frames):
                half = len(value.curves[z][n]) // 2
                x, y = value.curves[z][n][:half], value.curves[z][n][half:]
                curves.append(Curve(f"frame {z}", x, y, dots=False))
            title = f"What values become, {name}"
            charts.append((title, chart(curves, x_label="value", y_label="becomes", title=title)))
    else:
        label = "factor" if value.curve == "linear" else "gamma"
        curves = [
            Curve(name, range(value.frames), [f[n][0] for f in value.curves], _colour(name))
            for n, name in enumerate(names)
        ]
        title = f"{label} of each frame"
        charts.append((title.capitalize(), chart(curves, x_label="frame", y_label=label, title=title)))
    for name, edges, before, after in balance_histograms(stack, value):
        middles = (edges[1:] + edges[:-1]) / 2
        for word, shares in (("as it was", before), ("balanced", after)):
            curves = [
                Curve(f"frame {z}", middles, np.where(shares[z] > 0, shares[z], np.nan), dots=False)
                for z in _some(len(shares))
            ]
            title = f"Histogram of {name}, {word}"
            drawing = chart(curves, x_label="value", y_label="share of pixels", title=title, log=True)
            charts.append((title, drawing))
    return Shown("balance", "Balance", texts, charts)


def _vignetting(stack: Any, value: Vignetting) -> Shown:
    corner = radius_of_corner(value.shape)
    left = float(falloff(np.array([corner]), value.model, value.parameters)[0])
    numbers = ", ".join(f"{p:.6g}" for p in value.parameters)
    texts = [
        f"Model {value.model} ({numbers}); {left:.1%} of the light is left in the "
        f"corners, rings differ from the model by {value.error:.1%}."
    ]
    r = np.linspace(0, corner, 200)
    light = falloff(r, value.model, value.parameters)
    curves, centre = [], 1.0
    if value.radii:
        rings = falloff(np.array(value.radii), value.model, value.parameters)
        measured = np.array(value.intensities)
        centre = float((rings * measured).sum() / (rings**2).sum())
        curves.append(Curve("rings", value.radii, measured, "c7", line=False))
    curves.append(Curve("model", r, centre * light, "c1", dots=False))
    places = ((radius_where(s, value.model, value.parameters, value.shape), s) for s in LIGHT_LEFT)
    marks = [(float(radius), f"{share:.0%}") for radius, share in places if radius is not None]
    title = "Mean luminance over the radius"
    drawing = chart(
        curves, x_label="radius / pixel", y_label="luminance", title=title, marks=marks, zero=True
    )
    return Shown("vignetting", "Vignetting", texts, [(title, drawing)])


def _hot_pixels(stack: Any, value: HotPixels) -> Shown:
    texts = [f"{value.count} hot values, filled by the {value.fill} of their good neighbours."]
    if not value.count:
        return Shown("hot-pixels", "Hot pixels", texts)
    places = np.array(value.positions, np.int64).reshape(-1, 3)
    curves = []
    for channel in np.unique(places[:, 2]):
        y, x, _ = places[places[:, 2] == channel][:2000].T
        curves.append(Curve(f"channel {channel}", x, -y, _colour(f"channel {channel}"), line=False))
    title = "Where the hot pixels are"
    drawing = chart(curves, x_label="x / pixel", y_label="-y / pixel", title=title)
    return Shown("hot-pixels", "Hot pixels", texts, [(title, drawing)])


def _denoise(stack: Any, value: Denoise) -> Shown:
    sigmas = ", ".join(f"{sigma:.4g}" for sigma in value.noise)
    return Shown("denoise", "Denoising", [f"Strength {value.strength:g} for noise of {sigmas} grey levels."])


def _some(frames: int) -> list[int]:
    """Numbers of at most `MOST_CURVES` frames, evenly spread."""
    return sorted({round(float(z)) for z in np.linspace(0, frames - 1, min(frames, MOST_CURVES))})


def _colour(name: str) -> str:
    return {"channel 0": "r", "channel 1": "g", "channel 2": "b"}.get(name, "")

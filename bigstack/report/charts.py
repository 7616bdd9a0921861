"""Charts as SVG, drawn by Python: no script is needed to read them, and colours follow the page's theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 14, 44


@dataclass(frozen=True)
class Curve:
    """One line of a chart: its name, places and values; NaN breaks the line."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: str = ""
    """Class of the colour: c0 to c7, r, g, b; by turn when not given."""
    dots: bool = True
    line: bool = True


def chart(
    curves: Sequence[Curve],
    *,
    x_label: str,
    y_label: str,
    title: str,
    marks: Sequence[tuple[float, str]] = (),
    zero: bool = False,
    log: bool = False,
    legend: bool = True,
) -> Markup:
    """Draw curves over x.

    Parameters
    ----------
    title
        What the chart shows, for who cannot see it.
    marks
        Places on x with a word for each: vertical lines.
    zero
        Whether y starts at 0.
    log
        Whether y is logarithmic.
    """
    scale = _Scale.of(curves, marks, zero=zero, log=log)
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            WIDTH, HEIGHT, title
        )
    ]
    parts += _axes(scale, x_label, y_label)
    for place, word in marks:
        x = scale.across(place)
        parts.append(
            Markup('<g class="mark"><line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(
                x, TOP, HEIGHT - BOTTOM
            )
        )
        parts.append(Markup('<text x="{:.1f}" y="{}">{}</text></g>').format(x + 4, TOP + 10, word))
    for i, curve in enumerate(curves):
        parts += _drawn(curve, curve.colour or f"c{i % 8}", scale)
    parts.append(Markup("</svg>"))
    if legend and len(curves) > 1:
        parts.append(_legend(curves))
    return Markup("").join(parts)


@dataclass(frozen=True)
class _Scale:
    x0: float
    x1: float
    y0: float
    y1: float
    log: bool

    @classmethod
    def of(
        cls, curves: Sequence[Curve], marks: Sequence[tuple[float, str]], *, zero: bool, log: bool
    ) -> _Scale:
        x = np.concatenate([np.asarray(c.x, float) for c in curves] + [np.array([m[0] for m in marks])])
        y = np.concatenate([np.asarray(c.y, float) for c in curves])
        y = np.log10(np.maximum(y[y > 0], 1e-300)) if log else y
        x0, x1 = _range(x)
        y0, y1 = _range(y)
        pad = 0.06 * (y1 - y0)
        return cls(x0, x1, min(0.0, y0) if zero else y0 - pad, y1 + pad, log)

    def across(self, x: float) -> float:
        return LEFT + (x - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def up(self, y: float) -> float:
        y = math.log10(y) if self.log else y
        return HEIGHT - BOTTOM - (y - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)

    def can(self, y: float) -> bool:
        return math.isfinite(y) and (y > 0 or not self.log)


def _range(values: np.ndarray) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-12 * max(abs(high), 1e-300):
        pad = abs(high) * 0.05 or 0.5
        return low - pad, high + pad
    return low, high


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from `low` to `high`.

    Examples
    --------
    >>> ticks(0.3, 9.7)
    [2.0, 4.0, 6.0, 8.0]
    """
    raw = (high - low) / count
    step = 10 ** math.floor(math.log10(raw))
    step *= next(f for f in (1, 2, 5, 10) if f * step >= raw * 0.999)
    first = math.ceil(low / step)
    return [float(f"{i * step:.12g}") for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _axes(scale: _Scale, x_label: str, y_label: str) -> list[Markup]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [Markup('<g class="axes">')]
    for y in ticks(scale.y0, scale.y1):
        place = bottom - (y - scale.y0) / (scale.y1 - scale.y0) * (bottom - TOP)
        text = f"1e{y:g}" if scale.log else f"{y:.6g}"
        parts.append(Markup('<line x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(LEFT, right, y=place))
        parts.append(Markup('<text class="y" x="{}" y="{:.1f}">{}</text>').format(LEFT - 6, place + 4, text))
    number = Markup('<text class="x" x="{:.1f}" y="{}">{:.6g}</text>')
    parts += [number.format(scale.across(x), bottom + 16, x) for x in ticks(scale.x0, scale.x1, 8)]
    parts.append(
        Markup('<text class="label" x="{}" y="{}">{}</text>').format((LEFT + right) / 2, HEIGHT - 8, x_label)
    )
    middle = (TOP + bottom) / 2
    parts.append(
        Markup('<text class="label" transform="translate(14 {}) rotate(-90)">{}</text></g>').format(
            middle, y_label
        )
    )
    return parts


def _drawn(curve: Curve, colour: str, scale: _Scale) -> list[Markup]:
    points = [(float(x), float(y)) for x, y in zip(curve.x, curve.y, strict=True)]
    parts = [Markup('<g class="{}">').format(colour)]
    if curve.line:
        pieces: list[list[str]] = [[]]
        for x, y in points:
            if scale.can(y):
                pieces[-1].append(f"{scale.across(x):.1f},{scale.up(y):.1f}")
            elif pieces[-1]:
                pieces.append([])
        parts += [Markup('<polyline points="{}"/>').format(" ".join(p)) for p in pieces if len(p) > 1]
    if curve.dots:
        name = f"{curve.name}: " if curve.name else ""
        parts += [
            Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3"><title>{}{:.6g}, {:.6g}</title></circle>').format(
                scale.across(x), scale.up(y), name, x, y
            )
            for x, y in points
            if scale.can(y)
        ]
    return [*parts, Markup("</g>")]


def _legend(curves: Sequence[Curve]) -> Markup:
    entries = [
        Markup('<li><i class="{}"></i>{}</li>').format(c.colour or f"c{i % 8}", escape(c.name))
        for i, c in enumerate(curves)
        if c.name
    ]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(entries)) if entries else Markup("")

"""Depth, confidence and masks for a page: samples as numbers that a script can read."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.io.writers.preview import Sampled, places, step_for
from bigstack.report.facts import Facts
from bigstack.report.pictures import opened_image

SHOWN = {
    "depth": "depth",
    "sigma": "standard deviation",
    "confidence": "confidence",
    "index": "sharpest frame",
}
"""Maps of numbers, and what to call them."""
LEVELS = 65534
POINTS = 250
"""Most points a side of the surface: their numbers have 16 bits."""


@dataclass(frozen=True)
class ShownMap:
    """A map as the page holds it: 16-bit steps from `low` to `high`; 0 where there is no value."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    """Range of the values."""
    dark: float
    bright: float
    """Range of the colours."""
    data: str
    """Little-endian uint16, base64."""


def gather(facts: Facts) -> dict[str, Sampled]:
    """Samples of all maps of a run: those that were kept, and those that were written."""
    found = dict(facts.maps)
    for name in (*SHOWN, "valid", "unobserved"):
        if name not in found and name in facts.outputs:
            found[name] = _from_file(facts.outputs[name])
    shapes = {name: sampled.values.shape for name, sampled in found.items()}
    first = next(iter(shapes.values()), None)
    return {name: sampled for name, sampled in found.items() if shapes[name] == first}


def _from_file(path: Any) -> Sampled:
    read, shape, _ = opened_image(path, 1 << 30)
    step = step_for(shape)
    parts = []
    for y in range(0, shape[0], 1024):
        stop = min(y + 1024, shape[0])
        rows, _ = places(y, stop, step, shape[0])
        columns, _ = places(0, shape[1], step, shape[1])
        parts.append(np.asarray(read(slice(y, stop), slice(0, shape[1])))[rows, columns, 0])
    return Sampled(np.concatenate(parts), step, shape)


def shown(name: str, sampled: Sampled, unit: str) -> ShownMap | None:
    """The map for the page; None when no sample has a value."""
    values = np.asarray(sampled.values, np.float64)
    known = np.isfinite(values)
    if not known.any():
        return None
    low, high = float(values[known].min()), float(values[known].max())
    dark, bright = (float(v) for v in np.percentile(values[known], (0.5, 99.5)))
    if name == "confidence":
        dark, bright = 0.0, 1.0
    if bright <= dark:
        bright = dark + 1.0
    span = high - low if high > low else 1.0
    steps = np.zeros(values.shape, "<u2")
    steps[known] = 1 + np.rint((values[known] - low) / span * (LEVELS)).astype(np.int64)
    data = base64.b64encode(steps.tobytes()).decode("ascii")
    return ShownMap(name, SHOWN[name], unit, low, low + span, dark, bright, data)


def surface(sampled: Sampled, found: ShownMap, *, smooth: bool) -> dict[str, Any]:
    """Heights for the view in three dimensions, at most `POINTS` a side, as steps of the map `found`.

    With `smooth`, medians of 5 x 5, twice: a map of whole frames is rough where nothing is sharp.
    """
    import cv2

    step = step_for((sampled.values.shape[0], sampled.values.shape[1]), POINTS)
    values = np.ascontiguousarray(sampled.values[step // 2 :: step, step // 2 :: step], np.float32)
    values = values if values.size else np.ascontiguousarray(sampled.values[:1, :1], np.float32)
    known = np.isfinite(values)
    filled = np.where(known, values, np.float32(found.low))
    if smooth and min(values.shape) > 5:
        filled = cv2.medianBlur(cv2.medianBlur(filled, 5), 5)
    steps = 1 + np.rint((filled.astype(np.float64) - found.low) / (found.high - found.low) * LEVELS)
    data = np.where(known, np.clip(steps, 1, LEVELS + 1), 0).astype("<u2")
    return {"shape": list(data.shape), "data": base64.b64encode(data.tobytes()).decode("ascii")}


def mask_bits(sampled: Sampled, *, negate: bool = False) -> tuple[str, float]:
    """A mask as bytes of 0 and 1, base64, and the share of its samples that is set."""
    mask = np.asarray(sampled.values) > 0
    mask = ~mask if negate else mask
    return base64.b64encode(mask.astype(np.uint8).tobytes()).decode("ascii"), float(mask.mean())

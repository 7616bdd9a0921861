"""NGFF metadata: axes, scales and translations of every level, and how channels are shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from bigstack.io.ome_facts import hex_colour
from bigstack.io.writers.file_sink import software
from bigstack.io.writers.spec import PIXEL_UNITS, AnySpec, StackSpec, colour_of

RGB = ("FF0000", "00FF00", "0000FF")
PALETTE = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF", "FFFFFF")
"""Colours of channels that are not red, green and blue: neighbours told apart, also when added."""
DOWNSAMPLING = "mean of 2 x 2 pixels in y and x, integers rounded half up, NaN left out"


def axes_of(spec: AnySpec) -> tuple[str, ...]:
    """Names of the stored axes: NGFF wants channels first."""
    return ("c", "z", "y", "x") if isinstance(spec, StackSpec) else ("c", "y", "x")


def image_attributes(
    spec: AnySpec,
    *,
    version: str,
    name: str,
    levels: Sequence[str],
    windows: Sequence[dict[str, float]],
    run: Any,
    tiles: dict[str, int],
) -> dict[str, Any]:
    """Attributes of the group that make its arrays, named `levels`, an OME-Zarr image of NGFF `version`."""
    multiscale: dict[str, Any] = {
        "name": name,
        "axes": _axes(spec),
        "datasets": [_dataset(spec, level, path) for level, path in enumerate(levels)],
        "type": "mean",
        "metadata": {"description": DOWNSAMPLING, "method": software()},
    }
    omero: dict[str, Any] = {
        "name": name,
        "channels": _channels(spec, windows),
        "rdefs": {"model": "greyscale" if spec.shape[-1] == 1 else "color"},
    }
    own = {"bigstack": {**_own(spec, run), "tiles": tiles}}
    if version == "0.4":
        return {
            "multiscales": [{"version": version, **multiscale}],
            "omero": {"version": version, **omero},
            **own,
        }
    return {"ome": {"version": version, "multiscales": [multiscale], "omero": omero}, **own}


def _axes(spec: AnySpec) -> list[dict[str, str]]:
    size = spec.pixel_size
    axes = []
    for name in axes_of(spec):
        axis = {"name": name, "type": "channel" if name == "c" else "space"}
        known = size is not None and name != "c" and getattr(size, name) is not None
        if known and size is not None and size.unit not in PIXEL_UNITS:
            axis["unit"] = size.unit
        axes.append(axis)
    return axes


def _dataset(spec: AnySpec, level: int, path: str) -> dict[str, Any]:
    """Path, scale and translation of a level: its first pixel's centre lies between those it is made of."""
    size = spec.pixel_size
    y, x = (size.y, size.x) if size is not None else (1.0, 1.0)
    factor, shift = 2**level, (2**level - 1) / 2
    scale, translation = [1.0, factor * y, factor * x], [0.0, shift * y, shift * x]
    if isinstance(spec, StackSpec):
        scale.insert(1, size.z if size is not None and size.z is not None else 1.0)
        translation.insert(1, _first_z(spec))
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(translation):
        transforms.append({"type": "translation", "translation": translation})
    return {"path": path, "coordinateTransformations": transforms}


def _first_z(spec: StackSpec) -> float:
    known = spec.pixel_size is not None and spec.pixel_size.z is not None
    return spec.z_positions[0] if known and spec.z_positions else 0.0


def _channels(spec: AnySpec, windows: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
    count = spec.shape[-1]
    colour = colour_of(spec)
    names: tuple[str, ...]
    colours: tuple[str, ...]
    if colour in ("rgb", "rgb+alpha"):
        names, colours = ("red", "green", "blue", "alpha")[:count], (*RGB, "FFFFFF")
    elif count == 1:
        names, colours = ("grey",), ("FFFFFF",)
    else:
        names = tuple(f"channel {i}" for i in range(count))
        colours = tuple(PALETTE[i % len(PALETTE)] for i in range(count))
    facts = json.loads(spec.ome).get("channels", {}) if spec.ome else {}
    return [
        {
            "label": label,
            "color": hex_colour(facts.get(label, {})) or colours[i],
            "active": not (colour.endswith("alpha") and i == count - 1),
            "family": "linear",
            "coefficient": 1,
            "inverted": False,
            "window": windows[i],
        }
        for i, label in enumerate(spec.channels or names)
    ]


def display_windows(spec: AnySpec, samples: Sequence[np.ndarray]) -> list[dict[str, float]]:
    """Range of values and range to show for every channel, from some of its pixels.

    8-bit is shown as it is; else from the 0.1st to the 99.9th percentile, colour from 0 and alike in all
    three channels, so that it keeps its tint.
    """
    dtype = np.dtype(spec.dtype)
    windows = [_window(dtype, values[np.isfinite(values)]) for values in samples]
    if dtype == np.uint8 or not colour_of(spec).startswith("rgb"):
        return windows
    start, end = min(0.0, *(w["start"] for w in windows[:3])), max(w["end"] for w in windows[:3])
    return [{**w, "start": start, "end": end} if i < 3 else w for i, w in enumerate(windows)]


def _window(dtype: np.dtype, values: np.ndarray) -> dict[str, float]:
    if dtype.kind in "iu":
        low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    else:
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        high = max(high, low + 1e-6 * max(1.0, abs(low)))
    if dtype == np.uint8 or not values.size:
        return {"min": low, "max": high, "start": low, "end": high}
    start, end = (float(v) for v in np.percentile(values, (0.1, 99.9)))
    return {"min": low, "max": high, "start": start, "end": end if end > start else high}


def _own(spec: AnySpec, run: Any) -> dict[str, Any]:
    """What NGFF has no place for."""
    own: dict[str, Any] = {"software": software()}
    for name in ("icc_profile", "exif", "xmp"):
        value = getattr(spec, name)
        if value:
            own[name] = base64.b64encode(value).decode()
    if spec.ome:
        own["ome"] = json.loads(spec.ome)
    if spec.description:
        own["description"] = spec.description
    if isinstance(spec, StackSpec) and spec.z_positions:
        own["z"] = list(spec.z_positions)
    if run is not None:
        own["run"] = run
    return own

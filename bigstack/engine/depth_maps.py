"""Depth in frames, as tiles give it, as maps in the units of a stack's z."""

from __future__ import annotations

from collections.abc import Callable

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.io.source import Source
from bigstack.kernels.depth.estimate import luma_noise
from bigstack.kernels.depth.refined import lumas_of
from bigstack.kernels.depth.units import depth_at, deviation_at


def frame_positions(stack: xr.DataArray) -> np.ndarray:
    """Z of each frame; its number where the stack does not tell."""
    z = stack.coords["z"].values if "z" in stack.coords else np.arange(stack.sizes["z"])
    return np.asarray(z, np.float64)


def depth_unit(stack: xr.DataArray) -> str:
    """What z is in: the coordinate's own unit, else the stack's; frames where neither is a length.

    Examples
    --------
    >>> depth_unit(xr.DataArray(np.zeros((2, 1)), dims=("z", "y"), attrs={"units": "pixel"}))
    'frame'
    """
    own = stack.coords["z"].attrs.get("units") if "z" in stack.coords else None
    unit = str(own or stack.attrs.get("units") or "frame")
    return "frame" if unit.startswith(("pixel", "frame")) else unit


def depth_maps(stack: xr.DataArray, arrays: dict[str, da.Array]) -> dict[str, xr.DataArray]:
    """Name, scale and label what `DepthBlocks` gives: its maps but the image."""
    z = frame_positions(stack)
    position = arrays["position"]
    data = {
        "depth": da.map_blocks(depth_at, position, z, dtype=np.float32),
        "index": arrays["index"],
        "confidence": arrays["confidence"],
        "sigma": da.map_blocks(deviation_at, arrays["deviation"], position, z, dtype=np.float32),
        "valid": arrays["valid"],
        "unobserved": arrays["unobserved"],
    }
    unit = depth_unit(stack)
    units = {"depth": unit, "sigma": unit, "index": "frame"}
    kept = {name: stack.attrs[name] for name in ("pixel_size", "units") if name in stack.attrs}
    flat = {name: stack.coords[name] for name in ("y", "x") if name in stack.coords}
    label = _labeller(flat, kept)
    return {name: label(values, units.get(name)) for name, values in data.items()}


def _labeller(
    flat: dict[str, xr.DataArray], kept: dict[str, object]
) -> Callable[[da.Array, str | None], xr.DataArray]:
    def label(values: da.Array, unit: str | None) -> xr.DataArray:
        attrs = kept if unit is None else {**kept, "unit": unit}
        return xr.DataArray(values, dims=("y", "x"), coords=flat, attrs=attrs)

    return label


_SIDE, _FRAMES = 512, 8  # of what noise is found from


def noise_of_middle(source: Source, channels: tuple[int, ...], noise: float | None) -> float:
    """Standard deviation of the luma's noise, from the middle of some frames where it is not given."""
    count, height, width, colours = source.shape
    if noise is not None:
        return luma_noise(np.zeros((0, 0, 0), np.float32), source.dtype, colours, noise)
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    middle = slice(top, min(height, top + _SIDE)), slice(left, min(width, left + _SIDE))
    chosen = sorted({int(z) for z in np.linspace(0, count - 1, min(count, _FRAMES)).round()})
    frames = np.stack([source.read(z, *middle) for z in chosen])
    return luma_noise(lumas_of(frames, channels), source.dtype, colours, None)


def pixel_noise(source: Source, channels: tuple[int, ...]) -> float:
    """Standard deviation of a pixel's noise, from the middle of some frames."""
    return noise_of_middle(source, channels, None) / noise_of_middle(source, channels, 1.0)


def fused_dataset(stack: xr.DataArray, arrays: dict[str, da.Array]) -> xr.Dataset:
    """Name, scale and label what a fusion method gives: image, index, depth, maps of the depth."""
    attrs = {name: value for name, value in stack.attrs.items() if name not in ("audit", "files")}
    flat = {name: stack.coords[name] for name in ("y", "x") if name in stack.coords}
    colour = {"channel": stack.coords["channel"]} if "channel" in stack.coords else {}
    found = {
        "image": xr.DataArray(
            arrays["image"], dims=("y", "x", "channel"), coords={**flat, **colour}, attrs=attrs
        )
    }
    if "position" in arrays:
        found |= depth_maps(stack, arrays)
    elif "index" in arrays:
        plain = {name: attrs[name] for name in ("pixel_size", "units") if name in attrs}
        index = xr.DataArray(arrays["index"], dims=("y", "x"), coords=flat, attrs={**plain, "unit": "frame"})
        z = frame_positions(stack).astype(np.float32)
        depth = index.data.map_blocks(_look_up, z, dtype=np.float32)
        found["index"] = index
        found["depth"] = xr.DataArray(
            depth, dims=("y", "x"), coords=flat, attrs={**plain, "unit": depth_unit(stack)}
        )
    return xr.Dataset(found, attrs=attrs)


def _look_up(index: np.ndarray, z: np.ndarray) -> np.ndarray:
    return z[index]

"""Bunches: a deep stack fused in slabs, which are a smaller stack that can be fused again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine.bunched import bunch_spans
from bigstack.engine.layout import Layout
from bigstack.engine.plan import DEFAULT_LIMIT
from bigstack.engine.sources import as_source
from bigstack.engine.stacks import check_stack
from bigstack.fusion import fuse, fuse_by
from bigstack.io.lazy import lazy_array
from bigstack.io.select import select_frames
from bigstack.io.source import Source
from bigstack.names import FusionMethod


def bunch(
    stack: xr.DataArray,
    *,
    frames: int = 10,
    overlap: int = 0,
    method: FusionMethod = "pyramid",
    focus_channel: str | int | list[str | int] | None = None,
    memory_limit: int | str = DEFAULT_LIMIT,
    **options: Any,
) -> xr.DataArray:
    """Fuse a stack in bunches of neighbouring frames, lazily.

    What is retouched by hand, or fused again, is then a stack of a few images, each sharp over a slab. The
    bunch images are those that `bigstack.fuse` gives for the frames of each bunch.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    frames
        Frames of a bunch; the last one may have fewer.
    overlap
        Frames that a bunch has in common with the one before.
    method, focus_channel, options
        As of `bigstack.fuse`.
    memory_limit
        Memory of one process, bytes or a text such as ``"2GB"``.

    Returns
    -------
    DataArray
        Stack (z, y, x, channel) of the bunch images, in the dtype of the frames. z is the mean of the
        bunch's; coordinates `first` and `last` (z) are the numbers of its frames. Compute, persist or write
        it before it is fused again, or every tile of that is fused from the frames anew; `bigstack.Job` and
        ``bigstack bunch`` write it in one pass.

    Raises
    ------
    InputError
        For bunches that do not get on, or options that `bigstack.fuse` refuses.

    Examples
    --------
    >>> frames = da.zeros((7, 32, 32, 1), dtype="uint8", chunks=(1, 32, 32, 1))
    >>> stack = xr.DataArray(frames, dims=("z", "y", "x", "channel"))
    >>> bunches = bunch(stack, frames=3, overlap=1)
    >>> bunches.shape, bunches["first"].values.tolist()
    ((3, 32, 32, 1), [0, 2, 4])
    """
    check_stack(stack, indexed=False)
    spans = bunch_spans(stack.sizes["z"], frames, overlap)
    how: dict[str, Any] = {"method": method, "focus_channel": focus_channel, **options}
    source = source_of(stack)
    images = [
        fuse(frames_of(stack, source, span), memory_limit=memory_limit, **how).image.data for span in spans
    ]
    return bunch_stack(stack, spans, da.stack(images))


def source_of(stack: xr.DataArray) -> Source:
    """What the frames are read from."""
    return as_source(stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data))


def frames_of(stack: xr.DataArray, source: Source, span: range) -> xr.DataArray:
    """Some frames of the stack as a stack that reads from `source`, the same or another form of its own."""
    part = stack.isel(z=slice(span.start, span.stop))
    return part.copy(data=lazy_array(select_frames(source, list(span))))


def bunch_stack(stack: xr.DataArray, spans: Sequence[range], images: da.Array) -> xr.DataArray:
    """Name and label bunch images (z, y, x, channel)."""
    z = stack.coords["z"] if "z" in stack.coords else xr.DataArray(np.arange(stack.sizes["z"]), dims="z")
    kept = {name: stack.coords[name] for name in ("y", "x", "channel") if name in stack.coords}
    coords = {
        "z": ("z", [float(z.values[span.start : span.stop].mean()) for span in spans], z.attrs),
        "first": ("z", [span.start for span in spans]),
        "last": ("z", [span.stop - 1 for span in spans]),
        **kept,
    }
    attrs = {name: value for name, value in stack.attrs.items() if name not in ("files", "audit")}
    return xr.DataArray(images, dims=stack.dims, coords=coords, name="bunches", attrs=attrs)


def fuse_bunch(stack: xr.DataArray, source: Source, span: range, layout: Layout, **how: Any) -> da.Array:
    """One bunch image (y, x, channel), in tiles that `layout` gives."""
    return fuse_by(frames_of(stack, source, span), layout, **how).image.data

"""Arguments that the corrections share: stacks, frames, one number a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.highlevelgraph import MaterializedLayer

from bigstack.engine.corrected import CorrectedSource
from bigstack.engine.sources import ArraySource, as_source
from bigstack.errors import InputError
from bigstack.geometry.correction import Correction
from bigstack.io.lazy import lazy_array
from bigstack.io.source import Source
from bigstack.names import STACK_DIMS

ENOUGH_PIXELS = 1 << 19
"""Pixels of a frame that brightness is measured on at least, where there are as many: more change no digit
that counts, as all frames are measured at the same places."""


def apply_correction(stack: xr.DataArray, correction: Correction) -> xr.DataArray:
    """Apply any correction lazily, as one of the estimates or its JSON gave it.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    correction
        A `Balance`, `Vignetting`, `HotPixels` or `Denoise` of `bigstack.geometry.correction`.

    Returns
    -------
    DataArray
        The corrected stack (z, y, x, channel), lazy, with dtype, coordinates and attributes of `stack`.

    Raises
    ------
    InputError
        When it is no stack, or the correction is of other frames than these.

    Examples
    --------
    >>> import dask.array as da
    >>> import xarray as xr
    >>> from bigstack.geometry.correction import Denoise
    >>> stack = xr.DataArray(da.full((1, 9, 9, 1), 50, dtype="uint8"), dims=("z", "y", "x", "channel"))
    >>> apply_correction(stack, Denoise((3.0,))).dtype
    dtype('uint8')
    """
    source = source_of_stack(stack)
    array = stack.data
    tile = int(max(array.chunksize[1:3])) if isinstance(array, da.Array) else max(source.chunks)
    return stack.copy(data=lazy_array(CorrectedSource(source, correction), tile=tile))


def source_of_stack(stack: xr.DataArray) -> Source:
    """What the stack is read from; anything but a stack is refused."""
    if not isinstance(stack, xr.DataArray) or stack.dims != STACK_DIMS:
        found = getattr(stack, "dims", type(stack).__name__)
        raise InputError(f"a stack is a DataArray with dims {STACK_DIMS}, got {found}")
    array = stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data)
    source = as_source(array)
    if isinstance(source, ArraySource) and _on_cluster(array):
        raise InputError(
            "this stack is persisted on a cluster, where regions of it cannot be read one by one; correct "
            "the stack before persisting it: corrections are applied as it is read"
        )
    return source


def _on_cluster(array: da.Array) -> bool:
    """True when blocks of the array, or of what it is made from, are futures."""
    layers = getattr(array.dask, "layers", {}).values()
    held = (layer for layer in layers if isinstance(layer, dict | MaterializedLayer))
    return any(type(value).__name__ == "Future" for layer in held for value in layer.values())


def expect(value: Any, kind: type[Correction]) -> Any:
    """Return `value`, refused when it is not of `kind`."""
    if not isinstance(value, kind):
        raise InputError(f"expected a {kind.__name__}, got {type(value).__name__} {value!r:.60}")
    return value


def frame_number(number: int, frames: int) -> int:
    """Number of a frame counted from the first; negative ones are counted from the end."""
    if not -frames <= number < frames:
        raise InputError(f"frame {number} is not in the stack of {frames} frames (0 to {frames - 1})")
    return number % frames


def step_of(subsample: int | None, source: Source) -> int:
    """Every how many rows and columns are measured."""
    if subsample is None:
        return max(1, int((source.shape[1] * source.shape[2] / ENOUGH_PIXELS) ** 0.5))
    if subsample < 1:
        raise InputError(f"subsample must be at least 1, got {subsample!r}")
    return int(subsample)


def spread_frames(frames: int, most: int) -> list[int]:
    """At most `most` frame numbers, evenly spread, the first and the last among them."""
    return sorted({int(z) for z in np.linspace(0, frames - 1, min(frames, most)).round()})


def per_channel(value: float | Sequence[float], channels: int, name: str) -> tuple[float, ...]:
    """One number a channel from one for all, or one each."""
    numbers = (float(value),) * channels if np.ndim(value) == 0 else tuple(float(v) for v in value)  # type: ignore[arg-type, union-attr]
    if len(numbers) != channels or not all(0 <= number < float("inf") for number in numbers):
        raise InputError(
            f"{name} takes one number of at least 0, or one a channel ({channels}), got {value!r}"
        )
    return numbers

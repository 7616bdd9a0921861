"""What every operation asks of a stack."""

from __future__ import annotations

import xarray as xr

from bigstack.errors import InputError
from bigstack.names import STACK_DIMS

MOST_FRAMES = 2**16
"""Frames that an index of uint16 can tell apart."""


def check_stack(stack: xr.DataArray, *, indexed: bool = True) -> None:
    """Refuse what is no stack, or has more frames than an index counts."""
    if not isinstance(stack, xr.DataArray) or stack.dims != STACK_DIMS:
        found = getattr(stack, "dims", type(stack).__name__)
        raise InputError(f"a stack is a DataArray with dims {STACK_DIMS}, got {found}")
    if indexed and stack.sizes["z"] > MOST_FRAMES:
        raise InputError(f"{stack.sizes['z']} frames are more than the index can count, {MOST_FRAMES}")

"""Channels of a stack by name or number."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from bigstack.errors import choose

Channels = str | int | Sequence[str | int] | None
"""One channel or several, by name or number; None for all."""


def channel_numbers(stack: xr.DataArray, wanted: Channels, what: str = "focus channel") -> tuple[int, ...]:
    """Numbers of the wanted channels, none for all; an unknown `what` is refused with the names there are.

    Examples
    --------
    >>> import numpy as np
    >>> stack = xr.DataArray(np.zeros((1, 2, 2, 2)), dims=("z", "y", "x", "channel"))
    >>> channel_numbers(stack.assign_coords(channel=["DAPI", "GFP"]), "GFP")
    (1,)
    """
    if wanted is None:
        return ()
    count = stack.sizes["channel"]
    names = [str(name) for name in stack.coords["channel"].values] if "channel" in stack.coords else []
    numbers = []
    for want in [wanted] if isinstance(wanted, str | int) else wanted:
        if str(want) in names:
            numbers.append(names.index(str(want)))
        elif str(want).isdigit() and int(want) < count:
            numbers.append(int(want))
        else:
            choose(str(want), names or [str(i) for i in range(count)], what)
    return tuple(numbers)

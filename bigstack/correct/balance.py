"""Balance: frames of equal brightness and tint."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from bigstack.correct.stacks import apply_correction, expect, frame_number, source_of_stack, step_of
from bigstack.engine.photometry import LightProbe, over_frames, value_range
from bigstack.errors import InputError, choose
from bigstack.geometry.correction import CURVES, Balance, Curve, Space
from bigstack.io.source import Source
from bigstack.kernels.correction.balance import space_of
from bigstack.kernels.correction.light import Level, solve_curves

Reference = int | Literal["first", "middle", "last", "global"]


def estimate_balance(
    stack: xr.DataArray,
    *,
    space: Space = "rgb",
    curve: Curve = "linear",
    reference: Reference = "middle",
    mask_size: float | None = None,
    intensity: tuple[float, float] | None = None,
    subsample: int | None = None,
) -> Balance:
    """Find the curves that give all frames the brightness, and the tint, of a reference.

    Reads every frame once (float stacks twice), in bounded memory.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    space
        What is balanced: ``"lumi"``, luminance, one curve for all channels; ``"rgb"``, each channel by
        itself, any number of them; ``"hsv"``, saturation and value; ``"hls"``, lightness and saturation;
        ``"lab"``, lightness and both colour axes.
    curve
        ``"linear"``: a factor that makes the means equal, saturated pixels allowed for; ``"gamma"``: the
        exponent g for which the mean of ``top (v / top) ** (1 / g)`` is the reference's, 0.1 to 5;
        ``"match_hist"``: the curve that makes the histograms equal.
    reference
        The frame that stays as it is: a number (negative: from the end), ``"first"``, ``"middle"`` or
        ``"last"``. ``"global"`` solves for all frames together: factors from the ratios of image blocks in
        frames near and far (`flicker_gains`), so that content that changes from frame to frame does not
        pass for flicker; with ``"match_hist"`` the reference is the median of all frames' histograms, rank
        by rank.
    mask_size
        Measure only inside the centred disc of this diameter, as a share of the shorter side.
    intensity
        Measure only values from the first to the second, in the stack's unit, in every level of the space
        (scaled to the level's own range).
    subsample
        Measure every how many rows and columns; by default so that half a million to two
        million pixels a frame count.

    Returns
    -------
    Balance
        Curves a frame and level, for `correct_balance`.

    Raises
    ------
    InputError
        For a frame that no such curve brings to the reference, or one without a pixel to measure.

    Notes
    -----
    The factors are shinestacker's where nothing is clipped. Where something is, the mean after clipping is
    what is made equal; the gamma of luminance makes the mean luminance of the bent channels equal, not the
    mean of bent luminance; S, V and L are not rounded to 8 bits; results are rounded, not truncated.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import xarray as xr
    >>> frames = np.full((2, 8, 8, 1), [[[[100]]], [[[125]]]], np.uint8)
    >>> stack = xr.DataArray(da.from_array(frames), dims=("z", "y", "x", "channel"))
    >>> estimate_balance(stack, reference=0).curves
    (((1.0,),), ((0.8,),))
    """
    source = source_of_stack(stack)
    entry = space_of(space, source.shape[3])
    choose(curve, CURVES, "balance curve")
    chosen = _reference(reference, source.shape[0])
    probe = LightProbe(
        space,
        value_range(source),
        mask_size=_mask_size(mask_size),
        intensity=_window(intensity),
        step=step_of(subsample, source),
    )
    light = over_frames(probe, source, range(source.shape[0]))
    names = entry.names or tuple(f"channel {c}" for c in range(source.shape[3]))
    levels = [
        Level(name, full or probe.limits[2], full or _clip(source))
        for name, full in zip(names, entry.scales(source.shape[3]), strict=True)
    ]
    curves = solve_curves(light, levels, curve, chosen)
    return Balance(space, curve, probe.limits[2], chosen, curves)


def correct_balance(stack: xr.DataArray, balance: Balance) -> xr.DataArray:
    """Apply a balance, lazily; dtype and coordinates are kept, integers rounded and clipped to their range.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    balance
        What `estimate_balance` gave: curves of every frame.

    Returns
    -------
    DataArray
        The balanced stack (z, y, x, channel), lazy.

    Raises
    ------
    InputError
        When it was made for another number of frames or channels.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import xarray as xr
    >>> frames = np.full((2, 8, 8, 1), [[[[100]]], [[[125]]]], np.uint8)
    >>> stack = xr.DataArray(da.from_array(frames), dims=("z", "y", "x", "channel"))
    >>> int(correct_balance(stack, estimate_balance(stack, reference=0))[1].max())
    100
    """
    return apply_correction(stack, expect(balance, Balance))


def _reference(reference: Reference, frames: int) -> int | None:
    if isinstance(reference, int | np.integer):
        return frame_number(int(reference), frames)
    choose(reference, ["first", "middle", "last", "global"], "reference")
    return {"first": 0, "middle": frames // 2, "last": frames - 1, "global": None}[reference]


def _clip(source: Source) -> float | None:
    """What values of the stack are clipped to; floats are not."""
    return None if source.dtype.kind == "f" else float(np.iinfo(source.dtype).max)


def _mask_size(mask_size: float | None) -> float | None:
    if mask_size is not None and not mask_size > 0:
        raise InputError(f"mask_size is a share of the shorter side, above 0, got {mask_size!r}")
    return mask_size


def _window(intensity: tuple[float, float] | None) -> tuple[float, float] | None:
    if intensity is None:
        return None
    if len(intensity) != 2 or not intensity[0] < intensity[1]:
        raise InputError(f"intensity is a pair (lowest, highest), got {intensity!r}")
    return float(intensity[0]), float(intensity[1])

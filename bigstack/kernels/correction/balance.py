"""Balance: the colour spaces it works in, and its application to a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.errors import InputError, choose
from bigstack.kernels.correction import hls, hsv, lab, lumi, rgb
from bigstack.kernels.correction.curves import table

Parameters = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """What balance has to know of a space.

    Attributes
    ----------
    names
        Of its levels; empty when they are the stack's own channels.
    levels
        ``levels(pixels, top)``: the levels of pixels (y, x, channel), each (y, x).
    scales
        ``scales(channels)``: full scale of each level, None where it is the stack's own.
    apply
        ``apply(pixels, curve, parameters, top)``: float32 pixels with each level through its curve.
    by_table
        True when every channel depends on itself alone, so that integers can go through a table.
    """

    name: str
    names: tuple[str, ...]
    levels: Callable[[np.ndarray, float], list[np.ndarray]]
    scales: Callable[[int], tuple[float | None, ...]]
    apply: Callable[[np.ndarray, str, Parameters, float], np.ndarray]
    by_table: bool = False


SPACES: dict[str, ColourSpace] = {
    space.name: space
    for space in (
        ColourSpace("lumi", ("luminance",), lumi.lumi_levels, lumi.lumi_scales, lumi.lumi_apply, True),
        ColourSpace("rgb", (), rgb.rgb_levels, rgb.rgb_scales, rgb.rgb_apply, True),
        ColourSpace("hsv", ("saturation", "value"), hsv.hsv_levels, hsv.hsv_scales, hsv.hsv_apply),
        ColourSpace("hls", ("lightness", "saturation"), hls.hls_levels, hls.hls_scales, hls.hls_apply),
        ColourSpace("lab", ("L", "a", "b"), lab.lab_levels, lab.lab_scales, lab.lab_apply),
    )
}
"""Every space by name."""


def space_of(name: str, channels: int) -> ColourSpace:
    """Return the space, or say that the stack's channels don't fit it.

    Examples
    --------
    >>> space_of("hsv", 3).names
    ('saturation', 'value')
    """
    space = SPACES[choose(name, SPACES, "balance space")]
    if space.names and name != "lumi" and channels != 3:
        raise InputError(
            f"balance in {name} needs 3 channels (R, G, B), the stack has {channels}; use 'lumi' or 'rgb'"
        )
    return space


def balance(
    pixels: np.ndarray,
    space: str,
    curve: str,
    parameters: Parameters,
    top: float,
    table: np.ndarray | None = None,
) -> np.ndarray:
    """Put a frame's pixels (y, x, channel) of uint8, uint16 or float32 through its curves; dtype is kept.

    Integers are rounded and clipped to their range, floats are not. Every pixel depends on itself alone.
    Curves that change nothing, those of the reference frame, give back `pixels` itself.
    `table` is what `balance_table` gives, for those who call this more than once a frame.

    Examples
    --------
    >>> grey = np.full((1, 2, 1), 100, np.uint8)
    >>> balance(grey, "lumi", "linear", ((1.2,),), 255)[..., 0].tolist()
    [[120, 120]]
    """
    if _does_nothing(curve, parameters):
        return pixels
    if table is None:
        table = balance_table(pixels.dtype, space, curve, parameters)
    if table is not None:
        return cv2.LUT(np.ascontiguousarray(pixels), table).reshape(pixels.shape)
    result = SPACES[space].apply(pixels.astype(np.float32, copy=False), curve, parameters, top)
    return restore(result, pixels.dtype)


def balance_table(dtype: np.dtype, space: str, curve: str, parameters: Parameters) -> np.ndarray | None:
    """What each value of an integer dtype becomes, (1, values, curves); None where pixels need more."""
    if not SPACES[space].by_table or dtype.kind == "f":
        return None
    return np.stack([table(dtype, curve, own) for own in parameters], axis=-1)[None]


def _does_nothing(curve: str, parameters: Parameters) -> bool:
    if curve == "match_hist":
        return all(own[: len(own) // 2] == own[len(own) // 2 :] for own in parameters)
    return all(own == (1.0,) for own in parameters)


def restore(result: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float32 results in the dtype of the stack: integers rounded and clipped to their range."""
    if dtype.kind == "f":
        return result.astype(dtype, copy=False)
    np.rint(result, out=result)
    return np.clip(result, 0, np.iinfo(dtype).max, out=result).astype(dtype)

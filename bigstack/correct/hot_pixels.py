"""Hot pixels: found in the whole stack, filled from their good neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bigstack.correct.noise import estimate_noise_sigma
from bigstack.correct.stacks import apply_correction, expect, per_channel, source_of_stack, spread_frames
from bigstack.engine.photometry import BlurProbe, SpikeProbe, bands, over_tiles
from bigstack.errors import InputError
from bigstack.geometry.correction import Fill, HotPixels

HOT_FRAMES = 64
MOST_HOT = 0.01


def estimate_hot_pixels(
    stack: xr.DataArray,
    *,
    thresholds: float | Sequence[float] | None = None,
    sigmas: float = 6.0,
    share: float = 0.9,
    fill: Fill = "mean",
    max_frames: int = HOT_FRAMES,
) -> HotPixels:
    """Find the sensor's hot and dead pixels.

    Use the frames as they come from the camera: once they are aligned, hot pixels move.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    thresholds
        A pixel is hot where the mean of the frames differs by more than this (one number, or one a
        channel, in the stack's unit; 13 is usual for 8 bit) from its own 5x5 Gaussian. That marks the
        neighbours of very hot pixels as well. When not given, the noise decides: hot is what stands
        out, in at least a `share` of the frames, of the median of its 5x5 surroundings by more than
        `sigmas` times the noise plus the change of that median from pixel to pixel. The scene's own
        detail does not pass, as it is sharp in few frames only.
    sigmas, share
        Of the automatic rule.
    fill
        What `correct_hot_pixels` puts there: the mean or the median of the good neighbours.
    max_frames
        Use at most so many frames, evenly spread.

    Returns
    -------
    HotPixels
        Positions, for `correct_hot_pixels` and `bigstack.io.masks.write_masks`.

    Raises
    ------
    InputError
        When more than 1 % of all values would be hot: the thresholds are too low.

    Notes
    -----
    With `thresholds` it is shinestacker's rule, on the exact mean. What differs is the correction: a pixel is
    replaced in the channels where it is hot, and by good neighbours only.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import xarray as xr
    >>> frames = np.full((3, 9, 9, 1), 20, np.uint8)
    >>> frames[:, 4, 5] = 200
    >>> stack = xr.DataArray(da.from_array(frames), dims=("z", "y", "x", "channel"))
    >>> estimate_hot_pixels(stack).positions
    ((4, 5, 0),)
    """
    source = source_of_stack(stack)
    if max_frames < 1:
        raise InputError(f"max_frames must be at least 1, got {max_frames!r}")
    frames = spread_frames(source.shape[0], max_frames)
    probe: BlurProbe | SpikeProbe
    if thresholds is not None:
        limits = per_channel(thresholds, source.shape[3], "thresholds")
        probe = BlurProbe(frames, limits)
    else:
        if not (0 < share <= 1 and sigmas > 0):
            raise InputError(
                f"share must be above 0 up to 1 and sigmas positive, got {share!r} and {sigmas!r}"
            )
        # One grey level of an integer is within rounding.
        step = 0.0 if source.dtype.kind == "f" else 1.0
        limits = tuple(max(sigmas * sigma, step) for sigma in estimate_noise_sigma(stack))
        probe = SpikeProbe(frames, limits, share)
    tiles = bands(source, 8 * source.shape[3])
    found = np.concatenate(over_tiles(probe, source, tiles))
    size = int(np.prod(source.shape[1:]))
    if len(found) > max(MOST_HOT * size, 8):
        raise InputError(
            f"{len(found)} of {size} values would be hot pixels, more than 1 %: thresholds "
            f"{', '.join(f'{limit:.4g}' for limit in limits)} are too low"
        )
    positions = tuple((int(y), int(x), int(c)) for y, x, c in found)
    return HotPixels(source.shape[1:], positions, fill, limits)


def correct_hot_pixels(stack: xr.DataArray, hot_pixels: HotPixels) -> xr.DataArray:
    """Replace hot pixels, channel by channel, by the mean or median of their 3x3 neighbours that are not hot.

    Lazy; dtype and coordinates are kept. Where a whole 3x3 is hot the window grows until there are good
    pixels in it, to 16 pixels around.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    hot_pixels
        What `estimate_hot_pixels` gave: their places.

    Returns
    -------
    DataArray
        The corrected stack (z, y, x, channel), lazy.

    Raises
    ------
    InputError
        When the frames are of another size, or a hot pixel has no good neighbour.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import xarray as xr
    >>> from bigstack.geometry.correction import HotPixels
    >>> frames = np.full((1, 5, 5, 1), 20, np.uint8)
    >>> frames[:, 2, 2] = 200
    >>> stack = xr.DataArray(da.from_array(frames), dims=("z", "y", "x", "channel"))
    >>> int(correct_hot_pixels(stack, HotPixels((5, 5, 1), ((2, 2, 0),))).max())
    20
    """
    return apply_correction(stack, expect(hot_pixels, HotPixels))

"""Noise: how much there is, and non-local means against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bigstack.correct.stacks import apply_correction, per_channel, source_of_stack, spread_frames
from bigstack.engine.photometry import NoiseProbe, over_frames
from bigstack.geometry.correction import Denoise

NOISE_FRAMES = 16


def estimate_noise_sigma(stack: xr.DataArray) -> tuple[float, ...]:
    """Standard deviation of each channel's noise, in the stack's unit.

    The median over frames, at most 16, of the median response to Immerkaer's mask
    (doi:10.1006/cviu.1996.0060) in up to 64 patches a frame; JPEG hides noise from it, and fine texture that
    fills the frame raises it. 0 where all is black or saturated.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.

    Returns
    -------
    tuple of float
        One number a channel.

    Raises
    ------
    InputError
        When it is no stack.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import xarray as xr
    >>> noisy = np.random.default_rng(0).normal(90, 4, (2, 200, 200, 1)).astype(np.float32)
    >>> stack = xr.DataArray(da.from_array(noisy), dims=("z", "y", "x", "channel"))
    >>> round(estimate_noise_sigma(stack)[0], 1)
    4.0
    """
    source = source_of_stack(stack)
    found = np.array(over_frames(NoiseProbe(), source, spread_frames(source.shape[0], NOISE_FRAMES)))
    return tuple(
        float(np.median(column[np.isfinite(column)])) if np.isfinite(column).any() else 0.0
        for column in found.T
    )


def denoise(
    stack: xr.DataArray,
    *,
    strength: float = 1.0,
    noise: float | Sequence[float] | None = None,
    search: int = 13,
    template: int = 5,
) -> xr.DataArray:
    """Remove noise by non-local means (Buades, Coll and Morel 2011, doi:10.5201/ipol.2011.bcm_nlm), lazily.

    Each pixel becomes the mean of those in its search window whose surroundings look alike, all channels
    judged together. 8 bit, 16 bit and float are treated alike, and dtype and coordinates are kept.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    strength
        1 suits the noise; 0.5 is careful, 0 does nothing.
    noise
        Standard deviation of the noise in the stack's unit, one number or one a channel. By default it is
        estimated, which reads up to 16 frames now.
    search, template
        Sides in pixels, odd, of the window that is searched and of the patches that are compared.

    Returns
    -------
    DataArray
        The denoised stack (z, y, x, channel), lazy.

    Raises
    ------
    InputError
        For even sides, or as many numbers as there are no channels.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import xarray as xr
    >>> noisy = np.random.default_rng(0).normal(90, 4, (1, 64, 64, 1)).astype(np.float32)
    >>> stack = xr.DataArray(da.from_array(noisy), dims=("z", "y", "x", "channel"))
    >>> bool(denoise(stack).std() < 1)
    True
    """
    source = source_of_stack(stack)
    sigmas = estimate_noise_sigma(stack) if noise is None else per_channel(noise, source.shape[3], "noise")
    return apply_correction(stack, Denoise(sigmas, strength, search, template))

"""Vignetting: corners as bright as the centre."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import xarray as xr

from bigstack.correct.stacks import apply_correction, expect, frame_number, source_of_stack, step_of
from bigstack.engine.photometry import FallingProbe, over_frames, value_range
from bigstack.errors import InputError, choose
from bigstack.geometry.correction import FALLOFFS, Falloff, Vignetting
from bigstack.kernels.correction.histogram import BINS
from bigstack.kernels.correction.vignetting import (
    RINGS,
    fit_falloff,
    fit_gradients,
    relative_error,
    ring_radii,
)

GOOD_FIT = 1e-3
"""A fit this close (rings: relative to the centre; gradients: in logarithms) leaves nothing to explain."""

GAIN = {"gradients": 0.996, "rings": 0.5}
"""What a model must bring the unexplained rest down to, to be preferred to one with fewer parameters. A
scene's edges make up most of that rest, so a right model takes little away; found on rendered stacks."""


def estimate_vignetting(
    stack: xr.DataArray,
    *,
    method: Literal["gradients", "rings"] = "gradients",
    frame: int | None = None,
    model: Falloff | Literal["auto"] = "auto",
    rings: int = RINGS,
    max_correction: float = 1.0,
    black_threshold: float = 0.0,
    subsample: int | None = None,
) -> Vignetting:
    """Measure how light falls off towards the corners, and fit a model to it.

    Falloff and a scene that is darker at its edges cannot be told apart for certain. On rendered stacks
    (benchmarks/corrections.py) the largest error of V is 0.001 on plain or evenly textured scenes, and 0.03
    to 0.19 where large areas are bright and dark. A frame of a white wall is best; look at ``radii`` and
    ``intensities`` against the model (`bigstack.report.corrections.plot_vignetting`).

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    method
        ``"gradients"``: the falloff that, divided out, leaves the least contrast between near-by blocks:
        edges of the scene count little, saturated blocks not at all (`fit_gradients`); ``"rings"``: least
        squares on the mean luminance of rings, whatever is in them.
    frame
        Number of the one frame to use; by default the mean of all.
    model
        ``"sigmoid"``, ``i0 / (1 + exp(exp(k (r - r0))))``; ``"cos4"``, the law of a thin lens;
        ``"polynomial"`` in r^2, r^4, r^6; ``"auto"``: cos4 unless another one explains clearly more.
    rings
        Number of rings that are measured.
    max_correction
        Share of the falloff that `correct_vignetting` undoes, 0 to 1.
    black_threshold
        Pixels whose darkest channel is below this, in the stack's unit, are left as they are.
    subsample
        Measure every how many rows and columns; by default so that half a million to two
        million pixels a frame count.

    Returns
    -------
    Vignetting
        The fit and the rings, to look at or for `correct_vignetting`.

    Raises
    ------
    InputError
        For a black stack, an image too small for the rings, or an unknown model.

    Notes
    -----
    ``method="rings", model="sigmoid"`` is shinestacker's fit. Its radii are counted from half a pixel beside
    the centre, it looks at one frame, and it leaves pixels alone that have a channel at 0, which shows as
    dark specks in saturated colours; here that is up to `black_threshold`.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import xarray as xr
    >>> r2 = np.add.outer(np.arange(-50, 51) ** 2, np.arange(-50, 51) ** 2)
    >>> frame = (200 / (1 + 1e-4 * r2) ** 2).astype(np.float32)[None, ..., None]
    >>> stack = xr.DataArray(da.from_array(frame), dims=("z", "y", "x", "channel"))
    >>> estimate_vignetting(stack).model
    'cos4'
    """
    source = source_of_stack(stack)
    if model != "auto":
        choose(model, [*FALLOFFS, "auto"], "vignetting model")
    if rings < 5:
        raise InputError(f"a falloff is fitted to at least 5 rings, got {rings!r}")
    choose(method, ["gradients", "rings"], "vignetting method")
    if not black_threshold >= 0:
        raise InputError(f"black_threshold is a value of pixels from 0 up, got {black_threshold!r}")
    frames = range(source.shape[0]) if frame is None else [frame_number(frame, source.shape[0])]
    limits = value_range(source)
    found = over_frames(FallingProbe(limits, rings, step_of(subsample, source)), source, frames)
    shape = source.shape[1:3]
    means = _means(sum(part.rings for part in found), limits)
    blocks = sum(part.blocks for part in found)
    image = np.where(blocks[2] > 0, np.nan, _means(blocks, limits))
    radii = ring_radii(shape, rings)
    y, x = (_middles(size, FallingProbe.side(source)) for size in shape)

    def fit(name: str) -> tuple[tuple[float, ...], float]:
        if method == "rings":
            return fit_falloff(radii, means, name)
        return fit_gradients(image, y, x, shape, name)

    name, parameters = _choose(model, fit, GAIN[method])
    measured = np.isfinite(means)
    return Vignetting(
        name,
        parameters,
        shape,
        max_correction,
        black_threshold,
        tuple(radii[measured].tolist()),
        tuple(means[measured].tolist()),
        relative_error(radii[measured], means[measured], name, parameters),
    )


def correct_vignetting(stack: xr.DataArray, vignetting: Vignetting) -> xr.DataArray:
    """Divide each frame by the falloff, lazily; dtype and coordinates are kept.

    How much of it, and below which value not at all, is in the value: change them by
    ``dataclasses.replace(vignetting, max_correction=0.5)``.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    vignetting
        What `estimate_vignetting` gave.

    Returns
    -------
    DataArray
        The corrected stack (z, y, x, channel), lazy.

    Raises
    ------
    InputError
        When it was measured on frames of another size.

    Examples
    --------
    >>> import dask.array as da
    >>> import xarray as xr
    >>> from bigstack.geometry.correction import Vignetting
    >>> stack = xr.DataArray(da.full((1, 9, 9, 1), 50, dtype="uint8"), dims=("z", "y", "x", "channel"))
    >>> corners = correct_vignetting(stack, Vignetting("cos4", (1.0, 0.01), (9, 9)))
    >>> corners[0, :5, 4, 0].values.tolist()
    [67, 59, 54, 51, 50]
    """
    return apply_correction(stack, expect(vignetting, Vignetting))


def _choose(
    model: str, fit: Callable[[str], tuple[tuple[float, ...], float]], gain: float
) -> tuple[str, tuple[float, ...]]:
    """The model that was asked for or, of all, the simplest that no other one clearly beats."""
    if model != "auto":
        return model, fit(model)[0]
    name, (parameters, cost) = "cos4", fit("cos4")
    for other in ("sigmoid", "polynomial"):
        trial, left = fit(other)
        if left < gain * cost and cost > GOOD_FIT:
            name, parameters, cost = other, trial, left
    return name, parameters


def _means(sums: np.ndarray, limits: tuple[float, float, float]) -> np.ndarray:
    """Mean luminance from sums and numbers; NaN where nothing was counted."""
    low, high, _ = limits
    means = np.full(sums.shape[1:], np.nan)
    np.divide(sums[0], sums[1], out=means, where=sums[1] > 0)
    return low + means * ((high - low) / (BINS - 1))


def _middles(size: int, side: int) -> np.ndarray:
    """Positions of the middles of blocks along an axis."""
    starts = np.arange(0, size, side)
    return (starts + np.minimum(starts + side, size) - 1) / 2

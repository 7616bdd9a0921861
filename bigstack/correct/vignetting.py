"""Vignetting: corners as bright as the centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from bigstack.correct.stacks import apply_correction, expect, frame_number, source_of_stack, step_of
from bigstack.engine.photometry import RingProbe, over_frames, value_range
from bigstack.errors import InputError, choose
from bigstack.geometry.correction import FALLOFFS, Falloff, Vignetting
from bigstack.kernels.correction.vignetting import MODELS, RINGS, fit_falloff, ring_radii

GOOD_FIT = 1e-3
"""A fit of vignetting this close, relative to the centre, is as good as any closer one."""


def estimate_vignetting(
    stack: xr.DataArray,
    *,
    frame: int | None = None,
    model: Falloff | Literal["auto"] = "auto",
    rings: int = RINGS,
    max_correction: float = 1.0,
    black_threshold: float = 0.0,
    subsample: int | None = None,
) -> Vignetting:
    """Measure how light falls off towards the corners, and fit a model to it.

    The mean luminance of `rings` rings about the centre is all it looks at: a scene that is darker at its
    edges is taken for vignetting. Plain, or many and different, scenes give the best answer; look at
    ``radii`` and ``intensities`` against the model (`bigstack.report.corrections.plot_vignetting`).

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    frame
        Number of the one frame to use; by default the mean of all.
    model
        ``"sigmoid"``, ``i0 / (1 + exp(exp(k (r - r0))))``; ``"cos4"``, the law of a thin lens;
        ``"polynomial"`` in r^2, r^4, r^6; ``"auto"`` takes the one that explains the rings best
        (by Schwarz's criterion, so a parameter more must be worth it).
    max_correction
        Share of the falloff that `correct_vignetting` undoes, 0 to 1.
    black_threshold
        Pixels whose darkest channel is below this, in the stack's unit, are left as they are.
    subsample
        Measure every how many rows and columns; by default so that about 2 million pixels a frame count.

    Returns
    -------
    Vignetting
        The fit and the rings, to look at or for `correct_vignetting`.

    Raises
    ------
    InputError
        For a black stack, an image too small for the rings, or an unknown model.

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
    frames = range(source.shape[0]) if frame is None else [frame_number(frame, source.shape[0])]
    limits = value_range(source)
    probe = RingProbe(limits, rings, step_of(subsample, source))
    found = over_frames(probe, source, frames)
    sums, counts = (np.sum([pair[n] for pair in found], axis=0) for n in (0, 1))
    with np.errstate(invalid="ignore"):
        means = limits[0] + sums / counts * ((limits[1] - limits[0]) / 65535)
    radii = ring_radii(source.shape[1:3], rings)
    name, parameters, error = _best_fit(radii, means, FALLOFFS if model == "auto" else (model,))
    measured = np.isfinite(means)
    return Vignetting(
        name,
        parameters,
        source.shape[1:3],
        max_correction,
        black_threshold,
        tuple(radii[measured].tolist()),
        tuple(means[measured].tolist()),
        error,
    )


def correct_vignetting(stack: xr.DataArray, vignetting: Vignetting) -> xr.DataArray:
    """Divide each frame by the falloff, lazily; dtype and coordinates are kept.

    How much of it, and below which value not at all, is in the value: change them by
    ``dataclasses.replace(vignetting, max_correction=0.5)``.

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


def _best_fit(
    radii: np.ndarray, means: np.ndarray, models: Sequence[str]
) -> tuple[str, tuple[float, ...], float]:
    """The model with the least Schwarz criterion, its parameters, and its relative error."""
    rings = int(np.isfinite(means).sum())
    best: tuple[float, str, tuple[float, ...], float] | None = None
    for model in models:
        parameters, error = fit_falloff(radii, means, model)
        cost = 2 * rings * np.log(max(error, GOOD_FIT)) + MODELS[model].size * np.log(rings)
        if best is None or cost < best[0]:
            best = (cost, model, parameters, error)
    assert best is not None
    return best[1:]

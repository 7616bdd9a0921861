"""Kernel density of focus: a smooth map of where in an image the sharpest pixels gather, lazily."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine import statistics
from bigstack.engine.coarse_density import coarse_density
from bigstack.engine.parking import parked
from bigstack.engine.recompute import keep
from bigstack.engine.windows import SMALL, map_windows, packed, unpacked
from bigstack.errors import InputError, choose
from bigstack.geometry import Tile
from bigstack.io.scratch import Scratch
from bigstack.kernels.density import (
    DIRECT,
    check_bandwidth,
    check_top_percent,
    density_halo,
    gaussian_density,
    impulses,
    scale_density,
)

Unit = Literal["pixel", "micrometer"]
"""What a bandwidth is given in."""


def focus_density(
    focus: xr.DataArray,
    *,
    top_percent: float = 25.0,
    bandwidth: float = 10.0,
    unit: Unit = "pixel",
    include_strength: bool = False,
    clip_percentile: float | None = 99.5,
    normalize: bool = True,
    scratch: str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """Kernel density of the sharpest pixels of a focus map, or of each frame of a stack of them, lazily.

    The pixels with the highest focus are impulses that a Gaussian smooths, zero outside the image. Thresholds
    and percentiles are exact and over the whole image, and the result has the same bits in any chunks.

    Parameters
    ----------
    focus
        Focus measure (y, x) or (z, y, x), float32, at least 0, as `measure_focus` gives it. It is computed
        again for each statistic rather than kept; persist one that is costly.
    top_percent
        Share of the pixels with any focus (above 0) that are selected, of each frame by itself.
    bandwidth
        Standard deviation of the Gaussian. Up to 32 pixels it is applied as it is, cut at 4 of them; above
        it is true to 1e-6 of a single impulse's peak, and its cost and halo don't grow any more.
    unit
        ``"pixel"``, or ``"micrometer"`` where `focus` knows its pixel size (attribute ``pixel_size``).
    include_strength
        Weigh each selected pixel by its focus.
    clip_percentile
        Percentile of the density at which it is clipped, None not to clip.
    normalize
        Divide by the largest density of the frame.
    scratch
        Folder for the density between its statistics and its result, faster for images that outgrow memory;
        it is computed again when not given. Remove the folder afterwards.

    Returns
    -------
    Dataset
        ``density`` as `focus`, float32; ``threshold``, float64, the least focus that is selected: infinity
        for a frame without any focus, whose density is 0 everywhere.

    Raises
    ------
    InputError
        For dims other than these, a bandwidth or a percentage that is none, or an unknown pixel size.

    Examples
    --------
    >>> pixels = np.zeros((1, 40, 40), np.float32)
    >>> pixels[0, 10:20, 10:20] = 1
    >>> found = focus_density(xr.DataArray(pixels, dims=("z", "y", "x")), bandwidth=2)
    >>> float(found.threshold[0]), float(found.density[0, 35, 35]) < 1e-6
    (1.0, True)
    """
    array = _frames(focus)
    sigma = bandwidth_in_pixels(focus, bandwidth, unit)
    check_top_percent(top_percent)
    if clip_percentile is not None and not 0 < clip_percentile <= 100:
        raise InputError(
            f"clip_percentile must be more than 0 and at most 100, or None, got {clip_percentile!r}"
        )
    known = frame_levels(array, top_percent, include_strength)
    density = smooth_levels(
        array, sigma, known, clip_percentile, normalize=normalize, scratch=scratch, budget=SMALL
    )
    return _dataset(focus, density, unpacked(known[0], (array.shape[0],)), sigma)


def frame_levels(array: da.Array, top_percent: float, include_strength: bool) -> list[da.Array]:
    """Thresholds of the frames of a focus map (z, y, x) and, for impulses with strength, their maxima.

    Each is a 0-d array that holds one number a frame.
    """
    frames = [array[z] for z in range(array.shape[0])]
    asked = 100 - check_top_percent(top_percent)
    threshold = packed([statistics.percentile(frame, asked, above=0) for frame in frames], missing=np.inf)
    return [
        threshold,
        *([packed([statistics.maximum(frame) for frame in frames])] if include_strength else []),
    ]


def smooth_levels(
    array: da.Array,
    sigma: float,
    known: list[da.Array],
    clip_percentile: float | None,
    *,
    normalize: bool,
    scratch: str | os.PathLike[str] | None = None,
    budget: int = SMALL,
) -> da.Array:
    """Density of a focus map (z, y, x) whose `frame_levels` are known, for a bandwidth in pixels.

    Up to `budget` bytes it waits in memory for its own statistics, above that in `scratch`, if given.
    """
    if sigma > DIRECT:
        density = coarse_density(array, sigma, known)
    else:
        density = map_windows(direct_tile, array, density_halo(sigma), *known, bandwidth=sigma)
    if clip_percentile is None and not normalize:
        return density
    density = _kept(density, scratch, budget)
    percents = [100.0 if clip_percentile is None else clip_percentile, 100.0]
    levels = packed([statistics.percentile(density[z], percents) for z in range(density.shape[0])])
    clip = clip_percentile is not None
    return map_windows(finish_tile, density, 0, levels, clip=clip, normalize=normalize)


def _frames(focus: xr.DataArray) -> da.Array:
    if not isinstance(focus, xr.DataArray) or focus.dims not in (("y", "x"), ("z", "y", "x")):
        found = getattr(focus, "dims", type(focus).__name__)
        raise InputError(f"a focus map is a DataArray with dims (y, x) or (z, y, x), got {found}")
    if focus.dtype != np.float32:
        raise InputError(f"a focus map is float32, got {focus.dtype}; convert it with .astype('float32')")
    array = focus.data if isinstance(focus.data, da.Array) else da.from_array(focus.data, chunks=2048)
    array = array if array.ndim == 3 else array[None]
    return array if max(array.chunks[0]) == 1 else array.rechunk({0: 1})


def bandwidth_in_pixels(focus: xr.DataArray, bandwidth: float, unit: Unit) -> float:
    """Return a bandwidth in pixels; one in micrometres needs the attributes `pixel_size` and `units`."""
    if choose(unit, ("pixel", "micrometer"), "unit") == "pixel":
        return check_bandwidth(bandwidth)
    size = focus.attrs.get("pixel_size")
    if size is None or focus.attrs.get("units", "micrometer") != "micrometer":
        raise InputError(
            "the bandwidth is in micrometres, but the pixel size is not known; open the stack with "
            "pixel_size=... (--pixel-size), or give the bandwidth in pixels"
        )
    y, x = np.broadcast_to(np.atleast_1d(np.asarray(size, dtype=object)), 3 if np.size(size) == 3 else 2)[-2:]
    if abs(y - x) > 1e-3 * x:
        raise InputError(
            f"a bandwidth in micrometres needs square pixels, these are {y} x {x}; give it in pixels"
        )
    return check_bandwidth(bandwidth / float(x))


def _kept(density: da.Array, scratch: str | os.PathLike[str] | None, budget: int) -> da.Array:
    """The density as it best waits for its own statistics: in memory, on disk, or not at all."""
    if density.nbytes <= budget:
        return keep(density)
    return density if scratch is None else parked(density, Scratch(Path(scratch)))


def direct_tile(
    window: np.ndarray,
    z: int,
    tile: Tile,
    outer: Tile,
    threshold: np.ndarray,
    strength: np.ndarray | None = None,
    *,
    bandwidth: float,
) -> np.ndarray:
    """Density of a tile of frame `z`, from its window of focus."""
    most = 0.0 if strength is None else float(strength[z])
    marks = impulses(window, threshold[z], most)
    return gaussian_density(marks, bandwidth, most or 1.0)[tile.inside(outer)]


def finish_tile(
    window: np.ndarray, z: int, tile: Tile, outer: Tile, levels: np.ndarray, *, clip: bool, normalize: bool
) -> np.ndarray:
    """Clip and normalise a tile of frame `z`; `levels` (z, 2) are the frames' percentile and maximum."""
    limit, highest = (float(level) for level in levels[z])
    return scale_density(window, limit if clip else None, highest, normalize=normalize)


def _dataset(focus: xr.DataArray, density: da.Array, threshold: da.Array, sigma: float) -> xr.Dataset:
    flat = "z" not in focus.dims
    attrs = {name: focus.attrs[name] for name in ("pixel_size", "units", "source") if name in focus.attrs}
    coords = {name: focus.coords[name] for name in focus.dims if name in focus.coords}
    along = {name: coord for name, coord in coords.items() if name == "z"}
    return xr.Dataset(
        {
            "density": xr.DataArray(
                density[0] if flat else density,
                dims=focus.dims,
                coords=coords,
                attrs={**attrs, "bandwidth": sigma},
            ),
            "threshold": xr.DataArray(
                threshold[0] if flat else threshold, dims=() if flat else ("z",), coords=along
            ),
        },
        attrs=attrs,
    )

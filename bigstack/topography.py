"""Measures of surfaces: roughness and profiles of depth maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine.height_blocks import Room, blocks_of, room, strips_of
from bigstack.engine.maps import as_map, masked, scale_of
from bigstack.engine.plan import DEFAULT_LIMIT, parse_bytes
from bigstack.errors import InputError, choose
from bigstack.geometry import PixelSize, Tile
from bigstack.geometry.map_scale import MapScale
from bigstack.geometry.roughness import Roughness
from bigstack.kernels.roughness import form as forms
from bigstack.kernels.roughness.gaussian import gaussian_weights, weigh, weigh_rows
from bigstack.kernels.roughness.parameters import core, height_sums, level_counts, slope_sums
from bigstack.names import Form, choices

FEWEST = 9
"""Pixels that make a surface."""


def roughness(
    depth: xr.DataArray | np.ndarray,
    *,
    form: Form = "plane",
    s_filter: float | None = None,
    l_filter: float | None = None,
    region: tuple[int, int, int, int] | None = None,
    valid: xr.DataArray | np.ndarray | None = None,
    pixel_size: float | Sequence[float] | PixelSize | None = None,
    z_scale: float | None = None,
    invert: bool = False,
    memory_limit: int | str = DEFAULT_LIMIT,
    workers: int | None = None,
) -> Roughness:
    """Areal roughness of a calibrated depth map, ISO 25178-2:2021, computed at once.

    In the standard's order: the S-filter takes out what is shorter than its cut-off (noise), the form is
    fitted by least squares and removed, the L-filter takes out what is longer than its cut-off (waviness).
    Both filters are Gaussian (ISO 16610-61); pixels without a depth, and the ground beyond the border, have
    no weight in them. The result is the same to the bit for any chunks and workers.

    Parameters
    ----------
    depth
        Depth (y, x), lazy or not; NaN where there is none.
    form
        ``"none"`` (the mean), ``"plane"``, ``"quadratic"``, ``"cubic"`` or ``"quartic"``.
    s_filter, l_filter
        Cut-off wavelengths in the unit of the result: micrometres, or pixels where these have no known size.
    region
        First column and row, and those to stop before: x0, y0, x1, y1, in pixels. All when not given.
    valid
        Mask (y, x): pixels where it is 0 are left out.
    pixel_size, z_scale
        What a pixel and a unit of depth measure, where the map does not say, as for `bigstack.surface`.
    invert
        Larger depths are higher; they are lower when not set. It swaps peaks and pits.
    memory_limit
        Maps that need more are worked on in temporary files.
    workers
        Threads; one a processor when not given.

    Returns
    -------
    Roughness
        Heights in micrometres; Sdr, Smr1 and Smr2 in per cent. Sdq and Sdr are of cells of 2 x 2 pixels.

    Raises
    ------
    InputError
        For a map that is not calibrated, has too few depths, or cut-offs that no filter can have.

    Examples
    --------
    >>> y, x = np.mgrid[:200, :200]
    >>> wave = roughness(3 * np.cos(2 * np.pi * (x - 99.5) / 50), pixel_size=1.0, z_scale=1.0)
    >>> round(wave.Sa, 2), round(wave.Sq, 2), round(wave.Sz, 1)
    (1.91, 2.12, 6.0)
    """
    choose(form, choices(Form), "form")
    found = as_map(depth)
    scale = scale_of(found, pixel_size=pixel_size, z_scale=z_scale)
    values = _region(masked(found, valid), region)
    cutoffs = [_cutoff(name, value, scale) for name, value in (("s", s_filter), ("l", l_filter))]
    if s_filter is not None and l_filter is not None and s_filter >= l_filter:
        raise InputError(f"the S-filter's cut-off {s_filter:g} must be below the L-filter's, {l_filter:g}")
    degree = choices(Form).index(form)
    factor = np.float32(scale.z if invert else -scale.z)
    with room(parse_bytes(memory_limit) // 2, workers) as here:
        heights = here.hold(values * factor)
        _check_known(heights, degree, here)
        # Small numbers keep their digits where a map lies far from zero.
        heights -= np.float32(_moments(heights, here)[1])
        if cutoffs[0] is not None:
            heights = _filtered(heights, cutoffs[0], here)
        _remove_form(heights, degree, here)
        if cutoffs[1] is not None:
            waviness = _filtered(heights, cutoffs[1], here)
            here.each(lambda tile: _subtract(heights, waviness, tile), blocks_of(heights.shape))
        numbers = _parameters(heights, scale, here)
    return Roughness(**numbers, unit=scale.unit, form=form, s_filter=s_filter, l_filter=l_filter)


def _region(values: da.Array, region: tuple[int, int, int, int] | None) -> da.Array:
    if region is None:
        return values
    height, width = values.shape
    x0, y0, x1, y1 = region
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError(
            f"region {region} is not inside the map of {width} x {height} pixels (x0, y0, x1, y1)"
        )
    return values[y0:y1, x0:x1]


def _cutoff(name: str, value: float | None, scale: MapScale) -> tuple[float, float] | None:
    """Cut-off wavelength in pixels, down and across."""
    if value is None:
        return None
    if not 2 * max(scale.y, scale.x) <= value < math.inf:
        raise InputError(
            f"{name}_filter must be at least two pixels, {2 * max(scale.y, scale.x):g} {scale.unit}, "
            f"got {value:g}"
        )
    return value / scale.y, value / scale.x


def _moments(heights: np.ndarray, here: Room) -> tuple[int, float, float, float]:
    """Number, mean, smallest and largest of the known heights."""

    def of(tile: Tile) -> tuple[int, float, float, float]:
        known = heights[tile.slices]
        known = known[np.isfinite(known)].astype(np.float64)
        return (
            (known.size, known.sum(), known.min(), known.max()) if known.size else (0, 0.0, np.inf, -np.inf)
        )

    count, total, low, high = zip(*here.each(of, blocks_of(heights.shape)), strict=True)
    number = sum(count)
    return number, math.fsum(total) / max(1, number), min(low), max(high)


def _check_known(heights: np.ndarray, degree: int, here: Room) -> None:
    number = _moments(heights, here)[0]
    fewest = max(FEWEST, 2 * len(forms.terms(degree)))
    if number < fewest:
        raise InputError(
            f"{number} of {heights.size} pixels have a depth and are valid; roughness needs {fewest} or more"
        )


def _filtered(heights: np.ndarray, cutoff: tuple[float, float], here: Room) -> np.ndarray:
    """Gaussian mean of the known heights, NaN where there is none."""
    down, across = (gaussian_weights(value) for value in cutoff)
    sums, weights, found = (here.array(heights.shape) for _ in range(3))

    def rows(part: slice) -> None:
        sums[part], weights[part] = weigh_rows(np.asarray(heights[part]), across)

    def columns(part: slice) -> None:
        top, bottom = (weigh(np.asarray(array[:, part]), down, 0) for array in (sums, weights))
        known = np.isfinite(heights[:, part])
        found[:, part] = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=known)

    here.each(rows, strips_of(heights.shape[0]))
    here.each(columns, strips_of(heights.shape[1]))
    return found


def _remove_form(heights: np.ndarray, degree: int, here: Room) -> None:
    def places(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
        y = forms.places(tile.y0, tile.shape[0], heights.shape[0])
        return y, forms.places(tile.x0, tile.shape[1], heights.shape[1])

    tiles = blocks_of(heights.shape)
    sums = here.each(lambda tile: forms.form_sums(heights[tile.slices], *places(tile), degree), tiles)
    coefficients = forms.solve_form(*(_added(part) for part in zip(*sums, strict=True)))

    def remove(tile: Tile) -> None:
        heights[tile.slices] -= forms.form_heights(coefficients, *places(tile), degree).astype(np.float32)

    here.each(remove, tiles)


def _added(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of arrays, each number rounded once."""
    stacked = np.stack(parts).reshape(len(parts), -1)
    return np.array([math.fsum(column) for column in stacked.T]).reshape(parts[0].shape)


def _subtract(heights: np.ndarray, waviness: np.ndarray, tile: Tile) -> None:
    heights[tile.slices] -= waviness[tile.slices]


def _parameters(heights: np.ndarray, scale: MapScale, here: Room) -> dict[str, Any]:
    """All parameters of heights about their mean."""
    tiles = blocks_of(heights.shape)
    number, mean, low, high = _moments(heights, here)
    sums = _added(here.each(lambda tile: height_sums(heights[tile.slices], mean), tiles)) / number
    sq = math.sqrt(sums[1])
    # One row and column more: cells between blocks belong to the block before.
    cells, square, extra = _added(
        here.each(lambda tile: slope_sums(_with_next(heights, tile), scale.y, scale.x), tiles)
    )
    counts = np.sum(here.each(lambda tile: level_counts(heights[tile.slices], low, high), tiles), axis=0)
    flat = sq < 1e-7 * max(abs(low), abs(high), 1e-30)
    found = {
        "Sa": sums[0],
        "Sq": sq,
        "Ssk": math.nan if flat else sums[2] / sq**3,
        "Sku": math.nan if flat else sums[3] / sq**4,
        "Sp": high - mean,
        "Sv": mean - low,
        "Sz": high - low,
        "Sdq": math.sqrt(square / cells) if cells else math.nan,
        "Sdr": 100 * extra / cells if cells else math.nan,
        **core(counts, low, high),
        "share": number / heights.size,
    }
    return {**{name: float(value) for name, value in found.items()}, "pixels": number}


def _with_next(heights: np.ndarray, tile: Tile) -> np.ndarray:
    return heights[tile.y0 : tile.y1 + 1, tile.x0 : tile.x1 + 1]

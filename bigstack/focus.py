"""Focus measures of lazy stacks: maps, which frames are sharp where, and the noise they are measured in."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, Literal

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine import statistics
from bigstack.engine.channels import Channels, channel_numbers
from bigstack.engine.focus_fields import FocusField, NoiseProbe, ScaleField, SharpnessProbe
from bigstack.engine.photometry import over_frames, value_range
from bigstack.engine.sources import as_source
from bigstack.engine.windows import lazy_field
from bigstack.errors import InputError, choose
from bigstack.io.source import Source
from bigstack.kernels.focus import measure as find_measure
from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.noise import Noise, fit_noise
from bigstack.names import STACK_DIMS

TILE = 2048
"""Pixels a side of the chunks of a focus map, about; half as many where that gives fewer than 16 of them."""

NOISE_FRAMES = 16
"""Frames that noise is estimated from, at most."""


def measure_focus(
    stack: xr.DataArray,
    *,
    method: str = "log_energy",
    smoothing: float = 0.0,
    focus_channel: Channels = None,
    noise: float | Literal["estimate"] | None = None,
    tile: int | tuple[int, int] | None = None,
    **options: Any,
) -> xr.DataArray:
    """Measure how sharp every pixel of every frame is, lazily.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    method
        Name of a focus measure: a key of `bigstack.kernels.focus.MEASURES`.
    smoothing
        Standard deviation in pixels of a Gaussian over the map, 0 for none.
    focus_channel
        Channel or channels, by name or number, that focus is measured on; all when not given. Colour is
        made grey, but for ``method="rdf_surh"``, which takes colours together.
    noise
        Standard deviation in grey levels of white noise, whose expectation is subtracted; or ``"estimate"``
        to take it from the stack now (`estimate_noise`).
    tile
        Pixels a side of the map's chunks, or (y, x) of them. It never changes the result.
    options
        Those of the measure. For ``method="rdf"`` with ``normalize="p99"`` or ``"mad"`` the statistics of
        each scale are taken over the whole stack, so that frames stay comparable.

    Returns
    -------
    DataArray
        ``focus`` (z, y, x), float32, at least 0; 0 also where a frame has no real pixel (`Source.valid`).

    Raises
    ------
    InputError
        For an unknown method or option, a value it cannot have, radii larger than the image, and, when the
        map is computed, for NaN pixels.

    Examples
    --------
    >>> stack = xr.DataArray(da.ones((3, 64, 64, 1), dtype="uint8"), dims=("z", "y", "x", "channel"))
    >>> float(measure_focus(stack, method="tenengrad", window=9).max())
    0.0
    """
    source = _source_of(stack)
    if noise is not None:
        options["noise"] = _grey_noise(stack, noise, method, focus_channel)
    focus_map, normalize = _focus_map(method, options, smoothing, channel_numbers(stack, focus_channel))
    _check_size(method, options, source)
    chunks = _chunks(tile, source)
    known = [] if normalize == "none" else _scale_statistics(source, focus_map, normalize, chunks)
    array = lazy_field(FocusField(source, focus_map, normalize), chunks, known)
    coords = {name: stack.coords[name] for name in ("z", "y", "x") if name in stack.coords}
    attrs = {name: stack.attrs[name] for name in ("pixel_size", "units", "source") if name in stack.attrs}
    attrs |= {"method": method, **{f"focus_{name}": value for name, value in options.items()}}
    return xr.DataArray(array, dims=("z", "y", "x"), coords=coords, attrs=attrs, name="focus")


def sharpness(
    stack: xr.DataArray,
    *,
    method: str = "tenengrad",
    grid: int | tuple[int, int] = 1,
    focus_channel: Channels = None,
    **options: Any,
) -> xr.DataArray:
    """Mean focus of every frame, or of every cell of a grid over it: which frames matter, and where.

    Reads every frame once, now; the result does not depend on tiles or workers.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    method
        Name of a focus measure.
    grid
        Cells down and across the frame, one number for both.
    focus_channel
        Channel or channels, by name or number, that focus is measured on; all when not given.
    options
        Those of the measure.

    Returns
    -------
    DataArray
        ``sharpness`` (z, row, column), float64. `row` and `column` have the pixel in the middle of the cell
        as coordinate. ``result.argmax("z")`` is the sharpest frame of each cell.

    Raises
    ------
    InputError
        For an unknown method, option or channel, or more cells than pixels.

    Examples
    --------
    >>> frames = np.zeros((3, 32, 32, 1), np.uint8)
    >>> frames[1, ::3] = 100
    >>> stack = xr.DataArray(frames, dims=("z", "y", "x", "channel"))
    >>> sharpness(stack).argmax("z").values.tolist()
    [[1]]
    """
    source = _source_of(stack)
    focus_map, normalize = _focus_map(method, options, 0.0, channel_numbers(stack, focus_channel))
    if normalize != "none":
        raise InputError(f"sharpness takes focus as it is, got normalize={normalize!r}; leave it out")
    _check_size(method, options, source)
    cells = grid_edges(grid, source.shape[1:3])
    found = over_frames(SharpnessProbe(focus_map, cells), source, range(source.shape[0]))
    z = {"z": stack.coords["z"]} if "z" in stack.coords else {}
    middles = {
        name: (name, [(edges[i] + edges[i + 1] - 1) / 2 for i in range(len(edges) - 1)])
        for name, edges in zip(("row", "column"), cells, strict=True)
    }
    return xr.DataArray(
        np.array(found), dims=("z", "row", "column"), coords={**z, **middles}, name="sharpness"
    )


def best_frame(stack: xr.DataArray, **options: Any) -> int:
    """Return the number of the frame that is sharpest as a whole; options are those of `sharpness`.

    Of equally sharp frames it is the first.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    options
        Those of `sharpness`: `method`, `grid`, `focus_channel`, and the measure's own.

    Returns
    -------
    int
        Number of the frame, from 0.

    Raises
    ------
    InputError
        For an unknown method, option or channel.

    Examples
    --------
    >>> frames = np.zeros((3, 32, 32, 1), np.uint8)
    >>> frames[2, ::3] = 100
    >>> best_frame(xr.DataArray(frames, dims=("z", "y", "x", "channel")))
    2
    """
    return int(sharpness(stack, **options).values.mean(axis=(1, 2)).argmax())


def estimate_noise(stack: xr.DataArray, *, frames: int = NOISE_FRAMES) -> tuple[Noise, ...]:
    """Poisson-Gaussian noise of each channel, from the stack itself.

    The variance of what a mask that is blind to slopes leaves (Immerkaer 1996, doi:10.1006/cviu.1996.0060)
    is counted by grey level and a line fitted to it (Foi et al. 2008, doi:10.1109/TIP.2008.2001399).
    Of textured pixels most lie outside what is counted, but fine texture that fills all frames raises the
    result, and JPEG, which removes noise, lowers it. Reads up to `frames` frames, twice for float stacks.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32.
    frames
        Frames that it is estimated from, at most, evenly spread.

    Returns
    -------
    One `Noise` a channel: ``noise.sigma(level)`` is the standard deviation at a grey level.

    Raises
    ------
    InputError
        Where there are too few pixels that are not clipped.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(90, 4, (2, 200, 200, 1)).astype(np.float32)
    >>> noise = estimate_noise(xr.DataArray(noisy, dims=("z", "y", "x", "channel")))
    >>> round(noise[0].sigma(90), 1)
    4.0
    """
    source = _source_of(stack)
    if frames < 1:
        raise InputError(f"noise is estimated from at least 1 frame, got frames={frames!r}")
    low, high, _ = value_range(source)
    count = source.shape[0]
    chosen = sorted({int(z) for z in np.linspace(0, count - 1, min(count, frames)).round()})
    tables = over_frames(NoiseProbe(low, high), source, chosen)
    scaled = source.dtype.kind == "f"
    total = np.sum(tables, axis=0)
    return tuple(fit_noise(total[c], low, high, scaled=scaled) for c in range(source.shape[3]))


def _source_of(stack: xr.DataArray) -> Source:
    if not isinstance(stack, xr.DataArray) or stack.dims != STACK_DIMS:
        found = getattr(stack, "dims", type(stack).__name__)
        raise InputError(f"a stack is a DataArray with dims {STACK_DIMS}, got {found}")
    return as_source(stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data))


def _focus_map(
    method: str, options: dict[str, Any], smoothing: float, channels: tuple[int, ...]
) -> tuple[FocusMap, str]:
    """The measure with checked options, and how its scales are to be normalised."""
    if not 0 <= smoothing < 1000:
        raise InputError(f"smoothing is a Gaussian's sigma, 0 to 1000 pixels, got {smoothing!r}")
    entry = find_measure(method)
    frozen = {name: _frozen(value) for name, value in options.items()}
    if "statistics" in frozen:
        raise InputError("statistics are taken from the stack itself; leave them out")
    normalize = str(frozen.get("normalize", "none"))
    trial = {"statistics": ((1.0, 1.0),) * len(frozen.get("radii", ((1, 3),)))} if normalize != "none" else {}
    entry.check({**frozen, **trial})
    return FocusMap(method, tuple(sorted(frozen.items())), channels, float(smoothing)), normalize


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _check_size(method: str, options: dict[str, Any], source: Source) -> None:
    radii = options.get("radii", ((options.get("inner", 0), options.get("outer", 0)),))
    largest, smallest = max(outer for _, outer in radii), min(source.shape[1:3])
    if largest >= smallest:
        raise InputError(
            f"radii of {method} must be smaller than the image, got {largest} for an image of "
            f"{source.shape[1]} x {source.shape[2]} pixels"
        )


def _scale_statistics(
    source: Source, focus_map: FocusMap, normalize: str, chunks: tuple[Sequence[int], Sequence[int]]
) -> list[da.Array]:
    """Lazy statistics of each scale over the whole stack, in the order that `FocusField` takes them."""
    count = len(dict(focus_map.options).get("radii", ((1, 3),)))
    found: list[da.Array] = []
    for number in range(count):
        scale = ScaleField(source, focus_map, number)
        maps = lazy_field(scale, tuple(scale.reduced(sizes) for sizes in chunks))  # type: ignore[arg-type]
        if normalize == "p99":
            found.append(statistics.percentile(maps, 99))
        else:
            found += [statistics.median(maps), statistics.mad(maps)]
    return found


def _grey_noise(
    stack: xr.DataArray, noise: float | Literal["estimate"], method: str, focus_channel: Channels
) -> float:
    """Standard deviation of the noise of the grey image that focus is measured on."""
    if "noise" not in find_measure(method).options:
        raise InputError(f"what noise adds to {method!r} is not known; leave noise out")
    if noise != "estimate":
        if isinstance(noise, str):
            choose(noise, ["estimate"], "noise")
        return float(noise)
    sigmas = [found.sigma() for found in estimate_noise(stack)]
    chosen = channel_numbers(stack, focus_channel) or tuple(range(len(sigmas)))
    # As `luminance` weighs them.
    weights = (0.299, 0.587, 0.114) if len(chosen) == 3 else (1 / len(chosen),) * len(chosen)
    return sqrt(sum((w * sigmas[c]) ** 2 for w, c in zip(weights, chosen, strict=True)))


def _chunks(tile: int | tuple[int, int] | None, source: Source) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks of y and x: about `TILE` a side, whole pieces of what storage is read in."""
    pair = (tile, tile) if isinstance(tile, int) or tile is None else tile
    about = TILE if source.shape[1] * source.shape[2] >= 16 * TILE**2 else TILE // 2
    sides = []
    for want, chunk, size in zip(pair, source.chunks, source.shape[1:3], strict=True):
        if want is not None and want < 1:
            raise InputError(f"a tile needs at least 1 pixel a side, got {want}")
        side = max(1, round(about / chunk)) * chunk if want is None else want
        sides.append(da.core.normalize_chunks((min(side, size),), shape=(size,))[0])
    return sides[0], sides[1]


def grid_edges(
    grid: int | tuple[int, int], shape: tuple[int, int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Edges of the cells of a grid, as alike in size as whole pixels allow."""
    pair = (grid, grid) if isinstance(grid, int) else tuple(grid)
    for count, size in zip(pair, shape, strict=True):
        if not 1 <= count <= size:
            raise InputError(f"a grid has 1 to {size} cells a side of {size} pixels, got {count}")
    down, across = (
        tuple(size * i // count for i in range(count + 1)) for count, size in zip(pair, shape, strict=True)
    )
    return down, across

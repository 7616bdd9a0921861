"""Fusion: from a stack to one all-in-focus image."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import dask.array as da
import xarray as xr

from bigstack import blending, finishing
from bigstack.engine.channels import channel_numbers
from bigstack.engine.combine import combine
from bigstack.engine.depth_maps import frame_positions, fused_dataset, pixel_noise
from bigstack.engine.holes import without_holes
from bigstack.engine.layout import Layout
from bigstack.engine.plan import DEFAULT_LIMIT, available_workers, parse_bytes, plan
from bigstack.engine.prune import unpruned
from bigstack.engine.sources import as_source
from bigstack.engine.stacks import check_stack
from bigstack.engine.tiles import Tiles
from bigstack.errors import InputError, choose
from bigstack.kernels.depth.blocks import depth_blocks
from bigstack.kernels.depth.recipe import REFINE
from bigstack.kernels.depth.units import uneven
from bigstack.kernels.focus import measure as find_measure
from bigstack.kernels.fusion.average import Average
from bigstack.kernels.fusion.base import Base
from bigstack.kernels.fusion.pyramid import DEEPEST, Chain, Collapse, PyramidSelect, chosen_levels
from bigstack.kernels.fusion.pyramid_rest import PyramidRest
from bigstack.kernels.fusion.select import Select
from bigstack.kernels.pyramid import BINOMIAL
from bigstack.names import (
    BaseKind,
    DepthMeasure,
    FusionMethod,
    Peak,
    Priority,
    Projection,
    Quality,
    Refinement,
    Ties,
)

FINE_LEVELS = 3
"""Levels fused at a time while the image is large: their halo is 44 pixels, that of 9 levels 3068."""

INDEX_LEVEL = 2
"""Level whose winner is the index: coarse enough to outlive noise (mean depth RMSE over the scenes of
``benchmarks/quality.py`` 3.5, 3.2 and 2.6 frames at levels 0, 1 and 2)."""

WHOLE = 1024**2
"""Pixels of a reduced image that is small enough to fuse all its levels in one task."""


def fuse(
    stack: xr.DataArray,
    *,
    method: FusionMethod = "pyramid",
    focus_channel: str | int | list[str | int] | None = None,
    prune: bool = False,
    tile: int | tuple[Any, Any] | None = None,
    z_block: int | None = None,
    memory_limit: int | str = DEFAULT_LIMIT,
    scratch: str | Path | None = None,
    **options: Any,
) -> xr.Dataset:
    """Fuse a stack into one all-in-focus image, lazily.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32, as `bigstack.open_stack` gives. NaN and
        infinite pixels of float32 are no data: they never win, nor count in a mean, and filters see the
        mean of the pixels around them (`bigstack.engine.holes`); where no frame has data, that is the result.
    method
        ``"pyramid"``: at every level of a Laplacian pyramid the frame with the most energy (`pyramid`);
        ``"select"``: every pixel from the frame where a focus measure is highest (`select`);
        ``"average"``: mean, minimum or maximum of the frames (`average`);
        ``"depth_map"``: frames weighed by their focus, scale by scale (`bigstack.blending.depth_map`);
        ``"weighted"``: the same pixel by pixel, in one pass (`bigstack.blending.weighted`);
        ``"guided"``: two layers, their weights guided by the frames' edges (`bigstack.blending.guided`);
        ``"blend"``: a soft-max of gradients at every level of a pyramid (`bigstack.blending.blend`);
        ``"wavelet"``: the largest complex wavelet coefficients, voted over (`bigstack.blending.wavelet`);
        ``"depth"``: frames blended about the depth from focus, selected where surfaces hide others (`depth`).
    focus_channel
        Channel, or channels, by name or number, that focus is measured on; all when not given.
    prune
        Read only those frames of each part of the image that may be sharpest there, as a smaller copy of the
        stack tells, which is read before; see `bigstack.engine.prune`. Not for ``"average"``.
    tile
        Pixels a side of the output tiles, or (y, x) of them; the largest that `memory_limit` allows when
        not given. It never changes the result.
    z_block
        Frames a task, when there are more workers than tiles. It never changes the result either.
    memory_limit
        Memory of one process, bytes or a text such as ``"2GB"``.
    scratch
        Folder in which passes hand pieces to each other, for images that outgrow memory; in memory when
        not given.
    options
        Those of the method, listed with it, and those for every method: ``reassign_colors``,
        ``limit_halos`` and ``denoise`` (`bigstack.finishing.finish`).

    Returns
    -------
    Dataset
        ``image`` (y, x, channel) in the stack's dtype, and but for ``"average"`` ``index`` (y, x) uint16, the
        number of the frame that is sharpest at the pixel, and ``depth`` (y, x) float32, its z; with method
        ``"depth"`` all the maps of `bigstack.depth.depth_from_focus`.

    Raises
    ------
    InputError
        For an unknown method, option or channel, or a stack of another dtype.

    Examples
    --------
    >>> stack = xr.DataArray(da.ones((3, 64, 64, 1), dtype="uint8"), dims=("z", "y", "x", "channel"))
    >>> fuse(stack).image.dtype
    dtype('uint8')
    """
    limit = parse_bytes(memory_limit)

    def planner(fold: Any, source: Any, passes: int) -> Any:
        # What passes hand to each other is as large as the region that is asked for, which nobody knows yet.
        parks = scratch is not None
        return plan(
            fold, source, workers=available_workers(), memory_limit=limit,
            passes=passes if parks else 1, scratch=parks,
        )  # fmt: skip

    layout = Layout(
        tile=tile, z_block=z_block, planner=planner, scratch=None if scratch is None else Path(scratch)
    )
    return fuse_by(stack, layout, method=method, focus_channel=focus_channel, prune=prune, **options)


def fuse_by(
    stack: xr.DataArray,
    layout: Layout,
    *,
    method: FusionMethod = "pyramid",
    focus_channel: str | int | list[str | int] | None = None,
    prune: bool = False,
    **options: Any,
) -> xr.Dataset:
    """`fuse` with a layout of the caller's, who wants to know its plan."""
    choose(method, METHODS, "method")
    check_stack(stack, indexed=method != "average")
    function = METHODS[method]
    for name in options:
        choose(name, method_options(method), f"option of method {method!r}")
    array = stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data)
    if prune:
        array = layout.prune(array, method)
    array = without_holes(array)
    channels = channel_numbers(stack, focus_channel)
    # Depth is fitted between frames where they are.
    places = (uneven(frame_positions(stack)),) if method == "depth" else ()
    last = {name: options.pop(name) for name in _parameters(finishing.finish) if name in options}
    found = function(array, channels, layout, *places, **options)
    return fused_dataset(stack, finishing.finish(array, found, **last))


def pyramid(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    *,
    levels: int | None = None,
    min_size: int = 8,
    window: int | None = 5,
    base: BaseKind = "average",
    base_size: int = 5,
    a: float = BINOMIAL,
) -> dict[str, da.Array]:
    """Laplacian pyramid selection.

    Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851; Wang and Chang 2011, doi:10.4304/jcp.6.12.2559-2566.

    Parameters
    ----------
    levels
        Levels of detail; as many as keep the smallest image at `min_size` pixels a side, 9 at most, when
        not given.
    min_size
        Smallest image of the pyramid, pixels a side. Deeper is better: over the 16 scenes of
        ``benchmarks/quality.py`` the mean PSNR rises by 1.2 dB from 32 pixels, focusstack's choice, to 8.
    window
        Side in pixels of the box that energy is summed over at every level, odd; None weighs by the
        generating kernel, as Wang and Chang do. Sides 3, 5, 7, 9 give 34.55, 35.29, 35.33, 35.23 dB in the
        mean over the scenes of ``benchmarks/quality.py``; 5 keeps more of hairs and steps than 7.
    base
        How the lowest level is fused: ``average``, ``energy``, ``entropy`` or ``focusstack`` (see `Base`).
    base_size
        Side in pixels of the box that energy and entropy of the base are measured in, odd.
    a
        Middle tap of Burt and Adelson's generating kernel. 0.375 runs on fast integers, others in float64.
    """
    choose(base, get_args(BaseKind), "base")
    _odd("window", window)
    _odd("base_size", base_size)
    if not 0.25 <= a <= 0.75:
        raise InputError(f"the generating kernel's a must lie in 0.25 to 0.75, got {a}")
    chain = Chain.of(stack.dtype, a)
    total = chosen_levels((stack.shape[1], stack.shape[2]), levels, min_size)
    masked = as_source(stack).masked
    step = min(FINE_LEVELS, total)
    top = PyramidSelect(
        chain, step, window, channels, index_level=min(INDEX_LEVEL, step - 1), with_valid=masked
    )
    tiles = layout.first(top, stack, passes=2)
    lower = replace(top, levels=total - step, index_level=None)
    low = _lower_levels(tiles, lower, Base(chain, base, base_size, channels), layout)
    function = Collapse(chain, last=True)
    image = combine(function, tiles, "bands", low, dtype=function.dtype)
    return {"image": image, "index": tiles.output("index")}


def _lower_levels(above: Tiles, select: PyramidSelect, base: Base, layout: Layout) -> da.Array:
    """The fused image of the frames that `above` reduced; `select` has all the levels that are left."""
    frames = above.output("reduced")
    valid = above.output("valid") if select.with_valid else None
    if select.levels == 0:
        # The average is one pixel's own affair; the other rules look around them or at the whole image.
        return layout.below(base, frames, valid, whole=base.kind != "average").output("base")
    whole = frames.shape[1] * frames.shape[2] <= WHOLE
    if base.kind == "average" and (whole or select.levels <= DEEPEST - FINE_LEVELS):
        return layout.below(PyramidRest(select, base), frames, valid, whole=whole).output("low")
    step = select.levels if whole else min(FINE_LEVELS, select.levels)
    tiles = layout.below(replace(select, levels=step), frames, valid, whole=whole)
    low = _lower_levels(tiles, replace(select, levels=select.levels - step), base, layout)
    function = Collapse(select.chain, last=False)
    return combine(function, tiles, "bands", low, dtype=function.dtype)


def select(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    *,
    measure: str = "sml",
    smoothing: float = 2.0,
    ties: Ties = "first",
    measure_options: dict[str, Any] | None = None,
) -> dict[str, da.Array]:
    """Arg-max of a focus measure, pixels gathered from the winning frame.

    Parameters
    ----------
    measure
        Name of a focus measure: ``log``, ``sml``, ``tenengrad``, ... (`bigstack.kernels.focus`).
    smoothing
        Standard deviation in pixels of the Gaussian that focus is smoothed by, 0 for none.
    ties
        Which of equally sharp frames wins, ``first`` or ``last``.
    measure_options
        Options of the focus measure, such as ``{"window": 9}``.
    """
    choose(ties, get_args(Ties), "ties")
    if not 0 <= smoothing <= 1000:
        raise InputError(f"smoothing must be 0 to 1000 pixels, got {smoothing}")
    checked = find_measure(measure).check(measure_options or {})
    fold = Select(measure, tuple(sorted(checked.items())), float(smoothing), channels, ties)
    tiles = layout.first(fold, stack)
    return {"image": tiles.output("image"), "index": tiles.output("index")}


def average(
    stack: da.Array, channels: tuple[int, ...], layout: Layout, *, kind: Projection = "mean"
) -> dict[str, da.Array]:
    """Projection along z.

    Parameters
    ----------
    kind
        ``mean``, ``min`` or ``max``.
    """
    choose(kind, get_args(Projection), "kind")
    if channels:
        raise InputError("method 'average' measures no focus, so it takes no focus_channel")
    return {"image": layout.first(Average(kind), stack).output("image")}


def depth(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    positions: tuple[float, ...] = (),
    *,
    measure: DepthMeasure = "tree",
    focus_options: Mapping[str, Any] | None = None,
    smoothing: float = 0.0,
    peak: Peak = "mixed",
    refine: Refinement | Sequence[Refinement] = REFINE,
    noise: float | None = None,
    radius: int = 24,
    step: float = 4.0,
    jump: float = 24.0,
    blur: float = 1.2,
    window: int = 7,
    fill: bool = False,
    priority: Priority = "best",
    quality: Quality = "full",
    shrink: float = 1.0,
) -> dict[str, da.Array]:
    """Blend about the depth from focus: averaged where frames are equally sharp, selected at depth steps.

    Per level of a Laplacian pyramid, frames weigh by the contrast that defocus leaves them at the depth, as
    widely as noise asks for, and what contrast they lack together is given back; where a nearer surface's
    defocus reaches, or where the depth misses what is sharp, by their energy. The noise that is left is
    known, and shrunk. About highlights that clip, pixels come whole from the frame that has them in focus.
    Results are defined on canonical blocks, whatever the tiles are.

    Parameters
    ----------
    measure, focus_options, smoothing, peak, refine, window, fill, priority
        How the depth is found, as in `bigstack.depth_from_focus`.
    noise
        Standard deviation of the pixels' noise in grey levels; found in each block when not given.
    radius
        Pixels that the weighted median of the depth reaches; 0 leaves it out.
    step, jump
        Prices of a depth that differs from a neighbour's by one frame, and by any number of frames.
    blur
        Growth of the radius of the blur from one frame to the next, in pixels.
    quality
        ``full``, or ``fast``: depth of frames of half the size, 0.2 dB worse in the mean over the scenes of
        ``benchmarks/quality.py``.
    shrink
        How strongly the noise that averaging leaves is shrunk: 1 drops waves of 8 x 8 pixels up to 2.2
        standard deviations of it, 2 twice as much, 0 none.
    """
    if noise is None and layout.pruned is not None:
        # Copies that stand in for frames have no noise.
        noise = pixel_noise(unpruned(layout.pruned), channels)
    fold = depth_blocks(
        stack.shape[0],
        fused=True,
        channels=channels,
        positions=positions,
        measure=measure,
        focus_options=focus_options,
        smoothing=smoothing,
        peak=peak,
        refine=refine,
        noise=noise,
        radius=radius,
        step=step,
        jump=jump,
        blur=blur,
        window=window,
        fill=fill,
        priority=priority,
        quality=quality,
        shrink=shrink,
    )
    tiles = layout.first(fold, stack)
    return {name: tiles.output(name) for name in fold.outputs}


METHODS: dict[str, Callable[..., dict[str, da.Array]]] = {
    "pyramid": pyramid,
    "select": select,
    "average": average,
    "depth": depth,
    "depth_map": blending.depth_map,
    "weighted": blending.weighted,
    "guided": blending.guided,
    "wavelet": blending.wavelet,
    "blend": blending.blend,
}
"""Every fusion method by name; its keyword-only parameters are its options."""


def method_options(method: str) -> dict[str, inspect.Parameter]:
    """Options of a method: name, default and type."""
    own = _parameters(METHODS[choose(method, METHODS, "method")])
    return {**own, **_parameters(finishing.finish)}


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _odd(name: str, value: int | None) -> None:
    if value is not None and not (1 <= value <= 31 and value % 2):
        raise InputError(f"{name} must be an odd number of pixels from 1 to 31, got {value}")

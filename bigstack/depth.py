"""Depth from focus: from a stack to a depth map with its uncertainty."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import dask.array as da
import xarray as xr

from bigstack.engine.channels import channel_numbers
from bigstack.engine.depth_maps import depth_maps, frame_positions, noise_of_middle
from bigstack.engine.holes import without_holes
from bigstack.engine.layout import Layout
from bigstack.engine.plan import DEFAULT_LIMIT, Plan, available_workers, parse_bytes, plan
from bigstack.engine.sources import as_source
from bigstack.engine.stacks import check_stack
from bigstack.kernels.depth.blocks import DepthBlocks, block_side
from bigstack.kernels.depth.recipe import REFINE, recipe_of
from bigstack.kernels.depth.stream import DepthStream, streams
from bigstack.kernels.depth.units import uneven
from bigstack.names import DepthMeasure, Peak, Priority, Quality, Refinement


def depth_from_focus(
    stack: xr.DataArray,
    *,
    measure: DepthMeasure = "tree",
    focus_options: Mapping[str, Any] | None = None,
    smoothing: float = 0.0,
    peak: Peak = "mixed",
    refine: Refinement | Sequence[Refinement] = REFINE,
    focus_channel: str | int | list[str | int] | None = None,
    noise: float | None = None,
    radius: int = 24,
    step: float = 4.0,
    jump: float = 24.0,
    blur: float = 1.2,
    window: int = 7,
    fill: bool = False,
    priority: Priority = "best",
    quality: Quality = "full",
    tile: int | tuple[Any, Any] | None = None,
    memory_limit: int | str = DEFAULT_LIMIT,
) -> xr.Dataset:
    """Find the depth of every pixel from where it is sharp, lazily.

    By default evidence is gathered over a tree of six scales, from squared Laplacians set against the noise;
    it is regularised along paths from eight sides (Hirschmueller 2008, doi:10.1109/TPAMI.2007.1166), refined
    between frames by parabolas, by a median weighted by the colours of the pixels in focus (Zhang et al.
    2014, doi:10.1109/CVPR.2014.364), by an elastic sheet, torn at depth edges, through what is sure
    (Terzopoulos 1986, doi:10.1109/TPAMI.1986.4767807), and by total variation (Rudin et al. 1992,
    doi:10.1016/0167-2789(92)90242-F). docs/depth.md compares the choices.

    The result is defined on canonical blocks, so no tile, chunk, worker or region ever changes a bit of it.
    Blocks hold all frames. With one focus measure, a `peak` of three values and no refinement but
    ``diamond``, frames are looked at one after the other instead: tiles of any size, memory that does not
    grow with the frames. If `noise` is not given it is then taken, at once, from the middle of eight frames.

    Parameters
    ----------
    stack
        Lazy stack (z, y, x, channel) of uint8, uint16 or float32, as `bigstack.open_stack` gives; z need
        not be evenly spaced. NaN and infinite pixels are no data, as in `bigstack.fuse`.
    measure
        ``"tree"``, or the name of a focus measure (`bigstack.kernels.focus.MEASURES`) that is the evidence by
        itself.
    focus_options
        Options of that measure, such as ``{"window": 9}``.
    smoothing
        Standard deviation in pixels of a Gaussian over that measure's maps, up to 32.
    peak
        Depth between frames: ``integer``, the best frame; ``parabola``, through three values; ``gaussian``,
        through their logarithms; ``curve``, a Gaussian fitted to all frames by least squares (Guo 2011,
        doi:10.1109/MSP.2011.941846); ``mixed``, of energy where it is strong and of the tree's posterior
        where noise rules. All take z as it is, evenly spaced or not.
    refine
        Steps, by name. Of the volume of evidence, in this order: ``guided``, its costs filtered along the
        edges of the image in focus; ``sgm``, paths from eight sides; ``graph_cut``, labels of least energy by
        alpha-expansion (a hundred times slower). Then of the map, as they are listed: ``median``, of
        `radius`; ``diamond``, a small exact one of `window`; ``tv``, total variation; ``defocus``, fits of
        how far the image in focus must be blurred to give the frames; ``diffusion``, the sheet. Or ``none``.
    focus_channel
        Channel, or channels, by name or number, that focus is measured on; all when not given.
    noise
        Standard deviation of the pixels' noise in grey levels; found in each block when not given.
    radius
        Pixels that the weighted median reaches; 0 leaves it out.
    step, jump
        Prices of a depth that differs from a neighbour's by one frame, and by any number of frames, in units
        of the log likelihood. Larger ones make smoother maps.
    blur
        Growth of the blur's radius from one frame to the next, in pixels: `unobserved` depends on it, and how
        far around strong edges the ``tree`` looks for their fringes.
    window
        Pixels a side of the ``diamond``, odd, up to 31.
    fill
        Whether places without texture (`valid` False) get a depth diffused from those around them, weighted
        by confidence, instead of that of the refinements.
    priority
        Which of two surfaces at least three frames apart that are both in focus at one pixel is taken:
        the one with more evidence (``best``), or that of the lower (``near``) or higher (``far``) frame.
    quality
        ``full``, or ``fast``: depth of frames of half the size, in a third of the time.
    tile
        Pixels a side of the output tiles, or (y, x) of them; as `memory_limit` allows when not given.
        Multiples of the blocks (1024 pixels for up to 29 frames, 512 for up to 98) cost least.
    memory_limit
        Memory of one process, bytes or a text such as ``"2GB"``.

    Returns
    -------
    Dataset
        All (y, x): ``depth`` float32 in the units of z, between frames too; ``index`` uint16, the nearest
        frame; ``confidence`` float32, the share from 0 to 1 of the evidence that lies within 1.5 frames of
        the depth; ``sigma`` float32, the depth's standard deviation in the units of z; ``valid`` bool, False
        where there is no texture above the noise at any scale; ``unobserved`` bool, True where nearer
        objects' defocus covers the pixel in the frames that have it in focus.

    Raises
    ------
    InputError
        For an unknown channel, an impossible option, or a stack of another dtype.
    MemoryLimitError
        When one block of all frames does not fit `memory_limit`.

    Examples
    --------
    >>> from bigstack.synthetic import render_stack
    >>> scene = render_stack(depth="bump", shape=(96, 128), frames=6, seed=3)
    >>> found = depth_from_focus(scene.stack).compute()
    >>> bool(abs(found.depth - scene.truth.depth.compute()).median() < 0.1)
    True
    """
    limit = parse_bytes(memory_limit)

    def planner(fold: Any, source: Any, passes: int) -> Plan:
        return plan(fold, source, workers=available_workers(), memory_limit=limit, passes=passes)

    return depth_by(
        stack,
        Layout(tile=tile, planner=planner),
        focus_channel=focus_channel,
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
    )


def depth_by(
    stack: xr.DataArray,
    layout: Layout,
    *,
    focus_channel: str | int | list[str | int] | None = None,
    **options: Any,
) -> xr.Dataset:
    """`depth_from_focus` with a layout of the caller's, who wants to know its plan."""
    check_stack(stack)
    recipe = recipe_of(
        channels=channel_numbers(stack, focus_channel),
        positions=uneven(frame_positions(stack)),
        **options,
    )
    array = without_holes(stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data))
    fold: DepthStream | DepthBlocks
    if streams(recipe):
        sigma = noise_of_middle(as_source(array), recipe.channels, recipe.noise)
        fold = DepthStream(recipe, stack.sizes["z"], sigma)
    else:
        fold = DepthBlocks(block_side(stack.sizes["z"]), recipe)
    tiles = layout.first(fold, array)
    maps = depth_maps(stack, {name: tiles.output(name) for name in fold.outputs})
    attrs = {name: value for name, value in stack.attrs.items() if name not in ("audit", "files")}
    return xr.Dataset(maps, attrs=attrs)


def depth_options() -> tuple[str, ...]:
    """Names of the options of `depth_from_focus` that say how depth is found, not how it is computed."""
    others = ("stack", "focus_channel", "tile", "memory_limit")
    return tuple(name for name in inspect.signature(depth_from_focus).parameters if name not in others)

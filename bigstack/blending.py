"""The fusion methods that weigh frames: what `bigstack.fuse` calls for them."""

from __future__ import annotations

from typing import Any, get_args

import dask.array as da
import numpy as np

from bigstack.engine import statistics
from bigstack.engine.energy import largest_focus
from bigstack.engine.layout import Layout
from bigstack.errors import InputError, choose
from bigstack.kernels.focus import measure as find_measure
from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.fusion.blend import SoftBlend
from bigstack.kernels.fusion.depth_map import DepthMap
from bigstack.kernels.fusion.guided import Guided
from bigstack.kernels.fusion.wavelet import Wavelet
from bigstack.kernels.fusion.weighted import Weighted
from bigstack.names import BlendRule, Consistency, EnergyUnit, WeightRule

MOST_LEVELS = 6
"""Levels of detail at most: their halo is 256 pixels."""

MOST_SMOOTHING = 50
"""Standard deviation of a Gaussian over the focus at most: it reaches 200 pixels."""


def depth_map(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    *,
    measure: str = "sml",
    weights: WeightRule = "average",
    power: float = 12.0,
    temperature: float = 0.1,
    unit: EnergyUnit = "grey",
    smoothing: float = 0.0,
    diameter: int = 0,
    sigma_color: float = 25.0,
    sigma_space: float = 25.0,
    levels: int = 4,
    measure_options: dict[str, Any] | None = None,
) -> dict[str, da.Array]:
    """Frames weighed by their focus at every pixel, blended scale by scale.

    The depth map stack of the focusstack and shinestacker projects; the blend is that of Burt and Adelson
    1983, doi:10.1145/245.247. Frames are read twice.

    Parameters
    ----------
    measure, measure_options
        Focus measure (`bigstack.kernels.focus`) and its options.
    weights
        ``average``: in proportion to focus to the `power`; ``max``: all to the sharpest frame;
        ``softmax``: ``exp(power * focus / temperature)``. Where no frame has any focus, all weigh the same.
    power
        Exponent of the weights. Over 8 scenes of ``benchmarks/quality.py`` 4, 8 and 12 give 33.9, 35.5 and
        35.7 dB; shinestacker's measure ``log`` with power 1 gives 28.7 over all scenes.
    temperature
        Of the soft-max, in units of focus.
    unit
        What focus is counted in: grey levels of 8 bit, whatever the stack's dtype, or ``stack``, the largest
        focus of the whole stack, which takes one more pass over it. Floats count in their own units.
    smoothing
        Standard deviation in pixels of a Gaussian that focus is smoothed by, 0 for none.
    diameter
        Diameter in pixels of a bilateral filter over the focus, 0 for none.
    sigma_color, sigma_space
        Standard deviations of the bilateral filter, in units of focus and in pixels.
    levels
        Levels of detail of the pyramid that is blended; 0 blends the pixels themselves.
    """
    choose(weights, get_args(WeightRule), "weights")
    choose(unit, get_args(EnergyUnit), "unit")
    _positive(power=power, temperature=temperature, sigma_color=sigma_color, sigma_space=sigma_space)
    if not 0 <= diameter <= 63:
        raise InputError(f"diameter must be 0 to 63 pixels, got {diameter!r}")
    focus = _focus(measure, smoothing, measure_options)
    fold = DepthMap(
        focus, channels, weights, float(power), float(temperature), diameter,
        float(sigma_color), float(sigma_space), fitting_levels(stack, levels),
    )  # fmt: skip
    known = largest_focus(stack, focus, channels) if unit == "stack" else None
    tiles = layout.first(fold, stack, known=known)
    return {"image": tiles.output("image"), "index": tiles.output("index")}


def guided(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    *,
    window: int = 31,
    base_radius: int = 45,
    base_eps: float = 0.3,
    detail_radius: int = 7,
    detail_eps: float = 1e-6,
) -> dict[str, da.Array]:
    """Guided-filter fusion: base and detail layers with weights that follow each frame's edges.

    Li, Kang and Hu 2013, doi:10.1109/TIP.2013.2244222, with their parameters; made for two frames. Frames
    are read twice, stacks of floats once more before: their brightest pixel is white.

    Parameters
    ----------
    window
        Side in pixels of the mean that is a frame's base layer, odd; what is left is its detail.
    base_radius, detail_radius
        Radii in pixels of the guided filter of each layer's weights.
    base_eps, detail_eps
        Its regularisation, as a share of white squared: edges of more variance are followed.
    """
    _positive(base_eps=base_eps, detail_eps=detail_eps)
    if not (3 <= window <= 201 and window % 2):
        raise InputError(f"window must be an odd number of pixels from 3 to 201, got {window!r}")
    for name, radius in (("base_radius", base_radius), ("detail_radius", detail_radius)):
        if not 1 <= radius <= 100:
            raise InputError(f"{name} must be 1 to 100 pixels, got {radius!r}")
    floats = stack.dtype.kind == "f"
    white = 1.0 if floats else float(np.iinfo(stack.dtype).max)
    fold = Guided(channels, white, window, base_radius, float(base_eps), detail_radius, float(detail_eps))
    tiles = layout.first(fold, stack, known=statistics.maximum(stack) if floats else None)
    return {"image": tiles.output("image"), "index": tiles.output("index")}


def weighted(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    *,
    measure: str = "sml",
    smoothing: float = 2.0,
    power: float = 8.0,
    measure_options: dict[str, Any] | None = None,
) -> dict[str, da.Array]:
    """Every pixel the mean of all frames, each weighing as its focus to a power.

    As `select`, whose limit it is for a high power, but without its edges between frames, and with less
    noise. One pass over the frames.

    Parameters
    ----------
    measure, measure_options
        Focus measure (`bigstack.kernels.focus`) and its options.
    smoothing
        Standard deviation in pixels of the Gaussian that focus is smoothed by, 0 for none.
    power
        Exponent of focus: 4, 8 and 16 give 34.1, 35.5 and 35.7 dB over 8 scenes of ``benchmarks/quality.py``,
        8 the most where there is noise.
    """
    _positive(power=power)
    tiles = layout.first(Weighted(_focus(measure, smoothing, measure_options), channels, float(power)), stack)
    return {"image": tiles.output("image"), "index": tiles.output("index")}


def wavelet(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    *,
    levels: int = 5,
    consistency: Consistency = "full",
) -> dict[str, da.Array]:
    """The complex wavelet coefficients of the largest modulus, consistent over bands and neighbours.

    Forster et al. 2004, doi:10.1002/jemt.20092, on complex Daubechies wavelets of length 6. The lowest level
    is the mean of the frames. All channels take the coefficients of the same frames. Frames are read twice.

    Parameters
    ----------
    levels
        Levels of the transform, 1 to 6; 5 leaves a mean of one pixel in 32.
    consistency
        ``none``: each coefficient from the frame where it is largest; ``bands``: where two of a level's
        three bands agree on a frame, so does the third; ``full``: and so do most of 3 x 3 neighbours.
    """
    choose(consistency, get_args(Consistency), "consistency")
    if not 1 <= levels <= MOST_LEVELS:
        raise InputError(f"levels must be 1 to {MOST_LEVELS}, got {levels!r}")
    fold = Wavelet(channels, max(1, fitting_levels(stack, levels)), consistency)
    tiles = layout.first(fold, stack)
    return {"image": tiles.output("image"), "index": tiles.output("index")}


def blend(
    stack: da.Array,
    channels: tuple[int, ...],
    layout: Layout,
    *,
    rule: BlendRule = "all_channels",
    levels: int = 4,
    beta: float = 0.1,
) -> dict[str, da.Array]:
    """A soft-max of the frames' gradients at every level of a Laplacian pyramid.

    For two frames the rule of a two-image blending script: ``s = 1 / (1 + exp(-beta * clip(B, -50, 50)))``
    with B the difference of their second differences in x and y, summed over 3 x 3 pixels; s of the one
    and 1 - s of the other. A soft-max of those sums is the same rule for any number of frames; what a frame
    lags behind the largest counts to 50 at most. Frames are read twice, for ``laplacian`` and ``mask`` three
    times.

    Parameters
    ----------
    rule
        ``all_channels``: one weight, by the gradients of all channels together; ``by_channel``: each channel
        by its own; ``laplacian``: one weight, by the signed Laplacian, smoothed by a Gaussian of 3 pixels (an
        older rule of the script, large where the image is dark rather than sharp);
        ``mask``: all from the frame of the largest gradients, of which most in a neighbourhood of 3, 5, 9,
        19 and 35 pixels, coarse to fine, decide: the median filter of a mask, for any number of frames.
    levels
        Levels of detail; 0 blends the pixels themselves.
    beta
        Inverse temperature, one over grey levels of 8 bit; floats count in their own units.
    """
    choose(rule, get_args(BlendRule), "rule")
    _positive(beta=beta)
    if rule == "by_channel" and channels:
        raise InputError("rule 'by_channel' measures every channel by itself, so it takes no focus_channel")
    scale = 1 / 257 if stack.dtype == np.uint16 else 1.0
    fold = SoftBlend(channels, rule, fitting_levels(stack, levels), float(beta), scale)
    tiles = layout.first(fold, stack)
    return {"image": tiles.output("image"), "index": tiles.output("index")}


def fitting_levels(stack: da.Array, levels: int) -> int:
    """Levels of detail that an image has room for, of those wanted."""
    if not 0 <= levels <= MOST_LEVELS:
        raise InputError(f"levels must be 0 to {MOST_LEVELS}, got {levels!r}")
    return min(levels, max(0, int(np.log2(min(stack.shape[1:3])))))


def _focus(measure: str, smoothing: float, options: dict[str, Any] | None) -> FocusMap:
    if not 0 <= smoothing <= MOST_SMOOTHING:
        raise InputError(f"smoothing must be 0 to {MOST_SMOOTHING} pixels, got {smoothing!r}")
    checked = find_measure(measure).check(options or {})
    return FocusMap(measure, tuple(sorted(checked.items())), smoothing=float(smoothing))


def _positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < float("inf"):
            raise InputError(f"{name} must be a positive number, got {number!r}")

"""Alignment of the frames of a stack: estimated once as a value, applied lazily as frames are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import xarray as xr

from bigstack.engine.channels import Channels, channel_numbers
from bigstack.engine.plan import parse_bytes
from bigstack.engine.register import MISALIGNED, MODES, Misaligned, Mode, RegisterOptions, register
from bigstack.engine.sources import as_source
from bigstack.engine.warped import WarpedSource
from bigstack.errors import InputError, choose
from bigstack.geometry import Tile
from bigstack.geometry.alignment import Alignment
from bigstack.io.lazy import lazy_array
from bigstack.io.source import Source
from bigstack.kernels.registration.coarse import METHODS, Method, PairOptions
from bigstack.kernels.registration.features import FeatureOptions
from bigstack.kernels.registration.models import MODELS, Model, motions_of
from bigstack.kernels.registration.plausible import Limits
from bigstack.kernels.warp import Border, Interpolation, WarpOptions
from bigstack.names import STACK_DIMS

REFERENCES = ("first", "middle", "last")


def estimate_alignment(
    stack: xr.DataArray,
    *,
    method: Method = "auto",
    model: Model = "similarity",
    reference: str | int = "middle",
    mode: Mode = "global",
    refine: bool = True,
    channel: Channels = None,
    limits: Limits | None = None,
    smooth_scale: bool = False,
    on_misaligned: Misaligned = "error",
    features: FeatureOptions | None = None,
    patch_size: int = 48,
    patches: int = 64,
    memory: int | str = "512 MB",
) -> Alignment:
    """Find how the frames of a stack lie on one another.

    Every frame is read once and reduced; neighbours are registered from nothing on the reduced frames, then
    measured on textured patches, at full resolution in the end; more distant pairs are measured as well, and
    one robust solution is found for all. So a large frame costs little more than a small one, and
    errors do not add up over many frames. This runs at once, on dask's current scheduler.

    Phase correlation is that of Reddy and Chatterji 1996, doi:10.1109/83.506761, the correlation
    coefficient that of Evangelidis and Psarakis 2008, doi:10.1109/TPAMI.2008.113; weights are those of
    Holland and Welsch 1977, doi:10.1080/03610927708827533.

    Parameters
    ----------
    stack
        Stack (z, y, x, channel) of uint8, uint16 or float32.
    method
        How a pair is found from nothing. ``"auto"``: phase correlation with scale and rotation, climbed by
        the correlation coefficient, key points where that is in doubt; ``"phase"``, ``"ecc"``,
        ``"features"``: that one alone.
    model
        What a frame may do: ``"translation"``; ``"similarity"``, with scale and rotation; ``"affine"``;
        ``"homography"``.
    reference
        The frame that stays: ``"first"``, ``"middle"``, ``"last"`` or its number; negative ones count from
        the end.
    mode
        ``"global"``: pairs of near and distant frames, solved together; ``"chain"``: neighbour to neighbour,
        composed; ``"direct"``: each frame to the reference.
    refine
        Measure patches after the method. False takes what the method gives.
    channel
        Channel, or channels, by name or number, to align by; all when not given. All are moved alike.
    limits
        What is plausible; a frame beyond them is refused. A limit of 0 (of 1 for the scale) forbids a motion.
    smooth_scale
        Let the scale follow a smooth curve through z, as focus breathing does.
    on_misaligned
        What to do with frames that cannot be aligned: ``"error"`` names them; ``"interpolate"`` gives those
        that nothing could be measured of (black, blurred) their neighbours' transform, and leaves out those
        that were measured beyond the limits; ``"drop"`` leaves out all of them.
    features
        Options of key points.
    patch_size
        Side of a patch in pixels.
    patches
        Most patches for each pair and resolution.
    memory
        Grey frames to keep in memory, bytes or a text; of a larger stack patches are read again.

    Returns
    -------
    Alignment
        Transforms in absolute pixels (`bigstack.geometry.transform` says from where to where), with residual,
        standard error, inliers and flags for each frame. A stack that lies right already comes back as the
        exact identity.

    Raises
    ------
    InputError
        For an option that has no meaning, and, with ``on_misaligned="error"``, for frames that cannot be
        aligned.

    Notes
    -----
    The standard error counts noise and, pair by pair, what changing blur may do. Where nothing is sharp
    over most of a frame, as at the ends of a deep stack, the far corner is known the less; the error says
    so.

    Examples
    --------
    >>> from bigstack.synthetic import render_stack
    >>> moved = render_stack(frames=5, shape=(200, 240), channels=1, breathing=0.02, blur_per_frame=0.3)
    >>> alignment = estimate_alignment(moved.stack, reference="middle")
    >>> [round(frame.transform.decompose(alignment.shape)["scale"], 2) for frame in alignment.frames]
    [0.99, 1.0, 1.0, 1.0, 1.01]
    """
    source = _source(stack)
    choose(method, METHODS, "alignment method")
    choose(model, MODELS, "alignment model")
    choose(mode, MODES, "alignment mode")
    choose(on_misaligned, MISALIGNED, "on_misaligned")
    if not 16 <= patch_size <= 256:
        raise InputError(f"patch_size must be 16 to 256 pixels, got {patch_size}")
    if not 8 <= patches <= 10_000:
        raise InputError(f"patches must be 8 to 10000, got {patches}")
    limits = (limits or Limits()).checked()
    pair = PairOptions(
        method=method,
        model=model,
        motions=motions_of(model, limits.fixed),
        fixed=limits.fixed,
        refine=refine,
        size=patch_size,
        count=patches,
        features=(features or FeatureOptions()).checked(),
    )
    options = RegisterOptions(
        reference=reference_number(reference, source.shape[0]),
        mode=mode,
        pair=pair,
        limits=limits,
        smooth_scale=smooth_scale,
        on_misaligned=on_misaligned,
        channels=channel_numbers(stack, channel, "channel to align by"),
        memory=parse_bytes(memory),
    )
    return register(source, options, frame_names(stack))


def apply_alignment(
    stack: xr.DataArray,
    alignment: Alignment,
    *,
    interpolation: Interpolation = "cubic",
    border: Border = "replicate",
    border_value: float = 0.0,
    border_blur: float = 50.0,
    crop: bool = False,
) -> xr.DataArray:
    """Resample a stack into alignment, lazily; dropped frames are left out.

    Tiles of the result agree to the bit however it is cut. Pixels that a frame has no data for are made up
    by the border rule and marked: fusion never lets them win.

    Parameters
    ----------
    stack
        Stack (z, y, x, channel).
    alignment
        Of these frames, as `estimate_alignment` gave it or `Alignment.from_json` read it.
    interpolation
        ``"linear"``, ``"cubic"`` or ``"lanczos"`` (8 pixels wide, on places rounded to 1/32 px).
    border
        What pixels outside a frame get: ``"constant"``, ``"replicate"`` the nearest pixel,
        ``"replicate-blur"`` the frame's blurred rim, ``"reflect"``.
    border_value
        Value of ``"constant"``, in the units of the pixels.
    border_blur
        Standard deviation of the rim's blur in pixels.
    crop
        Keep only the largest rectangle that every frame has data for.

    Returns
    -------
    DataArray
        As `stack`, in its dtype; the very same pixels where nothing moves.

    Raises
    ------
    InputError
        When the alignment is of other frames, or frames to crop have nothing in common.

    Examples
    --------
    >>> import dask.array as da
    >>> import xarray as xr
    >>> stack = xr.DataArray(da.ones((3, 8, 8, 1), dtype="uint8"), dims=("z", "y", "x", "channel"))
    >>> apply_alignment(stack, Alignment.identity((8, 8), 3)).shape
    (3, 8, 8, 1)
    """
    source = _source(stack)
    if not isinstance(alignment, Alignment):
        raise InputError(f"expected an Alignment, got {type(alignment).__name__} {alignment!r:.60}")
    options = WarpOptions(interpolation, border, float(border_value), float(border_blur)).checked()
    canvas = alignment.common_tile() if crop else Tile(0, source.shape[1], 0, source.shape[2])
    warped = WarpedSource(source, alignment, options, canvas)
    if alignment.is_identity:
        return stack
    # Transparency counts through `Source.valid`; as a coordinate it would lie where the frame lay.
    stack = stack.drop_vars("alpha", errors="ignore")
    chosen = stack.isel(z=list(alignment.kept), y=canvas.slices[0], x=canvas.slices[1])
    side = int(max(stack.data.chunksize[1:3])) if isinstance(stack.data, da.Array) else max(source.chunks)
    found = chosen.copy(data=lazy_array(warped, tile=side))
    if frame_names(stack):
        found.attrs["files"] = [stack.attrs["files"][z] for z in alignment.kept]
    return found


def reference_number(reference: str | int, frames: int) -> int:
    """Number of the reference frame.

    Examples
    --------
    >>> [reference_number(which, 7) for which in ("first", "middle", "last", -2, "5")]
    [0, 3, 6, 5, 5]
    """
    named = {"first": 0, "middle": frames // 2, "last": frames - 1}
    if reference in named:
        return named[str(reference)]
    text = str(reference)
    if not text.lstrip("-").isdigit():
        choose(text, REFERENCES, "reference")
    number = int(text)
    if not -frames <= number < frames:
        raise InputError(f"the reference must be a frame from 0 to {frames - 1}, got {reference}")
    return number % frames


def frame_names(stack: xr.DataArray) -> list[str] | None:
    """What to call the frames in messages: their files where the stack knows one for each."""
    files = stack.attrs.get("files", ())
    return [Path(file).name for file in files] if len(files) == stack.sizes["z"] else None


def _source(stack: xr.DataArray) -> Source:
    if not isinstance(stack, xr.DataArray) or stack.dims != STACK_DIMS:
        found: Any = getattr(stack, "dims", type(stack).__name__)
        raise InputError(f"a stack is a DataArray with dims {STACK_DIMS}, got {found}")
    return as_source(stack.data if isinstance(stack.data, da.Array) else da.from_array(stack.data))

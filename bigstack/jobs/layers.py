"""Frames and results as the layers of one TIFF, for retouching by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bigstack.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from bigstack.io.writers.layered_tiff import Layer

Bits = Literal[8, 16]


@dataclass
class LayersJob:
    """Everything `bigstack layers` can be told."""

    inputs: tuple[Path, ...]
    output: Path
    bits: Bits | None = None
    hide: bool = False
    """Whether all layers but the top one are hidden at first."""
    alignment: Path | None = None
    """Saved alignment, for the inputs that have as many frames."""
    apply: dict[str, Any] = field(default_factory=dict)
    """Options of `apply_alignment`."""
    reading: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    keep_gps: bool = False


@dataclass
class LayersResult:
    """What was written."""

    output: Path
    names: list[str]
    shape: tuple[int, ...]
    dtype: str
    seconds: float

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        height, width = self.shape[:2]
        names = [f"  {name}" for name in reversed(self.names)] if verbose else []
        return [
            f"wrote {self.output}: {len(self.names)} layers of {height} x {width}, {self.dtype}, "
            f"{self.output.stat().st_size / 1e6:.1f} MB, in {self.seconds:.1f} s",
            *names,
        ]


@dataclass
class _Share:
    """How far the writing is, as `bigstack.engine.store.Progress` tells it."""

    pixels: int
    share: float = 0.0


def layer_file(job: LayersJob, *, watch: Callable[[Any], None] = lambda progress: None) -> LayersResult:
    """Run `job`.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    from bigstack.jobs.stack import open_inputs

    started = time.perf_counter()
    given: dict[str, Any] = {}
    for path in job.inputs:
        stack = open_inputs((path,), job.reading)
        given[_unused(_stem(path), given)] = stack
    if job.alignment is not None:
        given = _aligned(given, job)
    names, spec = _write(
        given, job.output, bits=job.bits, hide=job.hide, overwrite=job.overwrite, keep_gps=job.keep_gps,
        watch=watch,
    )  # fmt: skip
    return LayersResult(job.output, names, spec.shape, spec.dtype, time.perf_counter() - started)


def write_layers(
    layers: Mapping[str, xr.DataArray | np.ndarray] | xr.DataArray,
    path: str | os.PathLike[str],
    *,
    bits: Bits | None = None,
    hide: bool = False,
    overwrite: bool = False,
    keep_gps: bool = False,
) -> list[str]:
    """Write images and frames as the layers of one TIFF, as Photoshop, GIMP and Affinity open it.

    Other programs see the composite: what the layers look like together.

    Parameters
    ----------
    layers
        Images (y, x) or (y, x, channel) and stacks (z, y, x, channel), each frame a layer, by name, bottom
        to top; or one stack. All of one height and width, grey or RGB, uint8 or uint16, lazy or not. Frames
        are named after their files where they have any. Where a frame is transparent, or an alignment
        has no data for it, so is its layer.
    path
        ``.tif``.
    bits
        8 or 16 for all layers; as many as the deepest has when not given.
    hide
        Hide all layers but the top one at first.
    overwrite
        Whether a file that is there already may be replaced.
    keep_gps
        Whether EXIF and XMP go on to say where the picture was taken.

    Returns
    -------
    list of str
        Names of the layers, bottom to top.

    Raises
    ------
    FormatError
        For float images, other channels, or more than a TIFF holds (4 GiB): the message has the way out.
    InputError
        For images of different sizes.

    Examples
    --------
    >>> import tempfile
    >>> frames = np.zeros((2, 8, 8, 3), np.uint8)
    >>> write_layers({"frames": frames, "fused": frames[0]}, tempfile.mkdtemp() + "/layers.tif")
    ['frames 0', 'frames 1', 'fused']
    """
    given = layers if isinstance(layers, Mapping) else {"frame": layers}
    names, _ = _write(
        dict(given), path, bits=bits, hide=hide, overwrite=overwrite, keep_gps=keep_gps, watch=lambda p: None
    )
    return names


def _write(
    given: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    bits: Bits | None,
    hide: bool,
    overwrite: bool,
    keep_gps: bool,
    watch: Callable[[Any], None],
) -> tuple[list[str], Any]:
    from bigstack.io.writers.layered_tiff import LayeredTiff
    from bigstack.io.writers.spec import spec_of

    stacks = {name: _as_stack(name, value) for name, value in given.items()}
    if not stacks:
        raise InputError("no layer was given; give at least one image or stack")
    _check_alike(stacks)
    dtype = _dtype(stacks, bits)
    channels = max(stack.sizes["channel"] for stack in stacks.values())
    top = list(stacks.values())[-1]
    layers = [
        layer
        for name, stack in stacks.items()
        for layer in _layers(name, stack, dtype, channels, len(stacks))
    ]
    if hide:
        layers = [*(replace(layer, visible=False) for layer in layers[:-1]), layers[-1]]
    seen = [layer for layer in layers if layer.visible]
    opaque = any(layer.alpha is None for layer in seen)
    spec = replace(
        spec_of(top[0], keep_gps=keep_gps),
        shape=(top.sizes["y"], top.sizes["x"], channels + (not opaque)),
        dtype=dtype.name,
        channels=(),
    )
    progress = _Share(len(layers) * top.shape[1] * top.shape[2])

    def done(share: float) -> None:
        progress.share = share
        watch(progress)

    LayeredTiff(path, spec, overwrite=overwrite).write(layers, done=done)
    return [layer.name for layer in layers], spec


def _as_stack(name: str, value: Any) -> xr.DataArray:
    """The value as (z, y, x, channel), lazy."""
    import dask.array as da
    import xarray as xr

    if isinstance(value, np.ndarray):
        dims = {2: ("y", "x"), 3: ("y", "x", "channel"), 4: ("z", "y", "x", "channel")}.get(value.ndim)
        if dims is None:
            raise InputError(
                f"layer {name!r} has {value.ndim} dims; expected (y, x), (y, x, channel) or a stack"
            )
        value = xr.DataArray(value, dims=dims)
    if not isinstance(value, xr.DataArray):
        raise InputError(f"layer {name!r} is a {type(value).__name__}; expected a DataArray or a NumPy array")
    if not {"y", "x"} <= set(value.dims) <= {"z", "y", "x", "channel"}:
        raise InputError(f"layer {name!r} has dims {value.dims}; expected (y, x), (y, x, channel) or a stack")
    for dim in ("z", "channel"):
        if dim not in value.dims:
            value = value.expand_dims(dim)
    value = value.transpose("z", "y", "x", "channel")
    return value if isinstance(value.data, da.Array) else value.copy(data=da.from_array(value.data))


def _check_alike(stacks: Mapping[str, xr.DataArray]) -> None:
    (first, base), *others = stacks.items()
    for name, stack in others:
        if stack.shape[1:3] != base.shape[1:3]:
            found, wanted = (f"{s.shape[2]} x {s.shape[1]}" for s in (stack, base))
            raise InputError(
                f"layer {name!r} is {found}, {first!r} is {wanted}; layers must be of one size: apply the "
                "same alignment and crop to all (--alignment, --crop)"
            )
    for name, stack in stacks.items():
        if stack.sizes["channel"] not in (1, 3):
            raise InputError(
                f"layer {name!r} has {stack.sizes['channel']} channels; layers are grey or RGB: choose some "
                "(channel=, --channel)"
            )
        if stack.dtype not in (np.uint8, np.uint16):
            raise InputError(
                f"layer {name!r} is {stack.dtype}; layers are uint8 or uint16: scale it to one of them first"
            )


def _dtype(stacks: Mapping[str, xr.DataArray], bits: Bits | None) -> np.dtype:
    if bits not in (None, 8, 16):
        raise InputError(f"bits of layers are 8 or 16, got {bits!r}")
    deepest = max(stack.dtype.itemsize for stack in stacks.values()) * 8
    return np.dtype(np.uint8 if (bits or deepest) == 8 else np.uint16)


def _layers(name: str, stack: xr.DataArray, dtype: np.dtype, channels: int, inputs: int) -> list[Layer]:
    from bigstack.io.writers.layered_tiff import Layer

    count = stack.sizes["z"]
    files = [Path(str(f)).stem for f in stack.coords["file"].values] if "file" in stack.coords else []
    if not files or len(set(files)) < count:
        width = len(str(count - 1))
        files = [name] if count == 1 else [f"{name} {z:0{width}d}" for z in range(count)]
    made = (_readers(stack, z, dtype, channels) for z in range(count))
    return [Layer(text, read, alpha) for text, (read, alpha) in zip(files, made, strict=True)]


def _readers(stack: xr.DataArray, z: int, dtype: np.dtype, channels: int) -> tuple[Any, Any]:
    """How to read rows of a frame, and of its opacity where it has any."""
    from bigstack.engine.sources import as_source
    from bigstack.io.writers.layered_tiff import BAND

    source = as_source(stack.data)
    columns = slice(0, source.shape[2])
    opacity = stack.coords["alpha"].data[z] if "alpha" in stack.coords else None

    def read(rows: slice) -> np.ndarray:
        pixels = converted(source.read(z, rows, columns), dtype)
        return pixels if pixels.shape[2] == channels else pixels.repeat(channels, axis=2)

    def alpha(rows: slice) -> np.ndarray:
        if opacity is not None:
            return converted(np.asarray(opacity[rows].compute(scheduler="synchronous")), dtype)
        found = source.valid(z, rows, columns)
        shape = rows.stop - rows.start, source.shape[2]
        full = np.iinfo(dtype).max
        return np.full(shape, full, dtype) if found is None else (found * full).astype(dtype)

    def full() -> bool:
        bands = (slice(y, min(y + BAND, source.shape[1])) for y in range(0, source.shape[1], BAND))
        found = (source.valid(z, rows, columns) for rows in bands)
        return all(part is None or part.all() for part in found)

    opaque = opacity is None and (not source.masked or full())
    return read, None if opaque else alpha


def converted(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Change between 8 and 16 bits, full range to full range, rounded.

    Examples
    --------
    >>> converted(np.array([0, 128, 255], np.uint8), np.dtype("uint16")).tolist()
    [0, 32896, 65535]
    """
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _aligned(given: dict[str, Any], job: LayersJob) -> dict[str, Any]:
    from bigstack.align import apply_alignment
    from bigstack.jobs.align import read_alignment

    assert job.alignment is not None
    alignment = read_alignment(job.alignment)
    fits = [name for name, stack in given.items() if stack.sizes["z"] == len(alignment)]
    if not fits:
        found: Sequence[str] = [f"{name}: {stack.sizes['z']}" for name, stack in given.items()]
        raise InputError(
            f"{job.alignment} is for {len(alignment)} frames, and no input has as many ({', '.join(found)})"
        )
    return {
        name: apply_alignment(stack, alignment, **job.apply) if name in fits else stack
        for name, stack in given.items()
    }


def _stem(path: Path) -> str:
    name = path.absolute().name
    stem = name.removesuffix(path.suffix) if not path.is_dir() or path.suffix == ".zarr" else name
    return stem.removesuffix(".ome") or name


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    number, tried = 1, name
    while tried in taken:
        number += 1
        tried = f"{name}-{number}"
    return tried

"""Open what is on disk as a lazy stack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bigstack.errors import InputError, StackError
from bigstack.geometry import PixelSize
from bigstack.io.find import FAMILIES, PathLike, frames_in, is_pattern, matching
from bigstack.io.metadata import header_attributes
from bigstack.io.opened import MAX_PIXELS, Opened, ReadOptions
from bigstack.io.places import AnyPath, place_of
from bigstack.io.remote import RemotePath
from bigstack.io.zarr_meta import is_zarr

if TYPE_CHECKING:
    import xarray as xr

Paths = PathLike | RemotePath | Sequence[PathLike | RemotePath]


def open_stack(
    paths: Paths,
    *,
    pixel_size: float | Sequence[float] | PixelSize | None = None,
    z: float | Sequence[float] | None = None,
    channel: int | str | Sequence[int | str] | None = None,
    every: int = 1,
    start: int | None = None,
    stop: int | None = None,
    reverse: bool = False,
    scene: int | str | None = None,
    level: int | None = None,
    time: int | None = None,
    axes: str | None = None,
    dtype: Literal["float32"] | None = None,
    skip_bad: bool = False,
    max_pixels: int = MAX_PIXELS,
    raw_white_balance: str | Sequence[float] = "camera",
    raw_half_size: bool = False,
) -> xr.DataArray:
    """Open a stack of frames lazily: no pixel is read before it is needed.

    Parameters
    ----------
    paths
        A folder of frames (JPEG, PNG, TIFF, BMP, WebP, RAW; sorted so that f2 comes before f10), a pattern
        such as ``img_*.jpg``, a list of frames (in its order), a TIFF, OME-TIFF or ImageJ hyperstack, an
        OME-Zarr (0.4 or 0.5), a Zarr array, or an xarray Zarr store. The Zarr kinds also from S3 and HTTP:
        ``s3://bucket/stack.ome.zarr``, ``https://host/stack.ome.zarr`` (extra ``s3``).
    pixel_size
        Micrometres of a pixel, instead of what the file says: one number, (y, x) or (z, y, x).
    z
        Position of each frame as it lies on disk, in micrometres, or one number: their distance.
    channel
        Channels to keep, by name or number; all when None. Others are not read where storage allows.
    every, start, stop, reverse
        Which frames to keep, counted as they lie on disk; `reverse` turns what remains around. Frames keep
        their own z.
    scene
        Image of a file that holds several, or variable of an xarray store, by name or number.
    level
        Resolution level of a multiscale file; 0 is the full one.
    time
        Time point of a file that has several.
    axes
        Names of the dims that have more than one element, such as ``"zyx"``, where the file does not say.
    dtype
        "float32" reads pixels that a stack cannot hold exactly, such as uint32, rounded to float32.
    skip_bad
        Go on without frames that are damaged or unlike the others; ``attrs["audit"]`` names them.
    max_pixels
        Most pixels that may have to be decoded at once, against decompression bombs.
    raw_white_balance
        Of RAW photographs, which are developed alike, to 16 bits: ``"camera"``, what the first frame's
        camera set; ``"daylight"``; ``"auto"``, that which makes the first frame grey in the mean; or factors
        of red, green and blue.
    raw_half_size
        Develop RAW photographs at half the size, a pixel from each 2 x 2 of the sensor; much faster.

    Returns
    -------
    xarray.DataArray
        Dims (z, y, x, channel); uint8, uint16 or float32 as stored. Coordinates z, y, x in micrometres where
        sizes are known (pixel i of y lies at i times the pixel size), else in frames and pixels; `channel`
        names; where frames have a file each, `file` (z) is its path. Frames with transparency have a
        coordinate `alpha` (z, y, x), and where it is 0 nothing counts.
        Attributes: `units`, `pixel_size` ([z, y, x] or None), `source`, `files`, `audit` (what was checked
        and left out), for a map that bigstack wrote the `unit` of its values and, as base64 text where the
        first frame carries them, `icc_profile`, `exif` and `xmp` (`bigstack.io.metadata` has those of
        others), `ome` (`bigstack.io.ome_facts`). EXIF orientation is applied.

    Raises
    ------
    StackError
        Naming every frame that is missing, damaged, or unlike the others.
    StoreError
        When a server refuses, has no such bucket or does not answer.
    FormatError
        For something that is no stack, or of a dtype that would lose something.
    InputError
        For an option that does not fit what is there.

    Examples
    --------
    >>> import cv2, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for i in range(12):
    ...     written = cv2.imwrite(f"{folder}/f{i}.png", np.full((4, 6), i, np.uint8))
    >>> stack = open_stack(folder, pixel_size=0.5, every=2)
    >>> stack.sizes["z"], int(stack[1, 0, 0, 0]), float(stack.x[-1])
    (6, 2, 2.5)
    """
    options = ReadOptions(
        scene, level, time, axes, dtype, skip_bad, max_pixels,
        raw_white_balance if isinstance(raw_white_balance, str) else tuple(raw_white_balance), raw_half_size,
    )  # fmt: skip
    opened = open_any(paths, options)
    _only_for_raw(opened, options)
    if pixel_size is not None:
        opened.pixel_size = _given_size(pixel_size, opened.pixel_size)
    return stack_of(
        opened, options, every=every, start=start, stop=stop, reverse=reverse, z=z, channel=channel
    )


def open_any(paths: Paths, options: ReadOptions) -> Opened:
    """Find out what `paths` are and open them."""
    if options.max_pixels < 1:
        raise InputError(f"max_pixels must be at least 1, got {options.max_pixels}")
    if isinstance(paths, str | os.PathLike | RemotePath):
        return _open_one(place_of(paths), options)
    # Absolute, because tasks open them, maybe in processes that work in another folder.
    places = [place_of(path).absolute() for path in paths]
    if not places:
        raise InputError("an empty list of frames; give at least one")
    if len(places) == 1:
        return _open_one(places[0], options)
    listed = [place for place in places if isinstance(place, Path)]
    if len(listed) < len(places):
        raise InputError("a list of frames has to be on a disk; from S3 and HTTP one Zarr store is read")
    from bigstack.io.frames_open import open_frames

    _only_for_files(options, "a list of frames")
    return open_frames(listed, f"the list that starts with {listed[0]}", options)


def _open_one(place: AnyPath, options: ReadOptions) -> Opened:
    from bigstack.io.frames_open import open_frames

    if isinstance(place, RemotePath):
        return _open_remote(place, options)
    path = place.absolute()
    name = str(path)
    if is_pattern(path):
        _only_for_files(options, "a list of frames")
        return open_frames(matching(path), name, options)
    if not path.exists():
        raise StackError(f"{name} does not exist; give a folder, frames, a TIFF or a Zarr store")
    if path.is_dir():
        return _open_folder(path, name, options)
    if _is_tiff(path):
        from bigstack.io.tiff_open import open_tiff

        return open_tiff(name, options)
    _only_for_files(options, "a single frame")
    return open_frames([path], name, options)


def _open_remote(place: RemotePath, options: ReadOptions) -> Opened:
    """Open a Zarr store on a server; the only kind of stack that can be read from there in parts."""
    from bigstack.io.zarr_open import open_zarr

    if any(sign in place.name for sign in "*?[") or place.suffix[1:].lower() in FAMILIES:
        raise InputError(f"{place} is no Zarr store; {_COPY_FIRST}")
    try:
        return open_zarr(place, options)
    except StackError as error:
        if is_zarr(place) or place.bucket.read_only:
            raise
        raise StackError(_what_is_there(place)) from error


def _what_is_there(place: RemotePath) -> str:
    """Why a place in a bucket is no stack."""
    first = next(iter(place.files_below()), None)
    if first is None:
        return f"{place} does not exist; check bucket and name"
    if place.with_name(f"{place.name}.partial").is_dir():
        return f"{place} is unfinished: the run that writes it has to end first, or be run again"
    return f"{place} is no Zarr store (it holds {first[0]}); {_COPY_FIRST}"


_COPY_FIRST = (
    "from S3 and HTTP, Zarr stores are read; copy frames to a disk first, or there into a Zarr store with: "
    "bigstack convert FOLDER s3://BUCKET/STACK.ome.zarr"
)


def _open_folder(path: Path, name: str, options: ReadOptions) -> Opened:
    from bigstack.io.frames_open import open_frames
    from bigstack.io.zarr_open import open_zarr

    if is_zarr(path):
        return open_zarr(path, options)
    frames, others = frames_in(path)
    if len(frames) == 1 and _is_tiff(frames[0]):
        return _open_one(frames[0], options)
    _only_for_files(options, "a folder of frames")
    return open_frames(frames, name, options, left_aside=others)


def _is_tiff(path: Path) -> bool:
    from bigstack.io.files import ByteFile
    from bigstack.io.formats import format_in

    with ByteFile(path) as file:
        return format_in(file) == "TIFF"


def _only_for_files(options: ReadOptions, what: str) -> None:
    for name in ("scene", "level", "time", "axes"):
        if getattr(options, name) not in (None, 0):
            raise InputError(
                f"{name}={getattr(options, name)!r} was given, but {what} has no choice of {name}"
            )


def _only_for_raw(opened: Opened, options: ReadOptions) -> None:
    if opened.header is not None and opened.header.format == "RAW":
        return
    for name, usual in (("raw_white_balance", "camera"), ("raw_half_size", False)):
        if getattr(options, name) != usual:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{name} ({option}) develops RAW photographs; {opened.name} has none")


def _given_size(value: float | Sequence[float] | PixelSize, found: PixelSize | None) -> PixelSize:
    given = PixelSize.of(value if isinstance(value, PixelSize | int | float) else tuple(value))
    if given.z is None and found is not None:
        return replace(given, z=found.z)
    return given


def stack_of(
    opened: Opened,
    options: ReadOptions,
    *,
    every: int = 1,
    start: int | None = None,
    stop: int | None = None,
    reverse: bool = False,
    z: float | Sequence[float] | None = None,
    channel: int | str | Sequence[int | str] | None = None,
) -> xr.DataArray:
    """Make the lazy array of what was opened, with the frames and channels that are wanted."""
    import xarray as xr

    from bigstack.io.convert import ColourSource, alpha_of, usable
    from bigstack.io.lazy import lazy_array
    from bigstack.io.select import select_channels, select_frames

    positions, known = _positions(opened, z)
    frames = _frame_numbers(opened, every, start, stop, reverse)
    stored = select_frames(usable(opened.source, options.dtype, opened.name), frames)
    source = ColourSource(stored) if opened.alpha else stored
    names = _channel_names(opened, source.shape[3])
    chosen = _chosen_channels(channel, names, opened.name)
    source = select_channels(source, chosen)
    coords = _coordinates(opened, source.shape, positions[frames], known)
    coords["channel"] = ("channel", [names[i] for i in chosen])
    if (files := opened.frame_files) is not None:
        coords["file"] = ("z", [files[i] for i in frames])
    if opened.alpha:
        coords["alpha"] = (("z", "y", "x"), lazy_array(alpha_of(stored))[..., 0])
    attrs = _attributes(opened, positions[frames] if known else None)
    return xr.DataArray(
        lazy_array(source), dims=("z", "y", "x", "channel"), coords=coords, name="stack", attrs=attrs
    )


def _frame_numbers(
    opened: Opened, every: int, start: int | None, stop: int | None, reverse: bool
) -> list[int]:
    """Numbers, in the opened source, of the frames to keep."""
    if every < 1:
        raise InputError(f"every must be at least 1, got {every}")
    count = opened.source.shape[0]
    chosen = list(range(count))[slice(start, stop, every)]
    if not chosen:
        raise InputError(f"start={start}, stop={stop} leave no frame of the {count} in {opened.name}")
    return chosen[::-1] if reverse else chosen


def _coordinates(
    opened: Opened, shape: tuple[int, int, int, int], z: np.ndarray, known: bool
) -> dict[str, Any]:
    """Coordinates z, y, x in the units of the file, or in frames and pixels."""
    size = opened.pixel_size
    unit = "pixel" if size is None else size.unit
    z_unit = "frame" if not known else "micrometer" if size is None else size.unit
    return {
        "z": ("z", z, {"units": z_unit}),
        "y": ("y", np.arange(shape[1]) * (1.0 if size is None else size.y), {"units": unit}),
        "x": ("x", np.arange(shape[2]) * (1.0 if size is None else size.x), {"units": unit}),
    }


def _positions(opened: Opened, z: float | Sequence[float] | None) -> tuple[np.ndarray, bool]:
    """Position of each frame of the opened source, and whether it is a length and not just a number."""
    numbers = np.array(opened.audit.get("kept") or range(opened.source.shape[0]), float)
    distance = None if opened.pixel_size is None else opened.pixel_size.z
    if z is None:
        if opened.z is not None:
            return np.array(opened.z, float), True
        return numbers * (distance or 1.0), distance is not None
    given = np.atleast_1d(np.asarray(z, float))
    if not np.isfinite(given).all():
        raise InputError(f"z must be finite numbers, got {z!r}")
    if given.size == 1 and (numbers.size > 1 or np.ndim(z) == 0):
        if given[0] <= 0:
            raise InputError(f"the distance of frames must be positive, got {z!r}")
        return numbers * given[0], True
    all_frames = numbers.size + len(opened.audit.get("skipped", ()))
    if given.size not in (numbers.size, all_frames):
        raise InputError(f"z has {given.size} positions for {all_frames} frames in {opened.name}")
    return (given if given.size == numbers.size else given[numbers.astype(int)]), True


def _channel_names(opened: Opened, count: int) -> tuple[str, ...]:
    if opened.channels:
        return opened.channels
    if count == 1:
        return ("grey",)
    if count == 3 and opened.header is not None:
        return ("R", "G", "B")
    return tuple(str(i) for i in range(count))


def _chosen_channels(
    channel: int | str | Sequence[int | str] | None, names: tuple[str, ...], where: str
) -> list[int]:
    if channel is None:
        return list(range(len(names)))
    wanted = [channel] if isinstance(channel, int | str) else list(channel)
    chosen = [_channel_number(each, names, where) for each in wanted]
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"channel must name at least one channel, each once, got {channel!r}")
    return chosen


def _channel_number(wanted: int | str, names: tuple[str, ...], where: str) -> int:
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    text = str(wanted)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    listed = ", ".join(f"{i} ({name})" for i, name in enumerate(names))
    raise InputError(f"{where} has no channel {wanted!r}; it has {listed}")


def _attributes(opened: Opened, z: np.ndarray | None) -> dict[str, Any]:
    size = opened.pixel_size
    found: dict[str, Any] = {
        "units": "pixel" if size is None else size.unit,
        "pixel_size": None if size is None else [_distance(z, size.z), size.y, size.x],
        "source": opened.name,
        "files": opened.files,
        "audit": {key: value for key, value in opened.audit.items() if key != "kept"},
    }
    if opened.unit is not None:
        found["unit"] = opened.unit
    if opened.ome:
        found["ome"] = opened.ome
    return found if opened.header is None else found | header_attributes(opened.header)


def _distance(z: np.ndarray | None, usual: float | None) -> float | None:
    """Usual distance of frames at positions `z`; exactly that of the file where it is."""
    if z is None or len(z) < 2:
        return usual
    step = float(np.median(np.abs(np.diff(z))))
    return usual if usual is not None and abs(step - usual) <= 1e-9 * usual else step

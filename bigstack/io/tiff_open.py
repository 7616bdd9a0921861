"""Opening TIFF files: which page is which frame and channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bigstack.errors import FormatError, InputError, StackError
from bigstack.geometry import PixelSize
from bigstack.io import ifd
from bigstack.io.files import ByteFile, file_state
from bigstack.io.formats.header import FrameHeader, Unreadable
from bigstack.io.ome import OmeImage, read_ome
from bigstack.io.opened import Opened, ReadOptions, check_extent, check_piece, pick, unique_names
from bigstack.io.tiff import PlaneFile, TiffSource
from bigstack.io.tiff_format import COMPRESSIONS, PageFormat, check_complete, page_format, page_header
from bigstack.io.tiff_meta import tiff_pixel_size
from bigstack.io.value_unit import unit_in

_FRAME_AXES = "ZIQR"
CHECKS = ("missing", "truncated", "size", "dtype", "channels")


@dataclass(slots=True)
class TiffHead:
    """What the directories of a TIFF file say, checked, before tifffile looks at it."""

    path: str
    size: int
    mtime_ns: int
    pages: list[ifd.Directory]
    page: PageFormat
    header: FrameHeader
    description: str
    pixel_size: PixelSize | None
    problem: str = ""
    """What is wrong with the file after its last whole page."""

    @property
    def is_ome(self) -> bool:
        """True when the first page's description is OME-XML."""
        return self.description.rstrip().endswith("OME>")


def read_head(path: str, *, full: bool = False) -> TiffHead:
    """Read the directories and the first page's format; `Unreadable` says what is wrong."""
    size, mtime = file_state(path)
    with ByteFile(path) as file:
        pages, problem = ifd.read_directories(file)
        page = page_format(file, pages[0])
        header = page_header(file, pages[0], page, full=full)
        description = pages[0].text(file, ifd.DESCRIPTION)
        if len(pages) == 1:
            check_complete(file, pages[0], page)
        pixel_size = tiff_pixel_size(file, pages[0], description)
        return TiffHead(path, size, mtime, pages, page, header, description, pixel_size, problem)


@dataclass(slots=True)
class _Series:
    """Pages of one image at one resolution, as tifffile orders them."""

    axes: str
    shape: tuple[int, ...]
    places: list[tuple[str, int] | None]
    """File and directory of each page; None for one that is missing."""
    step: int
    """Bytes between the pixels of two planes that share a directory."""
    samples: int


@dataclass(slots=True)
class _Planes:
    """Number of the file, directory and shift (z, channel, 3) of each plane, see `TiffSource`."""

    planes: np.ndarray
    files: list[PlaneFile]


def open_tiff(path: str, options: ReadOptions) -> Opened:
    """Open one TIFF file: pages, an OME-TIFF or an ImageJ hyperstack."""
    try:
        head = read_head(path, full=True)
    except Unreadable as error:
        raise StackError(f"{path} cannot be used: {error}") from error
    if head.problem and not options.skip_bad:
        raise StackError(
            f"{path} is {head.problem}; get a whole copy, or use those with skip_bad=True (--skip-bad)"
        )
    images = read_ome(head.description, path) if head.is_ome else []
    series, scenes, scene, levels, level = _read_series(head, options)
    axes = _given_axes(options.axes, series, path) if options.axes else series.axes
    found = _planes(series, axes, options, path)
    page, audit = _check_planes(found, options, path)
    check_piece(math.prod(page.piece), options.max_pixels, path, "strip or tile")
    source = TiffSource(found.files, found.planes, page)
    check_extent(source.shape, path)
    opened = Opened(
        path, "OME-TIFF" if images else "multi-page TIFF" if source.shape[0] > 1 else "TIFF", source,
        alpha=page.alpha, pixel_size=head.pixel_size, header=head.header, audit=audit,
        unit=unit_in(head.description),
        scenes=scenes, scene=scene, levels=levels, level=level, storage=storage_of(page),
    )  # fmt: skip
    if head.problem:
        opened.audit["warnings"].append(f"the file is {head.problem}")
    if scene < len(images):
        _take_ome(opened, images[scene])
    _scale_to_level(opened)
    return opened


def storage_of(page: PageFormat) -> dict[str, Any]:
    """How pixels lie in the file, for people."""
    kind = "tile" if page.tiled else "strip"
    return {"compression": COMPRESSIONS[page.compression], kind: list(page.piece), "bits": page.bits}


def _take_ome(opened: Opened, image: OmeImage) -> None:
    opened.pixel_size = image.pixel_size or opened.pixel_size
    skipped = {entry["frame"] for entry in opened.audit.get("skipped", ())}
    if image.z is not None and len(image.z) == opened.source.shape[0] + len(skipped):
        opened.z = tuple(z for i, z in enumerate(image.z) if i not in skipped)
    opened.ome = image.facts
    if image.channels and len(image.channels) == opened.source.shape[3]:
        opened.channels = unique_names(list(image.channels))


def _scale_to_level(opened: Opened) -> None:
    if opened.level and opened.pixel_size:
        size, whole, reduced = opened.pixel_size, opened.levels[0], opened.levels[opened.level]
        opened.pixel_size = PixelSize(
            size.z, size.y * whole[0] / reduced[0], size.x * whole[1] / reduced[1], size.unit
        )


def _read_series(
    head: TiffHead, options: ReadOptions
) -> tuple[_Series, tuple[str, ...], int, tuple[tuple[int, int], ...], int]:
    """Let tifffile say which pages form which image; its every complaint becomes a `StackError`."""
    import tifffile

    try:
        with tifffile.TiffFile(head.path) as tiff:
            series = tiff.series
            names = tuple(s.name or str(i) for i, s in enumerate(series))
            scene = pick(options.scene, unique_names(list(names)), "scene", head.path)
            levels = series[scene].levels
            sizes = tuple((int(s.keyframe.imagelength), int(s.keyframe.imagewidth)) for s in levels)
            level = pick(options.level, tuple(f"{h} x {w}" for h, w in sizes), "level", head.path)
            return _series_facts(levels[level], head.path), names, scene, sizes, level
    except (InputError, StackError, MemoryError):
        raise
    except Exception as error:
        raise StackError(f"{head.path} is damaged, or no TIFF that can be read: {error}") from error


def _series_facts(series: Any, path: str) -> _Series:
    shape = tuple(int(n) for n in series.get_shape(squeeze=False))
    keyframe = series.keyframe
    count = math.prod(shape) // max(1, math.prod(keyframe.shape))
    if count > ifd.MOST_PAGES:
        raise StackError(f"{path} speaks of {count} pages")
    pages = list(series)
    # ImageJ writes planes one after the other and a directory for the first one only.
    virtual = len(pages) == 1 < count and series.dataoffset is not None
    if len(pages) != count and not virtual:
        raise StackError(f"{path} has {len(pages)} pages where its description speaks of {count}")
    places = [
        None if page is None else (str(page.parent.filehandle.path), int(page.offset)) for page in pages
    ]
    step = int(keyframe.nbytes) if virtual else 0
    samples = int(keyframe.samplesperpixel)
    return _Series(series.get_axes(squeeze=False), shape, places * (count if virtual else 1), step, samples)


def _given_axes(axes: str, series: _Series, path: str) -> str:
    """The axes that the option names, for the dims that have more than one element."""
    found, shape = series.axes, series.shape
    wanted, long = axes.upper(), [i for i, size in enumerate(shape) if size > 1]
    if len(wanted) == len(long) and len(set(wanted)) == len(wanted) and not set(wanted) - set("TCZYXS"):
        names = list(found)
        for i, name in zip(long, wanted, strict=True):
            names[i] = name
        if "".join(names[i] for i in long if found[i] in "YX") == "YX":
            return "".join(names)
    raise InputError(
        f"axes {axes!r} do not fit {path}: it has {found} of {shape}; name those of more than one element"
    )


def _planes(series: _Series, axes: str, options: ReadOptions, path: str) -> _Planes:
    """Order the pages by z and channel, at the time that was chosen."""
    leading = [(a, n) for a, n in zip(axes, series.shape, strict=True) if n > 1 and a not in "YXS"]
    count = len(series.places)
    if math.prod(n for _, n in leading) == count * series.samples and ("C", series.samples) in leading:
        leading.remove(("C", series.samples))  # the channels are the samples inside each page
    if math.prod(n for _, n in leading) != count:
        raise StackError(f"{path} has {count} pages, which do not fit axes {axes} of {series.shape}")
    files: dict[str, int] = {}
    table = np.full((count, 3), -1, np.int64)
    for i, place in enumerate(series.places):
        if place is not None:
            table[i] = files.setdefault(place[0], len(files)), place[1], i * series.step
    folder = Path(path).resolve().parent
    if any(Path(name).resolve().parent != folder for name in files):
        raise StackError(f"{path} names files in another folder, which is refused")
    planes = _by_frame_and_channel(table, leading, options, path)
    return _Planes(planes, [PlaneFile(name, *file_state(name)) for name in files])


def _by_frame_and_channel(
    table: np.ndarray, leading: list[tuple[str, int]], options: ReadOptions, path: str
) -> np.ndarray:
    sizes = tuple(n for _, n in leading)
    grid = table.reshape(*sizes, 3)
    names = [("Z" if a in _FRAME_AXES else a) for a, _ in leading]
    if "T" in names:
        axis = names.index("T")
        if options.time is None or not 0 <= options.time < sizes[axis]:
            raise InputError(
                f"{path} has {sizes[axis]} time points; choose one with time=0 to {sizes[axis] - 1}"
                + ("" if "Z" in names else ", or say that they are the frames with axes='zyx'")
            )
        grid = grid.take(options.time, axis=axis)
        names.pop(axis)
    elif options.time:
        raise InputError(f"{path} has one time point; leave time out, got {options.time}")
    if names.count("Z") > 1 or set(names) - {"Z", "C"}:
        raise FormatError(
            f"{path} has axes {''.join(a for a, _ in leading)}, of which z and channel are read"
        )
    for name in "ZC":
        if name not in names:
            grid, names = grid[None], [name, *names]
    return np.ascontiguousarray(grid.transpose(names.index("Z"), names.index("C"), 2))


def _check_planes(found: _Planes, options: ReadOptions, path: str) -> tuple[PageFormat, dict[str, Any]]:
    """Check that every plane is whole and like the first; leave out bad frames when that is allowed."""
    formats: list[PageFormat | None] = []
    bad: list[dict[str, Any]] = []
    handles = [ByteFile(file.path) for file in found.files]
    try:
        for z, frame in enumerate(found.planes):
            problem = None
            for number, at, shift in frame.tolist():
                try:
                    formats.append(_checked(handles, number, at, shift))
                except (Unreadable, StackError) as error:
                    problem = problem or str(error)
                    formats.append(None)
            if problem:
                bad.append({"frame": z, "name": f"frame {z}", "problem": problem})
    finally:
        for handle in handles:
            handle.__exit__(None, None, None)
    first = next((page for page in formats if page is not None), None)
    per_frame = found.planes.shape[1]
    for i, page in enumerate(formats):
        if first is not None and page is not None and _looks(page) != _looks(first):
            z = i // per_frame
            if z not in {entry["frame"] for entry in bad}:
                problem = f"{_words(page)}, the first is {_words(first)}"
                bad.append({"frame": z, "name": f"frame {z}", "problem": problem})
    bad.sort(key=lambda entry: entry["frame"])
    if first is None or (bad and not (options.skip_bad and len(bad) < len(found.planes))):
        lines = "\n".join(f"  {entry['name']}: {entry['problem']}" for entry in bad)
        raise StackError(
            f"{len(bad)} of {len(found.planes)} frames of {path} cannot be used:\n{lines}\n"
            "Get a whole copy of the file, or leave them out with skip_bad=True (--skip-bad)"
        )
    keep = [z for z in range(len(found.planes)) if z not in {entry["frame"] for entry in bad}]
    found.planes = found.planes[keep]
    record = {"frames": len(keep), "checked": list(CHECKS), "skipped": bad, "warnings": [], "kept": keep}
    return first, record


def _checked(handles: Sequence[ByteFile], number: int, at: int, shift: int) -> PageFormat:
    if at < 0:
        raise Unreadable("missing: the file's description names it, but no page holds it")
    file = handles[number]
    page = ifd.read_page(file, at)
    found = page_format(file, page)
    check_complete(file, page, found, shift)
    return found


def _looks(page: PageFormat) -> tuple[object, ...]:
    return page.height, page.width, page.channels, page.dtype, page.orientation, page.alpha


def _words(page: PageFormat) -> str:
    return f"{page.width} x {page.height} {page.dtype} with {page.channels} channels"

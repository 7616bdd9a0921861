"""What opening gives, whatever was opened: a source and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bigstack.errors import FormatError, InputError
from bigstack.geometry import PixelSize
from bigstack.io.formats.header import FrameHeader
from bigstack.io.source import Source

MAX_PIXELS = 1 << 28
"""Most pixels that are decoded at once, unless an option raises it."""
MAX_SIDE = 1 << 26
MAX_FRAMES = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What to take out of a file that holds several things, and how strict to be."""

    scene: int | str | None = None
    level: int | None = None
    time: int | None = None
    axes: str | None = None
    dtype: str | None = None
    skip_bad: bool = False
    max_pixels: int = MAX_PIXELS
    raw_white_balance: str | tuple[float, ...] = "camera"
    raw_half_size: bool = False


@dataclass(slots=True)
class Opened:
    """A stack on disk, before frames and channels are picked."""

    name: str
    """Path, for messages and the record."""
    kind: str
    """Such as "JPEG frames" or "OME-Zarr 0.5"."""
    source: Source
    """All stored channels; the last one is alpha when `alpha`."""
    channels: tuple[str, ...] = ()
    """Names of the channels without alpha; empty when the file has none."""
    alpha: bool = False
    pixel_size: PixelSize | None = None
    z: tuple[float, ...] | None = None
    """Position of each frame, when the file says more than a distance."""
    unit: str | None = None
    """Unit of the values, where they are no grey levels but a map's and bigstack wrote them."""
    header: FrameHeader | None = None
    """Header of the first frame, with its ICC profile, EXIF and XMP."""
    audit: dict[str, Any] = field(default_factory=dict)
    scenes: tuple[str, ...] = ()
    scene: int = 0
    levels: tuple[tuple[int, int], ...] = ()
    """Height and width of each resolution level."""
    level: int = 0
    storage: dict[str, Any] = field(default_factory=dict)
    """Codec, chunks and the like, for people."""
    ome: dict[str, Any] = field(default_factory=dict)
    """What a microscope said: see `bigstack.io.ome_facts`."""

    @property
    def frame_files(self) -> list[str] | None:
        """Name of the file of each frame; None where all frames are in one."""
        files = self.files
        planes = getattr(self.source, "planes", None)
        numbers = range(len(files)) if planes is None else planes[:, 0, 0].tolist()
        if len(files) < 2 or len(numbers) != self.source.shape[0]:
            return None
        return [files[i] for i in numbers]

    @property
    def files(self) -> list[str]:
        """Paths of what the pixels come from."""
        return [file.path for file in getattr(self.source, "files", ())] or [self.name]


def pick(wanted: int | str | None, names: tuple[str, ...], what: str, where: str) -> int:
    """Number of the scene or level that is wanted by number or name; the first when None."""
    if wanted is None:
        return 0
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    try:
        number = int(wanted)
    except ValueError:
        number = -1
    if 0 <= number < len(names):
        return number
    listed = ", ".join(f"{i} ({name})" if name != str(i) else name for i, name in enumerate(names[:20]))
    raise InputError(f"{where} has no {what} {wanted!r}; it has {listed or 'only one'}")


def check_extent(shape: tuple[int, ...], name: str) -> None:
    """Refuse sizes (z, y, x, ...) that no real image has, before anything is sized by them."""
    if min(shape) < 1 or max(shape[1:3]) > MAX_SIDE or shape[0] > MAX_FRAMES or max(shape) > MAX_SIDE:
        sizes = " x ".join(str(size) for size in shape)
        raise FormatError(
            f"{name} says it is {sizes} (z, y, x, channel); sizes go from 1 to {MAX_SIDE}, "
            f"frames to {MAX_FRAMES}"
        )


def check_piece(pixels: int, limit: int, name: str, what: str) -> None:
    """Refuse what would decode to more than `limit` pixels at once."""
    if pixels > limit:
        raise FormatError(
            f"{name}: a {what} of {pixels} pixels has to be decoded at once, the limit is {limit}; "
            "if you trust the file, raise it with max_pixels (--max-pixels)"
        )


def unique_names(names: list[str]) -> tuple[str, ...]:
    """Channel names with a number added to those that were there before.

    Examples
    --------
    >>> unique_names(["DAPI", "FITC", "FITC"])
    ('DAPI', 'FITC', 'FITC-2')
    """
    found: list[str] = []
    for name in names:
        count, tried = 1, name
        while tried in found:
            count += 1
            tried = f"{name}-{count}"
        found.append(tried)
    return tuple(found)

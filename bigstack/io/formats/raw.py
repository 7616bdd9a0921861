"""RAW photographs (DNG, NEF, CR2, CR3, ARW, RAF, ...) by LibRaw: one development for all frames of a stack.

Programs usually stretch each picture to its own brightest part and guess its white. A stack developed like
that flickers; here white balance, white and brightness are those of the first frame for all, and never depend
on what a frame shows. Only the sensor's black is each frame's own, as the camera measured it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.errors import FormatError, InputError
from bigstack.io.files import ByteFile
from bigstack.io.formats.header import FrameHeader, Unreadable

NAME = "RAW"
WHITES = ("camera", "daylight", "auto")
"""White balances with a name; ``auto`` takes the mean of the first frame for grey."""
GAMMA = (2.4, 12.92)
"""Of sRGB, whose primaries the pixels have."""
_MAKE, _DNG = 271, 50706
_CFA, _LINEAR = 32803, 34892
_MOST_SUB_IFDS = 16


@dataclass(frozen=True, slots=True)
class Development:
    """How sensor values become pixels, the same for every frame of a stack."""

    white_balance: tuple[float, float, float, float]
    """Factors of red, green, blue and second green."""
    white: int
    """Value of the sensor that becomes white."""
    half_size: bool = False


def is_raw(start: bytes) -> bool:
    """True when the first bytes are those of a RAW format that is no plain TIFF."""
    tiff_like = start[:4] in (b"IIU\0", b"IIRO", b"IIRS", b"MMOR") or start[8:10] == b"CR"
    return tiff_like or start[4:12] == b"ftypcrx " or start[:15] == b"FUJIFILMCCD-RAW"


def is_raw_tiff(file: ByteFile) -> bool:
    """True when a TIFF holds a sensor's values: it says it is a DNG, or has such an image inside."""
    from bigstack.errors import StackError
    from bigstack.io import ifd

    try:
        main = _main_directory(file)
        if main is None:
            return False
        if _DNG in main.fields:
            return True
        kinds = [main] if _MAKE in main.fields else []
        kinds += [ifd.read_page(file, int(at)) for at in main.numbers(file, ifd.SUB_IFDS)[:_MOST_SUB_IFDS]]
        return any(page.number(file, ifd.PHOTOMETRIC, 0) in (_CFA, _LINEAR) for page in kinds)
    except (Unreadable, StackError):
        return False


def _main_directory(file: ByteFile) -> Any:
    from bigstack.io import ifd

    head = file.peek(0, 8)
    order = {b"II": "little", b"MM": "big"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    return ifd.read_page(file, int.from_bytes(head[4:8], order))  # type: ignore[arg-type]


def read_header(file: ByteFile) -> FrameHeader:
    """Read the size of the developed picture and the EXIF; `Unreadable` says what is wrong."""
    with _opened(file.path) as raw:
        sizes = raw.sizes
        height, width = sizes.iheight, sizes.iwidth
        if sizes.flip in (5, 6):
            height, width = width, height
        return FrameHeader(NAME, height, width, 3, "uint16", exif=_exif(file))


def develop_like(file: ByteFile, white_balance: str | tuple[float, ...], *, half_size: bool) -> Development:
    """How to develop a stack whose first frame is `file`.

    Raises
    ------
    InputError
        For a white balance that is neither a name nor 3 or 4 positive factors.
    """
    with _opened(file.path) as raw:
        factors = _factors(raw, white_balance)
        return Development(factors, int(raw.white_level), half_size)


def developed_size(height: int, width: int, half_size: bool) -> tuple[int, int]:
    """Height and width of the developed picture.

    Examples
    --------
    >>> developed_size(61, 80, True)
    (31, 40)
    """
    return (-(-height // 2), -(-width // 2)) if half_size else (height, width)


def decode(data: bytes, header: FrameHeader) -> np.ndarray:
    """Develop to uint16 pixels (y, x, RGB), sRGB primaries and curve."""
    assert isinstance(header.development, Development)
    how = header.development
    with _opened(io.BytesIO(data)) as raw:
        pixels = raw.postprocess(
            user_wb=list(how.white_balance),
            user_sat=how.white,
            half_size=how.half_size,
            output_bps=16,
            gamma=GAMMA,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
        )
    return np.asarray(pixels)


def _factors(raw: Any, wanted: str | tuple[float, ...]) -> tuple[float, float, float, float]:
    if isinstance(wanted, str):
        if wanted not in WHITES:
            raise InputError(
                f"white balance {wanted!r} is none of {', '.join(WHITES)}, nor factors of red, green and blue"
            )
        values = _named(raw, wanted)
    else:
        values = list(wanted)
    sound = len(values) in (3, 4) and all(np.isfinite(v) and v >= 0 for v in values)
    if not sound or min(values[:3]) <= 0:
        raise InputError(f"a white balance is 3 or 4 positive factors, got {tuple(values)}")
    second = values[3] if len(values) == 4 and values[3] > 0 else values[1]
    return float(values[0]), float(values[1]), float(values[2]), float(second)


def _named(raw: Any, name: str) -> list[float]:
    if name == "auto":
        return _grey_world(raw)
    camera = list(raw.camera_whitebalance)
    # A camera that says nothing gives zeros.
    return camera if name == "camera" and min(camera[:3]) > 0 else list(raw.daylight_whitebalance)


def _grey_world(raw: Any) -> list[float]:
    """Factors that make the mean of a frame grey."""
    values, colours = raw.raw_image_visible, raw.raw_colors_visible
    means = [
        max(float(values[colours == c].mean()) - raw.black_level_per_channel[c], 1e-6)
        if (colours == c).any()
        else 0.0
        for c in range(4)
    ]
    green = means[1]
    return [green / mean if mean else 0.0 for mean in means]


def _opened(source: str | io.BytesIO) -> Any:
    try:
        import rawpy
    except ModuleNotFoundError as error:
        raise FormatError(
            "a RAW photograph needs rawpy: pip install 'bigstack[raw]', or develop the frames to TIFF first"
        ) from error
    try:
        return rawpy.imread(source)
    except rawpy.LibRawError as error:
        raise Unreadable(f"a RAW photograph that LibRaw cannot read: {error}") from error


def _exif(file: ByteFile) -> bytes:
    """EXIF of RAW files that are built like TIFF; none of others."""
    from bigstack.errors import StackError
    from bigstack.io.exif import exif_of_tiff

    try:
        page = _main_directory(file)
        if page is None:
            return b""
        return exif_of_tiff(file, page.order, page.kept(file), page.pointers(file))
    except (Unreadable, StackError):
        return b""

"""Metadata of one frame's file: what a camera wrote, to go with the result."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from bigstack.errors import StackError
from bigstack.io.exif import upright
from bigstack.io.files import ByteFile
from bigstack.io.formats import format_in, read_header
from bigstack.io.formats.header import FrameHeader, Unreadable

CARRIED = ("icc_profile", "exif", "xmp")


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Profile, EXIF and XMP of an image file as attributes of a stack: base64 text, absent where it has none.

    Parameters
    ----------
    path
        Any file that is read as a frame.

    Returns
    -------
    dict
        ``icc_profile``, ``exif`` and ``xmp``, those that there are.

    Raises
    ------
    StackError
        When the file is missing or no image that is read.

    Examples
    --------
    >>> import cv2, tempfile
    >>> import numpy as np
    >>> path = tempfile.mkdtemp() + "/plain.png"
    >>> written = cv2.imwrite(path, np.zeros((4, 4), np.uint8))
    >>> read_metadata(path)
    {}
    """
    name = str(Path(path).absolute())
    try:
        return header_attributes(_header(name))
    except (OSError, Unreadable) as error:
        raise StackError(
            f"{name} cannot give its metadata: {error}; name a frame that can be read"
        ) from error


def header_attributes(header: FrameHeader) -> dict[str, str]:
    """What of a header goes into the attributes of a stack; EXIF is that of upright pixels."""
    found = {"icc_profile": header.icc_profile, "exif": upright(header.exif), "xmp": header.xmp}
    return {key: base64.b64encode(data).decode("ascii") for key, data in found.items() if data}


def _header(name: str) -> FrameHeader:
    with ByteFile(name) as file:
        found = format_in(file)
        if found is None:
            raise Unreadable("it is not an image that is read")
        if found != "TIFF":
            return read_header(file, found)
    from bigstack.io.tiff_open import read_head

    return read_head(name, full=True).header

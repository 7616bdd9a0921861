"""One file a frame, in formats that are decoded whole: JPEG, PNG, WebP, BMP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import partial

import numpy as np

from bigstack.errors import BigstackError, StackError
from bigstack.io.files import ByteFile
from bigstack.io.formats import whole_frame_format
from bigstack.io.formats.header import FrameHeader
from bigstack.io.meter import DECODED
from bigstack.io.orient import turned_copy, turned_shape
from bigstack.io.ring import FRAMES
from bigstack.io.source import Source


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A frame's file, as it was when the stack was opened."""

    path: str
    size: int
    mtime_ns: int
    header: FrameHeader
    """Without profile, EXIF and XMP, so that it stays small."""


class FrameSource(Source):
    """Frames that each are a file; a frame is decoded once for all threads, see `bigstack.io.ring`.

    Parameters
    ----------
    files
        One for each frame, alike in size, dtype and colours.
    alpha
        Whether frames have alpha as their last channel, opaque where the file has none; None means if any
        file has it.
    """

    def __init__(self, files: Sequence[FrameFile], alpha: bool | None = None) -> None:
        self.files = tuple(files)
        first = self.files[0].header
        height, width = turned_shape(first.height, first.width, first.orientation)
        self.alpha = any(file.header.alpha for file in self.files) if alpha is None else alpha
        self.shape = (len(self.files), height, width, first.channels - first.alpha + self.alpha)
        self.dtype = np.dtype(first.dtype)
        self.chunks = (height, width)
        self._walk = hash(self.files)

    def __dask_tokenize__(self) -> object:
        return ("FrameSource", [astuple(file) for file in self.files], self.alpha)

    def take_frames(self, frames: Sequence[int]) -> FrameSource:
        """The same with these frames only, in this order, so that the right one is decoded ahead."""
        return FrameSource([self.files[i] for i in frames], self.alpha)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Give a view of the decoded frame."""
        ahead = (
            (self._name(i), partial(self._decode, i))
            for i in range(z + 1, min(z + 1 + FRAMES.frames, len(self.files)))
        )
        return FRAMES.get(self._name(z), partial(self._decode, z), ahead, (self._walk, z))[y, x]

    def _name(self, z: int) -> tuple[FrameFile, bool]:
        """What a decoded frame is kept by: a file alone and one in a stack with alpha decode differently."""
        return self.files[z], self.alpha

    def _decode(self, z: int) -> np.ndarray:
        file = self.files[z]
        try:
            with ByteFile(file.path) as opened:
                if opened.size != file.size:
                    raise StackError(f"{file.path} was changed since the stack was opened; open it again")
                data = opened.read(0, opened.size)
            pixels = whole_frame_format(file.header.format).decode(data, file.header)
        except (BigstackError, MemoryError):
            raise
        except Exception as error:
            raise StackError(
                f"{file.path} is damaged ({error}); replace it, or leave the frame out"
            ) from error
        DECODED.add(pixels.nbytes)
        pixels = turned_copy(pixels, file.header.orientation)
        if self.alpha and not file.header.alpha and pixels.dtype == self.dtype:
            opaque = np.full((*pixels.shape[:2], 1), np.iinfo(self.dtype).max, self.dtype)
            pixels = np.concatenate([pixels, opaque], axis=2)
        if pixels.shape != self.shape[1:] or pixels.dtype != self.dtype:
            raise StackError(
                f"{file.path} gave {pixels.dtype} {pixels.shape} instead of {self.dtype} {self.shape[1:]}; "
                "was it replaced since the stack was opened?"
            )
        return pixels

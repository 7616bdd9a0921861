"""TIFF pages as a source: single or many files, planes of channels or interleaved samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import numpy as np

from bigstack.errors import BigstackError, StackError
from bigstack.io.orient import stored_window, turned, turned_copy, turned_shape
from bigstack.io.ring import FRAMES
from bigstack.io.select import as_slice
from bigstack.io.source import Source
from bigstack.io.tiff_format import PageFormat
from bigstack.io.tiff_page import page_at


@dataclass(frozen=True, slots=True)
class PlaneFile:
    """A TIFF file that planes lie in, as it was when the stack was opened."""

    path: str
    size: int
    mtime_ns: int


class TiffSource(Source):
    """Planes of TIFF files; the strips or tiles that a region touches are read and decoded.

    Parameters
    ----------
    files
        The files that planes lie in.
    planes
        int64 (z, plane, 3): number of the file, place of the page's directory, bytes to add to all places
        of pixels (for planes that follow one another without directories of their own).
    page
        Format of the first page; the others agree in size, dtype and samples, checked by the audit.
    samples
        Which channels of each page are given out; all when None.
    """

    def __init__(
        self,
        files: Sequence[PlaneFile],
        planes: np.ndarray,
        page: PageFormat,
        samples: tuple[int, ...] | None = None,
    ) -> None:
        self.files = tuple(files)
        self.planes = planes
        self.page = page
        self.samples = samples
        frames, per_frame = planes.shape[:2]
        height, width = turned_shape(page.height, page.width, page.orientation)
        self.shape = (frames, height, width, per_frame * len(samples or range(page.channels)))
        self.dtype = page.dtype
        self.chunks = turned_shape(*page.chunks, page.orientation)
        self._walk = hash((self.files, self.planes.tobytes()))

    def __dask_tokenize__(self) -> object:
        files = [astuple(file) for file in self.files]
        return ("TiffSource", files, self.planes.tobytes(), self.planes.shape, self.samples)

    def take_frames(self, frames: Sequence[int]) -> TiffSource:
        """The same with these frames only, in this order."""
        return TiffSource(self.files, self.planes[list(frames)], self.page, self.samples)

    def take_channels(self, channels: Sequence[int]) -> TiffSource | None:
        """The same with these channels only, so that no other plane is read; None when that cannot be."""
        per_page = len(self.samples or range(self.page.channels))
        if per_page == 1:
            return TiffSource(self.files, self.planes[:, list(channels)], self.page, self.samples)
        if self.planes.shape[1] > 1:
            return None
        kept = self.samples or tuple(range(self.page.channels))
        return TiffSource(self.files, self.planes, self.page, tuple(kept[i] for i in channels))

    def decoded(self, axis: int, start: int, stop: int) -> int:
        """Whole strips or tiles; of uncompressed strips the rows, and of wide regions whole rows."""
        page, turned = self.page, self.page.orientation > 4
        stored = axis != turned
        if page.tiled:
            side = turned_shape(*page.piece, page.orientation)[axis]
            return (-(-stop // side) - start // side) * side
        if not page.plain:
            return super().decoded(axis, start, stop)
        whole = stored and 2 * (stop - start) >= page.width
        return page.width if whole else stop - start

    @property
    def values(self) -> int:
        """All samples of the pages that are wanted."""
        frames, planes = self.planes.shape[:2]
        return int(frames * planes * self.page.channels)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Read the touched strips or tiles of each plane of frame `z`."""
        parts = [self._plane(z, i, y, x) for i in range(self.planes.shape[1])]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def _plane(self, z: int, plane: int, y: slice, x: slice) -> np.ndarray:
        if self.whole_frames:
            ahead = (
                (self._key(i, plane), partial(self._decode, i, plane))
                for i in range(z + 1, min(z + 1 + FRAMES.frames, len(self.planes)))
            )
            walk = self._walk, z * self.planes.shape[1] + plane
            whole = FRAMES.get(self._key(z, plane), partial(self._decode, z, plane), ahead, walk)
            return self._sampled(whole[y, x])
        turn = self.page.orientation
        return turned(self._stored(z, plane, *stored_window(y, x, turn, self.shape[1:3])), turn)

    def _key(self, z: int, plane: int) -> tuple[Any, ...]:
        number, at, shift = self.planes[z, plane].tolist()
        return "TIFF", self.files[number], at, shift

    def _decode(self, z: int, plane: int) -> np.ndarray:
        whole = slice(0, self.page.height), slice(0, self.page.width)
        pixels = self._region(z, plane, *whole)
        # A view of something larger would keep all of that in the ring, and count less.
        return turned_copy(np.ascontiguousarray(pixels), self.page.orientation)

    def _stored(self, z: int, plane: int, y: slice, x: slice) -> np.ndarray:
        return self._sampled(self._region(z, plane, y, x))

    def _sampled(self, pixels: np.ndarray) -> np.ndarray:
        return pixels if self.samples is None else pixels[..., as_slice(self.samples)]

    def _region(self, z: int, plane: int, y: slice, x: slice) -> np.ndarray:
        number, at, shift = self.planes[z, plane].tolist()
        file = self.files[number]
        try:
            page = page_at(file.path, at, (file.size, file.mtime_ns))
            pixels = page.read(y, x, shift)
        except BigstackError:
            raise
        except MemoryError:
            raise
        except Exception as error:
            raise StackError(
                f"{file.path}: frame {z} is damaged ({error}); replace the file, or leave the frame out"
            ) from error
        expected = (y.stop - y.start, x.stop - x.start, self.page.channels)
        if pixels.shape != expected or pixels.dtype != self.dtype:
            raise StackError(
                f"{file.path}: frame {z} gave {pixels.dtype} {pixels.shape} instead of {expected}"
            )
        return pixels

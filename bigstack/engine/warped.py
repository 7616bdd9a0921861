"""A source whose frames are resampled into alignment as they are read: no copy, and no frame warped twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from dask.base import tokenize

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.geometry.alignment import Alignment
from bigstack.io.source import Source
from bigstack.kernels.warp import WarpOptions, source_region, valid_region, warp


class WarpedSource(Source):
    """Reads the aligned frames of another source: those that are kept, on the canvas or a part of it.

    Parameters
    ----------
    source
        The frames as they are.
    alignment
        Their transforms.
    options
        Interpolation and border.
    canvas
        Part of the output to show, the reference frame's canvas by default.

    Raises
    ------
    InputError
        When the alignment is of frames of another number or size.
    """

    def __init__(
        self,
        source: Source,
        alignment: Alignment,
        options: WarpOptions | None = None,
        canvas: Tile | None = None,
    ) -> None:
        frames, height, width, channels = source.shape
        if len(alignment) != frames or alignment.shape != (height, width):
            raise InputError(
                f"the alignment is of {len(alignment)} frames of {alignment.shape[0]} x {alignment.shape[1]} "
                f"pixels, the stack has {frames} of {height} x {width}; estimate it again"
            )
        self.source = source
        self.alignment = alignment
        self.options = (options or WarpOptions()).checked()
        self.canvas = canvas or Tile(0, height, 0, width)
        self.frames = alignment.kept
        if not self.frames:
            raise InputError("the alignment drops every frame; allow more of them")
        self.shape = (len(self.frames), *self.canvas.shape, channels)
        self.dtype = source.dtype
        self.chunks = source.chunks
        if source.whole_frames:
            self.chunks = (max(height, self.shape[1]), max(width, self.shape[2]))

    def __getstate__(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "alignment": self.alignment,
            "options": self.options,
            "canvas": self.canvas,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __dask_tokenize__(self) -> object:
        return (
            "WarpedSource",
            tokenize(self.source),
            self.alignment.to_json(),
            repr(self.options),
            repr(self.canvas),
        )

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Resample the region from the part of the frame that it needs."""
        transform = self.alignment.frames[self.frames[z]].transform
        y0, y1, x0, x1 = self._region(y, x)
        if transform.is_identity and self._within(y1, x1):
            return self.source.read(self.frames[z], slice(y0, y1), slice(x0, x1))
        shape, matrix = self.alignment.shape, transform.matrix
        needed = source_region(shape, matrix, (y0, y1, x0, x1), self.options)
        pixels = self.source.read(self.frames[z], slice(*needed[:2]), slice(*needed[2:]))
        return warp(pixels, (needed[0], needed[2]), shape, matrix, (y0, y1, x0, x1), self.options)

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the region is inside the frame, and has real data there."""
        transform = self.alignment.frames[self.frames[z]].transform
        region = self._region(y, x)
        shape, matrix = self.alignment.shape, transform.matrix
        inside = valid_region(shape, matrix, region, self.options.interpolation)
        if not self.source.masked:
            return inside
        return _both(inside, self._source_valid(z, region))

    def _source_valid(self, z: int, region: tuple[int, int, int, int]) -> np.ndarray | None:
        """Where all that a pixel is made from is real data of the source."""
        shape, matrix = self.alignment.shape, self.alignment.frames[self.frames[z]].transform.matrix
        needed = source_region(shape, matrix, region, self.options)
        known = self.source.valid(self.frames[z], slice(*needed[:2]), slice(*needed[2:]))
        if known is None:
            return None
        missing = (~known).astype(np.float32)[..., None]
        linear = WarpOptions("linear", "replicate")
        seen = warp(missing, (needed[0], needed[2]), shape, matrix, region, linear)[..., 0]
        return np.asarray(seen == 0)

    def _region(self, y: slice, x: slice) -> tuple[int, int, int, int]:
        """A region of what is shown in absolute pixels of the output."""
        top, left = self.canvas.y0, self.canvas.x0
        return top + y.start, top + y.stop, left + x.start, left + x.stop

    def _within(self, y1: int, x1: int) -> bool:
        return y1 <= self.alignment.shape[0] and x1 <= self.alignment.shape[1]

    @property
    def masked(self) -> bool:
        """True when a frame moves, or the source's pixels may be made up."""
        moves = any(not self.alignment.frames[z].transform.is_identity for z in self.frames)
        return moves or self.source.masked


def _both(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second

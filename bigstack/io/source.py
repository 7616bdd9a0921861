"""What a stack's pixels come from: an object that can read any region of any frame."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Source(ABC):
    """Reads regions of a stack; picklable, thread-safe, opens its file by path inside the task.

    A source holds paths and numbers, never an open file (files are opened on first use and dropped
    when pickled) and never a dask array. Plain classes, not dataclasses: dask unpacks those.

    Attributes
    ----------
    shape
        Sizes of (z, y, x, channel).
    dtype
        uint8, uint16 or float32, in the machine's byte order.
    chunks
        Height and width of the pieces that storage is read in. A source that can only be read a whole
        frame at a time (JPEG, PNG) has its frame's height and width here.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype
    chunks: tuple[int, int]

    @abstractmethod
    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Return pixels (y, x, channel) of frame `z`; the caller must not write into them.

        `y` and `x` have integer start and stop inside the frame and no step.
        """

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Return where the region has real data (y, x) bool, or None when all of it has."""
        return None

    @abstractmethod
    def __dask_tokenize__(self) -> object:
        """Equal for sources that give equal pixels: class name, paths, sizes, mtimes, options."""

    def decoded(self, axis: int, start: int, stop: int) -> int:
        """Pixels along y (0) or x (1) that are decoded to read the region from `start` to `stop`.

        Whole pieces of storage, unless it can be read in parts.
        """
        side = self.chunks[axis]
        return min(self.shape[1 + axis], -(-stop // side) * side) - start // side * side

    @property
    def values(self) -> int:
        """Values of a pixel that are decoded to read it in all frames."""
        return self.shape[0] * self.shape[3]

    @property
    def masked(self) -> bool:
        """True when some pixels may be made up, so that `valid` has to be asked."""
        return type(self).valid is not Source.valid

    @property
    def whole_frames(self) -> bool:
        """True when reading any region costs the decoding of the whole frame."""
        return self.chunks[0] >= self.shape[1] and self.chunks[1] >= self.shape[2]

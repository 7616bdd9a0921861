"""A stack that is in memory already."""

from __future__ import annotations

import numpy as np
from dask.base import tokenize

from bigstack.errors import InputError
from bigstack.io.source import Source

_CHUNK = 512


class MemorySource(Source):
    """Frames of a NumPy array; of uint8, uint16 or float32.

    Parameters
    ----------
    frames
        (y, x), (y, x, channel) or (z, y, x, channel); not copied, so don't write into it.

    Examples
    --------
    >>> MemorySource(np.zeros((4, 5), np.uint8)).shape
    (1, 4, 5, 1)
    """

    def __init__(self, frames: np.ndarray) -> None:
        if frames.ndim == 2:
            frames = frames[..., None]
        if frames.ndim == 3:
            frames = frames[None]
        if frames.ndim != 4 or 0 in frames.shape:
            raise InputError(f"an image has dims (y, x) or (y, x, channel), got shape {frames.shape}")
        if frames.dtype not in (np.uint8, np.uint16, np.float32):
            raise InputError(
                f"an image is one of uint8, uint16, float32, got {frames.dtype}; convert it with .astype(...)"
            )
        self.frames = frames
        self.shape = frames.shape
        self.dtype = frames.dtype
        self.chunks = (min(_CHUNK, frames.shape[1]), min(_CHUNK, frames.shape[2]))

    def __dask_tokenize__(self) -> object:
        return ("MemorySource", tokenize(self.frames))

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """A view of the region."""
        return self.frames[z, y, x]

"""A source without a disk: pixels computed from their place, for trials of any size."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError
from bigstack.io.convert import KEPT
from bigstack.io.source import Source

_BLOCK = 256


class FakeSource(Source):
    """Textured frames of any size; the same pixel has the same value whatever region it is read in.

    Squares of 256 pixels are sharp in one frame each and lose contrast with the distance from it, so that
    fusing has something to choose from.

    Parameters
    ----------
    shape
        Sizes of (z, y, x, channel).
    chunks
        Height and width of the pieces it claims to be stored in; whole frames when they are that large.

    Examples
    --------
    >>> source = FakeSource((3, 1000, 1000, 1), "uint8")
    >>> whole = source.read(1, slice(0, 1000), slice(0, 1000))
    >>> bool((source.read(1, slice(7, 9), slice(501, 504)) == whole[7:9, 501:504]).all())
    True
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        dtype: str | np.dtype,
        seed: int = 0,
        chunks: tuple[int, int] = (512, 512),
    ) -> None:
        if len(shape) != 4 or min(shape) < 1:
            raise InputError(f"a stack has four sizes (z, y, x, channel), each at least 1, got {shape}")
        if np.dtype(dtype).name not in KEPT:
            raise InputError(f"a stack is one of {', '.join(KEPT)}, got {np.dtype(dtype)}")
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.seed = seed
        self.chunks = (min(chunks[0], shape[1]), min(chunks[1], shape[2]))

    def __dask_tokenize__(self) -> object:
        return ("FakeSource", self.shape, str(self.dtype), self.seed, self.chunks)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Compute the region."""
        rows = _hash(np.arange(y.start, y.stop), 3 * self.seed)
        columns = _hash(np.arange(x.start, x.stop), 3 * self.seed + 1)
        keep = self._contrast(z, y, x)
        out = np.empty((len(rows), len(columns), self.shape[3]), self.dtype)
        for channel in range(self.shape[3]):
            mixed = (rows[:, None] ^ columns) * np.uint32(2 * channel + 0x9E3779B1)
            out[..., channel] = self._scaled((mixed >> np.uint32(16)).astype(np.uint16), keep)
        return out

    def _contrast(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Bits by which the texture is weakened: none where frame `z` is the sharp one."""
        blocks_y = np.arange(y.start, y.stop) // _BLOCK
        blocks_x = np.arange(x.start, x.stop) // _BLOCK
        sharp = (blocks_y[:, None] + blocks_x + self.seed) % self.shape[0]
        return np.minimum(np.abs(sharp - z), 7).astype(np.uint16)

    def _scaled(self, texture: np.ndarray, keep: np.ndarray) -> np.ndarray:
        middle = np.uint16(1 << 15) - (np.uint16(1 << 15) >> keep)
        pixels = (texture >> keep) + middle
        if self.dtype == np.uint8:
            return pixels >> np.uint16(8)
        return pixels if self.dtype == np.uint16 else pixels / np.float32(1 << 16)


def _hash(numbers: np.ndarray, seed: int) -> np.ndarray:
    mixed = numbers.astype(np.uint32) * np.uint32(0x85EBCA6B) + np.uint32(seed * 0x27D4EB2F & 0xFFFFFFFF)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0xC2B2AE35)
    return mixed ^ (mixed >> np.uint32(13))

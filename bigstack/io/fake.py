"""A source without a disk: pixels computed from their place, for trials of any size."""

from __future__ import annotations

import itertools

import numpy as np

from bigstack.errors import InputError
from bigstack.io.convert import KEPT
from bigstack.io.source import Source

_SQUARE = 256


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
        """Compute the region, square by square."""
        rows = _hash(np.arange(y.start, y.stop), 3 * self.seed)
        columns = _hash(np.arange(x.start, x.stop), 3 * self.seed + 1)
        out = np.empty((len(rows), len(columns), self.shape[3]), self.dtype)
        for i, j in itertools.product(_squares(y), _squares(x)):
            top, left = slice(i.start - y.start, i.stop - y.start), slice(j.start - x.start, j.stop - x.start)
            sharp = (i.start // _SQUARE + j.start // _SQUARE + self.seed) % self.shape[0]
            weaker = min(abs(sharp - z), 7)
            for channel in range(self.shape[3]):
                mixed = rows[top, None] ^ columns[left]
                mixed *= np.uint32(2 * channel + 0x9E3779B1)
                self._fill(out[top, left, channel], mixed, weaker)
        return out

    def _fill(self, out: np.ndarray, mixed: np.ndarray, weaker: int) -> None:
        """Put the upper bits of `mixed` into the middle of the dtype's range, weakened by so many bits."""
        bits = 8 if self.dtype == np.uint8 else 16
        mixed >>= np.uint32(32 - bits + weaker)
        mixed += np.uint32((1 << bits - 1) - (1 << bits - 1 >> weaker))
        if self.dtype == np.float32:
            np.multiply(mixed, np.float32(1 / (1 << 16)), out=out, casting="same_kind", dtype=np.float32)
        else:
            out[...] = mixed


def _squares(part: slice) -> list[slice]:
    """Cut the part at multiples of the square's side."""
    edges = [part.start, *range((part.start // _SQUARE + 1) * _SQUARE, part.stop, _SQUARE), part.stop]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def _hash(numbers: np.ndarray, seed: int) -> np.ndarray:
    mixed = numbers.astype(np.uint32) * np.uint32(0x85EBCA6B) + np.uint32(seed * 0x27D4EB2F & 0xFFFFFFFF)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0xC2B2AE35)
    return mixed ^ (mixed >> np.uint32(13))

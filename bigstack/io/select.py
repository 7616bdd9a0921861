"""Frames and channels of a source, picked without reading the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dask.base import tokenize

from bigstack.errors import InputError
from bigstack.io.source import Source


class SelectedSource(Source):
    """Some frames and channels of another source, in a given order.

    Parameters
    ----------
    frames
        Number in `source` of each frame.
    channels
        Number in `source` of each channel, all of them when None.
    """

    def __init__(self, source: Source, frames: Sequence[int], channels: Sequence[int] | None = None) -> None:
        self.source = source
        self.frames = tuple(frames)
        self.channels = None if channels is None else tuple(channels)
        count = source.shape[3] if channels is None else len(channels)
        self.shape = (len(self.frames), *source.shape[1:3], count)
        self.dtype = source.dtype
        self.chunks = source.chunks

    def __dask_tokenize__(self) -> object:
        return ("SelectedSource", tokenize(self.source), self.frames, self.channels)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Read the picked frame's region and keep the picked channels."""
        pixels = self.source.read(self.frames[z], y, x)
        return pixels if self.channels is None else pixels[..., as_slice(self.channels)]

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the picked frame has real data."""
        return self.source.valid(self.frames[z], y, x)


def select_frames(source: Source, frames: Sequence[int]) -> Source:
    """Return a source of these frames of `source`, in this order."""
    if list(frames) == list(range(source.shape[0])):
        return source
    take = getattr(source, "take_frames", None)
    return SelectedSource(source, frames) if take is None else take(frames)


def select_channels(source: Source, channels: Sequence[int]) -> Source:
    """Return a source of these channels of `source`, in this order; others are not read where avoidable.

    Raises
    ------
    InputError
        For no channel, or one that `source` does not have.
    """
    count = source.shape[3]
    if not channels or not all(0 <= i < count for i in channels):
        raise InputError(f"channels are numbered 0 to {count - 1}, got {list(channels)}")
    if list(channels) == list(range(count)):
        return source
    take = getattr(source, "take_channels", None)
    found = None if take is None else take(channels)
    return SelectedSource(source, range(source.shape[0]), channels) if found is None else found


def as_slice(numbers: Sequence[int]) -> slice | list[int]:
    """The numbers as a slice when they are evenly spaced, so that indexing gives a view."""
    found = list(numbers)
    step = found[1] - found[0] if len(found) > 1 else 1
    if step > 0 and found == list(range(found[0], found[-1] + 1, step)):
        return slice(found[0], found[-1] + 1, step)
    return found

"""What an image is written to: tiles are encoded by the tasks, in any order, and put in place in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from bigstack.geometry import PixelSize, Tile


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What a writer has to know of an image before the first pixel of it is there."""

    shape: tuple[int, int, int]
    """Sizes of (y, x, channel)."""
    dtype: str
    """NumPy name of the dtype: uint8, uint16 or float32."""
    pixel_size: PixelSize | None = None
    """Physical size, None when only pixels are known."""
    channels: tuple[str, ...] = ()
    """Channel names, empty when they have none."""
    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    description: str = ""
    ome: str = ""
    """JSON of what a microscope said: see `bigstack.io.ome_facts`."""


class Sink(ABC):
    """An output being written tile by tile; picklable, so that tasks on other machines can encode.

    Life: `open` (once, in the driver) -> for every tile `encode` (in a task, in parallel, any order, safe
    to repeat) -> `put` (in the driver, row-major order) -> `finish` (makes the output appear under its
    name), `abort` (leaves nothing that looks complete) or `pause` (keeps what the same run can go on with).
    A multiscale output has more `levels` than one: after the last `put`, `build_level` is a task of its own
    for every item of `level_tasks`, level by level.
    """

    spec: ImageSpec
    multiple: tuple[int, int] = (1, 1)
    """Tile borders (but the image's own) must be multiples of this: chunk, shard or TIFF tile."""
    full_width: bool = False
    """True when tiles must span the whole width (scanline formats)."""
    any_order: bool = False
    """True when `put` takes tiles in any order, so that none has to wait for those before it."""
    levels: int = 1
    """Resolutions of the output; those above 0 are made by `build_level`."""

    @abstractmethod
    def open(self) -> None:
        """Create the unfinished output beside its final name."""

    @abstractmethod
    def encode(self, tile: Tile, pixels: np.ndarray) -> object:
        """Compress, or already store, the tile's pixels (y, x, channel); what it returns goes to `put`."""

    @abstractmethod
    def put(self, tile: Tile, encoded: object) -> None:
        """Take what `encode` gave; called tile after tile, left to right, top to bottom."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the output and move it to its final name."""

    @abstractmethod
    def abort(self) -> None:
        """Remove the unfinished output."""

    def done_tiles(self) -> frozenset[Tile]:
        """Tiles that an interrupted run has already stored and that need neither `encode` nor `put`."""
        return frozenset()

    def level_tasks(self, level: int) -> list[Tile]:
        """What is left of `level` (1 and up) to build, in its own pixels; all of level - 1 must be there."""
        return []

    def build_level(self, level: int, tile: Tile) -> None:  # noqa: B027 formats of one level have nothing to do
        """Make one tile of `level` from the level below it, in a task; parallel, safe to repeat."""

    def pause(self) -> None:
        """Let go of the output and keep what a later run can continue from; nothing, unless overridden."""
        self.abort()

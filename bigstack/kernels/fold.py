"""What a running computation over the frames of one tile has to offer; the engine does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class Output:
    """One result of a fold.

    `dims` of ``()`` means an opaque payload that only another tile task reads. `dtype` None means the
    stack's. `factor` is how many pixels of the tile one pixel of the output covers in y and in x.
    Outputs with a "z" dim are filled frame by frame by `Fold.add`, the others given by `Fold.finish`.
    """

    dims: tuple[str, ...]
    dtype: str | None = None
    factor: int = 1


@dataclass(frozen=True, slots=True)
class Window:
    """Where a padded tile lies: the engine hands it to `Fold.start`.

    `shape` is the height and width of the padded tile, `core` the tile itself as an index of it,
    `frames` the frames to come (a range of z), `channels` and `dtype` those of the stack.
    """

    shape: tuple[int, int]
    core: tuple[slice, slice]
    frames: range
    channels: int
    dtype: np.dtype

    def reduce(self, factor: int) -> tuple[slice, slice]:
        """`core` in an image that keeps every `factor`-th pixel of the padded tile, the first included."""
        y, x = self.core
        return (
            slice(-(-y.start // factor), -(-y.stop // factor)),
            slice(-(-x.start // factor), -(-x.stop // factor)),
        )


class Fold(Protocol):
    """A running computation over z: start, add a frame, merge two, finish.

    `halo` is the number of pixels around the tile that its result depends on; the padded tile's origin is
    a multiple of `grid`. Frames come in the order of z. Folds are small frozen values with a
    deterministic dask token: they hold parameters, never pixels.

    A fold of a method whose support has no bound has an attribute `block`, a multiple of `grid`: its result
    is defined on canonical blocks, squares of that side on a fixed grid, each with its halo. Whatever the
    tiles are, its padded windows are then those of whole blocks, and the engine cuts tiles at their edges.

    A fold that has to know something of all frames before it can take any has an attribute `rounds`: it is
    given the frames so many times, and ``turn(state)`` is called in between. Its memory need not grow with
    the frames then; it cannot be merged. One that needs a value of the whole stack has ``told(value)``, which
    gives the fold that knows it.
    """

    @property
    def halo(self) -> int:
        """Pixels around the tile that the result depends on."""
        ...

    @property
    def grid(self) -> int:
        """Origin of a padded tile is a multiple of this."""
        ...

    @property
    def outputs(self) -> Mapping[str, Output]:
        """What `finish` and `add` give, by name."""
        ...

    def merges(self, dtype: np.dtype) -> bool:
        """Whether merged blocks of z give, for frames of `dtype`, the bits of one pass over them."""
        ...

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Memory of one padded pixel: of the state that a tile keeps, and of scratch that is reused."""
        ...

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> Any:
        """State of one tile, allocated once.

        `out` has the arrays of the outputs with a z dim, and the tile of each array that is given.
        """
        ...

    def add(self, state: Any, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        """Take frame `z` (y, x, channel) of the padded tile; `work` is scratch kept from call to call.

        `valid` is False where the frame's pixels are made up, None where all are real.
        """
        ...

    def merge(self, early: Any, late: Any) -> Any:
        """One state of two; `early` has seen the frames that come before those of `late`."""
        ...

    def finish(self, state: Any) -> dict[str, Any]:
        """Outputs without a z dim, cut to the tile itself."""
        ...

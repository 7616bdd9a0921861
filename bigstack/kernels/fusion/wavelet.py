"""Complex wavelet fusion: the coefficients of the largest modulus, made consistent over bands and space.

Forster, Van De Ville, Berent, Sage and Unser 2004, "Complex wavelets for extended depth-of-field: A new
method for the fusion of multichannel microscopy images", doi:10.1002/jemt.20092.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bigstack.kernels.complex_wavelet import (
    analyse,
    padded_even,
    synthesise,
    touched,
    wavelet_reach,
)
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion import blending
from bigstack.kernels.fusion.blending import as_pixels
from bigstack.kernels.luminance import luminance
from bigstack.names import Consistency

_INDEX_LEVEL = 2  # whose winner is the index, coarse enough to outlive noise
_MAJORITY = 5  # of the nine coefficients of a neighbourhood


@dataclass
class Level:
    """One level: who has the largest modulus in each of the three bands; then the coefficients taken."""

    best: list[np.ndarray]
    own: list[np.ndarray]
    voted: list[np.ndarray] = field(default_factory=list)
    taken: list[np.ndarray] = field(default_factory=list)
    bands: Any = None


@dataclass
class State:
    """What has been seen of one block."""

    window: Window
    levels: list[Level]
    joint: np.ndarray
    index: np.ndarray
    low: Any = None
    count: Any = None
    first: Any = None
    choosing: bool = True


@dataclass(frozen=True)
class Wavelet:
    """Fold that goes through the frames twice: for the largest moduli, and to take the coefficients.

    `levels` of the transform. `consistency` ``none`` takes each coefficient from the frame where it is
    largest; ``bands``: where two of the three bands at a place agree on a frame, so does the third;
    ``full``: besides, a frame that five of nine neighbours in a band come from takes the one in the middle.
    """

    channels: tuple[int, ...]
    levels: int
    consistency: Consistency = "full"

    rounds = 2

    @property
    def block(self) -> int:
        """Side of the canonical blocks."""
        return max(blending.BLOCK, self.grid)

    @property
    def halo(self) -> int:
        """The whole reach of analysis, votes and synthesis."""
        return wavelet_reach(self.levels)

    @property
    def grid(self) -> int:
        """Blocks start where the coarsest level has a coefficient."""
        return 1 << self.levels

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image`, and `index`, the frame of the largest moduli of a middle level."""
        return {"image": Output(("y", "x", "channel")), "index": Output(("y", "x"), "uint16")}

    def merges(self, dtype: np.dtype) -> bool:
        """The second round needs what the first has seen of all frames."""
        return False

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Moduli, votes and coefficients of all levels; the transform of a frame."""
        return 15 + 12 * channels, 24 + 36 * channels

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> State:
        """Nothing seen yet."""
        levels = []
        shape = tuple(side + -side % self.grid for side in window.shape)
        for level in range(self.levels):
            size = tuple(side >> (level + 1) for side in shape)
            levels.append(
                Level(
                    [np.full(size, -2, np.float32) for _ in range(3)],
                    [np.zeros(size, np.uint16) for _ in range(3)],
                )
            )
        size = tuple(side >> min(_INDEX_LEVEL + 1, self.levels) for side in shape)
        return State(window, levels, np.full(size, -2, np.float32), np.zeros(size, np.uint16))

    def turn(self, state: State) -> None:
        """From choosing to taking."""
        state.choosing = False
        for level in state.levels:
            level.voted = votes(level.own, self.consistency)
            level.taken = [np.zeros(own.shape, bool) for own in level.own]
            level.best = []

    def add(self, state: State, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        """Compare a frame, or take from it."""
        bad = None if valid is None else padded_even(~valid, self.grid)
        if state.choosing:
            self._compare(state, luminance(frame, self.channels), z, bad)
        else:
            self._take(state, frame, z, bad)

    def _compare(self, state: State, grey: np.ndarray, z: int, bad: np.ndarray | None) -> None:
        low: np.ndarray = padded_even(grey.astype(np.float32), self.grid)
        for number, level in enumerate(state.levels):
            low, bands = analyse(low)
            bad = None if bad is None else touched(bad)
            moduli = [band.real**2 + band.imag**2 for band in bands]
            if number == min(_INDEX_LEVEL, self.levels - 1):
                _win(moduli[0] + moduli[1] + moduli[2], bad, z, state.joint, state.index)
            for modulus, best, own in zip(moduli, level.best, level.own, strict=True):
                _win(modulus, bad, z, best, own)

    def _take(self, state: State, frame: np.ndarray, z: int, bad: np.ndarray | None) -> None:
        low: np.ndarray = padded_even(frame.astype(np.float32), self.grid)
        for level in state.levels:
            low, bands = analyse(low)
            bad = None if bad is None else touched(bad)
            if level.bands is None:
                level.bands = tuple(np.zeros_like(band) for band in bands)
            for number, band in enumerate(bands):
                # A frame elected by others may be made up here: then the coefficient's own stays.
                elected = level.voted[number] == z
                if bad is not None:
                    elected &= ~bad
                now = elected | ((level.own[number] == z) & ~level.taken[number])
                level.taken[number] |= elected
                np.copyto(level.bands[number], band, where=now[..., None])
        real = np.float32(1) if bad is None else (~bad).astype(np.float32)[..., None]
        if state.low is None:
            state.low, state.count, state.first = np.zeros_like(low), np.float32(0), low
        state.low = state.low + low * real
        state.count = state.count + real

    def merge(self, early: State, late: State) -> State:
        """Never called: it does not merge."""
        raise NotImplementedError

    def finish(self, state: State) -> dict[str, Any]:
        """Transform back; the lowest level is the mean of the frames."""
        low = np.where(state.count > 0, state.low / np.maximum(state.count, 1), state.first)
        for level in reversed(state.levels):
            low = synthesise(low, level.bands)
            level.bands = None
        core = state.window.core
        step = 1 << min(_INDEX_LEVEL + 1, self.levels)
        index = state.index.repeat(step, axis=0).repeat(step, axis=1)
        return {"image": as_pixels(low.real[core], state.window.dtype), "index": index[core]}


def _win(modulus: np.ndarray, bad: np.ndarray | None, z: int, best: np.ndarray, own: np.ndarray) -> None:
    if bad is not None:
        modulus[bad] = -1
    won = modulus > best
    np.copyto(best, modulus, where=won)
    own[won] = z


def votes(own: list[np.ndarray], consistency: Consistency) -> list[np.ndarray]:
    """Frames (y, x) that the coefficients of three bands are taken from, given whose are largest."""
    if consistency == "none":
        return own
    across, down, both = own
    agreed = np.where(across == down, across, np.where(both == down, down, across))
    some = (across == down) | (down == both) | (across == both)
    voted = [np.where(some, agreed, band) for band in own]
    return voted if consistency == "bands" else [majority(band) for band in voted]


def majority(index: np.ndarray) -> np.ndarray:
    """Index (y, x), where five or more of a pixel's 3 x 3 neighbourhood agree on another one: that one."""
    height, width = index.shape
    wide = np.pad(index, 1, mode="edge")
    near = [wide[y : y + height, x : x + width] for y, x in np.ndindex(3, 3)]
    found = index.copy()
    # A majority of nine has one of any five among it.
    for candidate in near[:5]:
        count = np.zeros(index.shape, np.uint8)
        for other in near:
            count += other == candidate
        np.copyto(found, candidate, where=count >= _MAJORITY)
    return found

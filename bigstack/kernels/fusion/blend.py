"""Soft-max blending: at every level of a Laplacian pyramid, frames weighed by their gradients there.

The two-image rule of a student project, ``1 / (1 + exp(-beta * clip(B_back - B_front, -50, 50)))`` with B the
summed gradients of a 3 x 3 neighbourhood, is a soft-max of two; that of any number of frames is this method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion import blending
from bigstack.kernels.fusion.blending import (
    Blend,
    Known,
    as_pixels,
    halo_on_grid,
    pyramid_reach,
    split_levels,
    sure_levels,
)
from bigstack.names import BlendRule

SIZES = (3, 5, 9, 19, 35)
"""Sides of the neighbourhoods that vote on the masks, from the coarsest level to the finest."""

_CLIP = 50.0  # most that a frame's gradients count for less than the largest
_MADE_UP = -1e9
_BLUR = 3.0  # standard deviation of the Gaussian over the weights by the signed Laplacian
_BLUR_REACH = 12
_SECOND = np.array([-1, 2, -1], np.float32)
_LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)


@dataclass
class State:
    """Per level, in the order of the rounds: the largest gradients, sums or votes of weights, the blend."""

    window: Window
    blend: Blend
    known: Known
    best: list[np.ndarray] = field(default_factory=list)
    lead: list[np.ndarray] = field(default_factory=list)
    total: list[np.ndarray] = field(default_factory=list)
    index: list[np.ndarray] = field(default_factory=list)
    votes: list[np.ndarray] = field(default_factory=list)
    voted: list[np.ndarray] = field(default_factory=list)
    round: int = 0


@dataclass(frozen=True)
class SoftBlend:
    """Fold that goes through the frames twice, or three times where weights are smoothed or voted on.

    `rule` ``all_channels``: one weight for all channels, by the sum of their gradients; ``by_channel``: each
    channel by itself; ``laplacian``: one weight by the signed Laplacian, smoothed; ``mask``: all weight to
    the frame of the largest gradients, voted on in neighbourhoods of `SIZES`. `levels` of detail are
    blended, and the low-pass; none for the pixels themselves. `scale` makes grey levels of 8 bit.
    """

    channels: tuple[int, ...]
    rule: BlendRule
    levels: int
    beta: float
    scale: float = 1.0

    @property
    def rounds(self) -> int:
        """Rounds through the frames."""
        return 3 if self.rule in ("laplacian", "mask") else 2

    @property
    def block(self) -> int:
        """Side of the canonical blocks."""
        return blending.BLOCK

    @property
    def halo(self) -> int:
        """The whole reach of pyramid, gradients and smoothing."""
        reach = max((2 + self._smoothing(level)) << level for level in range(self.levels + 1))
        return halo_on_grid(pyramid_reach(self.levels) + reach, self.grid)

    @property
    def grid(self) -> int:
        """Blocks start where the coarsest level has a sample."""
        return 1 << self.levels

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image`, and `index`, the frame of the largest weight at the finest level."""
        return {"image": Output(("y", "x", "channel")), "index": Output(("y", "x"), "uint16")}

    def merges(self, dtype: np.dtype) -> bool:
        """Later rounds need what the first has seen of all frames."""
        return False

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Gradients, votes and sums of all levels; a frame's pyramid and gradients."""
        deep = channels if self.rule == "by_channel" else 1
        return 4 / 3 * (8 * deep + 8 + 4 * (channels + deep)), 4 / 3 * (20 * channels + 16)

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> State:
        """Nothing seen yet."""
        return State(window, Blend(self.levels), Known(self.levels))

    def turn(self, state: State) -> None:
        """To the next round."""
        state.round += 1

    def add(self, state: State, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        """Measure a frame, vote on it, or blend it."""
        if state.round == 1 and self.rule == "mask":
            self._vote(state, z)
            return
        if state.round == 2 and self.rule == "mask":
            weights = [(voted == z).astype(np.float32) for voted in state.voted]
        else:
            gradients = self._gradients(frame, valid)
            if state.round == 0:
                self._measure(state, gradients, z, valid)
                return
            weights = [self._relative(b, best) for b, best in zip(gradients, state.best, strict=True)]
            if self.rule == "laplacian":
                if state.round == 1:
                    state.total = _sums(state.total, weights)
                    return
                shares = [w / total for w, total in zip(weights, state.total, strict=True)]
                weights = [cv2.GaussianBlur(share, (0, 0), _BLUR) for share in shares]
        state.blend.add(frame, weights, valid, state.known)

    def merge(self, early: State, late: State) -> State:
        """Never called: it does not merge."""
        raise NotImplementedError

    def finish(self, state: State) -> dict[str, Any]:
        """Image and index of the tile."""
        core = state.window.core
        index = state.voted[0] if state.voted else state.index[0]
        return {"image": as_pixels(state.blend.image()[core], state.window.dtype), "index": index[core]}

    def _gradients(self, frame: np.ndarray, valid: np.ndarray | None) -> list[np.ndarray]:
        """B of every level, (y, x) or (y, x, channel)."""
        chosen = frame[..., list(self.channels)] if self.channels else frame
        bands = split_levels(chosen.astype(np.float32) * np.float32(self.scale), self.levels)
        found = [box_gradients(band, self.rule) for band in bands]
        if valid is not None:
            for values, sure in zip(found, sure_levels(valid, self.levels), strict=True):
                values[~sure] = _MADE_UP
        return found

    def _measure(self, state: State, gradients: list[np.ndarray], z: int, valid: np.ndarray | None) -> None:
        state.known.see(valid)
        overall = [b if b.ndim == 2 else b.sum(axis=2) for b in gradients]
        if not state.best:
            state.best = gradients
            state.lead = overall
            state.index = [np.full(b.shape, z, np.uint16) for b in overall]
            return
        for level, (b, total) in enumerate(zip(gradients, overall, strict=True)):
            won = total > state.lead[level]
            state.lead[level][won] = total[won]
            state.index[level][won] = z
            state.best[level] = np.maximum(state.best[level], b)

    def _relative(self, gradients: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Weight over that of the largest gradients."""
        lag = np.maximum(gradients - best, np.float32(-_CLIP))
        return np.exp(np.float32(self.beta) * lag)

    def _vote(self, state: State, z: int) -> None:
        """Count each level's pixels that frame `z` won, and let it win neighbourhoods where it has most."""
        for level, index in enumerate(state.index):
            side = self._side(level)
            won = (index == z).astype(np.float32)
            count = cv2.boxFilter(won, -1, (side, side), normalize=False, borderType=cv2.BORDER_REPLICATE)
            if len(state.votes) <= level:
                state.votes.append(count)
                state.voted.append(np.full(index.shape, z, np.uint16))
                continue
            most = count > state.votes[level]
            state.votes[level][most] = count[most]
            state.voted[level][most] = z

    def _side(self, level: int) -> int:
        return SIZES[min(self.levels - level, len(SIZES) - 1)]

    def _smoothing(self, level: int) -> int:
        if self.rule == "laplacian":
            return _BLUR_REACH
        return self._side(level) // 2 if self.rule == "mask" else 0


def box_gradients(band: np.ndarray, rule: BlendRule) -> np.ndarray:
    """Second differences in magnitude (`laplacian`: signed), summed over channels and 3 x 3 pixels.

    (y, x, channel) float32 to (y, x), or for ``by_channel`` to (y, x, channel).
    """
    if rule == "laplacian":
        found = cv2.filter2D(band, -1, _LAPLACE)
    else:
        across, down = (cv2.filter2D(band, -1, taps) for taps in (_SECOND[None, :], _SECOND[:, None]))
        found = np.abs(across) + np.abs(down)
    found = found.reshape(band.shape)
    if rule != "by_channel":
        found = found.sum(axis=2)
    return cv2.boxFilter(found, -1, (3, 3), normalize=False).reshape(found.shape)


def _sums(total: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    return weights if not total else [a + b for a, b in zip(total, weights, strict=True)]

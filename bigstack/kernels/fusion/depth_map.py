"""Depth-map fusion: frames weighed at every pixel by their focus, blended scale by scale.

The weights of the focusstack and shinestacker projects (DepthMapStack), after Burt and Adelson 1983, "A
multiresolution spline with application to image mosaics", doi:10.1145/245.247.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion import blending
from bigstack.kernels.fusion.blending import (
    Blend,
    Known,
    as_pixels,
    halo_on_grid,
    low_passes,
    pyramid_reach,
)
from bigstack.kernels.luminance import grey_levels
from bigstack.names import WeightRule

_LEAST = 1e-6  # grey levels of focus that every pixel has: where no frame has any, all weigh the same


@dataclass
class State:
    """What has been seen of one block: the largest focus, whose it is, and the sum of weights; then sums."""

    window: Window
    best: np.ndarray
    total: np.ndarray
    index: np.ndarray
    known: Known
    blend: Blend
    weighing: bool = True
    """True in the first round, when weights are measured; frames are blended in the second."""


@dataclass(frozen=True)
class DepthMap:
    """Fold that goes through the frames twice: for the sums of their weights, and to blend them.

    With e the focus of a frame in grey levels of 8 bit, smoothed: `rule` ``average`` weighs by ``e**power``,
    ``max`` takes the frame of the largest e, ``softmax`` weighs by ``exp(power * e / temperature)``.
    `diameter` is that of a bilateral filter over the focus, 0 for none, with standard deviations
    `sigma_color`, in grey levels of focus, and `sigma_space`, in pixels. `levels` of a Laplacian pyramid are
    blended, none for the pixels themselves. `unit` is what e is divided by first: 1, or the largest focus of
    the stack.
    """

    focus: FocusMap
    channels: tuple[int, ...]
    rule: WeightRule
    power: float
    temperature: float
    diameter: int
    sigma_color: float
    sigma_space: float
    levels: int
    unit: float = 1.0

    rounds = 2

    @property
    def block(self) -> int:
        """Side of the canonical blocks."""
        return blending.BLOCK

    @property
    def halo(self) -> int:
        """The whole reach of focus, smoothing and pyramid."""
        reach = self.focus.halo + self.diameter // 2 + 1 + pyramid_reach(self.levels)
        return halo_on_grid(reach, self.grid)

    @property
    def grid(self) -> int:
        """Blocks start where the coarsest level has a sample."""
        return max(1 << self.levels, self.focus.grid)

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image`, and `index`, the frame of the largest smoothed focus."""
        return {"image": Output(("y", "x", "channel")), "index": Output(("y", "x"), "uint16")}

    def merges(self, dtype: np.dtype) -> bool:
        """The second round needs what the first has seen of all frames."""
        return False

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Focus, weights and the sums of all levels; a frame's pyramid and its focus."""
        return 10 + 4 / 3 * 4 * (channels + 1) + 2, 60 + 4 / 3 * 12 * channels

    def told(self, value: float) -> DepthMap:
        """The same, with the largest focus of the stack as the unit."""
        return replace(self, unit=float(value) or 1.0)

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> State:
        """Nothing seen yet."""
        return State(
            window,
            np.full(window.shape, -1, np.float32),
            np.zeros(window.shape, np.float32),
            np.zeros(window.shape, np.uint16),
            Known(self.levels),
            Blend(self.levels),
        )

    def turn(self, state: State) -> None:
        """From weighing to blending."""
        state.weighing = False

    def add(self, state: State, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        """Measure a frame, or blend it."""
        if self.rule == "max" and not state.weighing:
            weight = (state.index == z).astype(np.float32)
        else:
            focus = self.smoothed_focus(frame, valid)
            if state.weighing:
                self._measure(state, focus, z, valid)
                return
            weight = self._weight(state, focus, valid)
            weight /= np.maximum(state.total, np.float32(1e-30))
            if z == state.window.frames.start:
                weight[state.total == 0] = 1
        state.blend.add(frame, low_passes(weight, self.levels), valid, state.known)

    def smoothed_focus(self, frame: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        """Focus (y, x) of a frame in units, smoothed; -1 where pixels are made up."""
        focus = self.focus(grey_levels(frame, self.channels)[..., None])
        if self.unit != 1:
            focus *= np.float32(1 / self.unit)
        if self.diameter:
            focus = cv2.bilateralFilter(focus, self.diameter, self.sigma_color, self.sigma_space)
        focus += np.float32(_LEAST)
        return focus if valid is None else np.where(valid, focus, np.float32(-1))

    def _measure(self, state: State, focus: np.ndarray, z: int, valid: np.ndarray | None) -> None:
        won = focus > state.best
        state.index[won] = z
        best = np.maximum(focus, state.best)
        if self.rule != "max":
            # Weights are relative to the best so far, so that no power of them overflows.
            state.total *= self._relative(np.maximum(state.best, 0), best)
            state.best = best
            state.total += self._weight(state, focus, valid)
        state.best = best
        state.known.see(valid)

    def _weight(self, state: State, focus: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        weight = self._relative(np.maximum(focus, 0), state.best)
        return weight if valid is None else np.where(valid, weight, np.float32(0))

    def _relative(self, focus: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Weight of a focus over that of the best."""
        if self.rule == "softmax":
            return np.exp(np.minimum(focus - best, 0) * np.float32(self.power / self.temperature))
        share = focus / np.maximum(best, np.float32(_LEAST))
        return share if self.power == 1 else share ** np.float32(self.power)

    def merge(self, early: State, late: State) -> State:
        """Never called: it does not merge."""
        raise NotImplementedError

    def finish(self, state: State) -> dict[str, Any]:
        """Image and index of the tile."""
        core = state.window.core
        image = as_pixels(state.blend.image()[core], state.window.dtype)
        return {"image": image, "index": state.index[core]}

"""Depth in one pass over the frames: what is kept of them does not grow with their number.

For a single focus measure, a fit to three values and no more refinement than a small median, nothing but
the best value and its neighbours is needed, so tiles may be of any size and gain a bounded halo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.depth.cone import clean_within
from bigstack.kernels.depth.diamond import diamond_median
from bigstack.kernels.depth.measured import FLOOR, SOFT, answer_to_noise, shares_near, texture_over
from bigstack.kernels.depth.membrane import certainty
from bigstack.kernels.depth.recipe import Recipe
from bigstack.kernels.depth.refined import WEIGHTS
from bigstack.kernels.depth.three_point import FLOOR as LEAST
from bigstack.kernels.depth.three_point import bounds, gaps_of, peak_of, vertex
from bigstack.kernels.depth.uncertainty import deviation_of, spread_nearby
from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.jit import compiled, exp32, log32

FARTHEST = 48
"""Pixels beyond which nearer surfaces' defocus is not looked for."""
_VARIANCE = 2  # pixels that sigma looks around
_STRONG = 20.0  # energy over noise of an object that no median can deny
_SOFT = np.float32(SOFT)
_WIDEST = 32  # pixels around made-up ones that are left out


def streams(recipe: Recipe) -> bool:
    """Whether depth by this recipe can be found in one pass."""
    return (
        recipe.measure != "tree"
        and set(recipe.refine) <= {"diamond"}
        and recipe.peak in ("integer", "parabola", "gaussian")
        and not recipe.fill
        and recipe.priority == "best"
    )


@dataclass
class State:
    """What is known of a padded tile after some frames."""

    window: Window
    best: np.ndarray
    index: np.ndarray
    before: np.ndarray
    after: np.ndarray
    total: np.ndarray
    first: list[np.ndarray] = field(default_factory=list)
    last: list[np.ndarray] = field(default_factory=list)
    image: np.ndarray | None = None


@dataclass(frozen=True)
class DepthStream:
    """Fold that keeps, of every pixel, the best focus, that of the frames beside it, and of the ends.

    `sigma` is the standard deviation of the noise of the luma. Frames are `frames` in number.
    """

    recipe: Recipe
    frames: int
    sigma: float

    @property
    def focus(self) -> FocusMap:
        """The measure."""
        return FocusMap(self.recipe.measure, self.recipe.options, self.recipe.channels, self.recipe.smoothing)

    @property
    def reach(self) -> int:
        """Pixels that defocus is looked for."""
        return min(FARTHEST, ceil((self.frames - 1) * self.recipe.blur) + 1)

    @property
    def radius(self) -> int:
        """Pixels that the median reaches, all its passes together."""
        return len(self.recipe.refine) * (self.recipe.window // 2)

    @property
    def halo(self) -> int:
        """Pixels around the tile that the result depends on."""
        return self.focus.halo + self.radius + max(_VARIANCE, self.reach)

    @property
    def grid(self) -> int:
        """Padded tiles start where a measure on reduced images has a sample."""
        return self.focus.grid

    @property
    def outputs(self) -> Mapping[str, Output]:
        """Maps of the depth in frames."""
        return {
            "position": Output(("y", "x"), "float32"),
            "index": Output(("y", "x"), "uint16"),
            "confidence": Output(("y", "x"), "float32"),
            "deviation": Output(("y", "x"), "float32"),
            "valid": Output(("y", "x"), "bool"),
            "unobserved": Output(("y", "x"), "bool"),
        }

    def merges(self, dtype: np.dtype) -> bool:
        """The frames beside the best must have been seen by the same pass."""
        return False

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """The values that are kept, and the scratch of a focus measure and of the maps."""
        guide = channels * dtype.itemsize if "diamond" in self.recipe.refine else 0
        return 46 + guide, 100 + dtype.itemsize

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> State:
        """No frame has been seen."""
        low = np.full(window.shape, -1, np.float32)
        before, after = np.zeros_like(low), np.zeros_like(low)
        total = np.zeros(window.shape, np.int64)
        state = State(window, low, np.zeros(window.shape, np.uint16), before, after, total)
        if self.recipe.refine:
            state.image = np.zeros((*window.shape, window.channels), window.dtype)
        return state

    def add(self, state: State, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        """Take a frame."""
        answer = answer_to_noise(self.focus, round(self.sigma, 6))[0]
        energy = self.focus(frame) / np.float32(answer)
        if valid is not None and not valid.all():
            reach = np.ones((2 * min(self.focus.halo, _WIDEST) + 1,) * 2, np.uint8)
            energy[cv2.dilate((~valid).astype(np.uint8), reach) > 0] = 0
        previous = state.last[-1] if state.last else np.zeros_like(energy)
        won = energy > state.best
        _keep(energy, previous, z, FLOOR, state.best, state.index, state.before, state.after, state.total)
        if state.image is not None:
            np.copyto(state.image, frame, where=won[..., None])
        state.last = [*state.last[-2:], energy]
        if len(state.first) < 3:
            state.first.append(energy)

    def merge(self, early: State, late: State) -> State:
        """Never asked for (see `merges`)."""
        raise NotImplementedError("a depth stream sees its frames in one pass")

    def finish(self, state: State) -> dict[str, Any]:
        """Maps of the tile."""
        label = state.index.astype(np.intp)
        first, fall, triple = self._between(state, label)
        depth = first
        for _ in self.recipe.refine:
            depth = self._median(depth, first, state)
        peak = np.maximum(state.best, 0)
        textured = peak - 1 >= texture_over(self.focus, self.sigma, self.frames)
        strong = np.where(peak > _STRONG, np.minimum(first, depth), depth)
        clean = clean_within(
            np.where(textured, strong, np.float32(self.frames)), self.recipe.blur, self.reach
        )
        anywhere = np.float32(self.frames / 12**0.5)
        found = {
            "position": depth,
            "index": np.rint(depth).astype(np.uint16),
            "confidence": shares_near(triple, state.total),
            "deviation": np.where(textured, self._deviation(depth, first, fall, state, label), anywhere),
            "valid": textured,
            "unobserved": depth - clean > 1,
        }
        return {name: np.ascontiguousarray(values[state.window.core]) for name, values in found.items()}

    def _between(self, state: State, label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Depth between frames, fall of focus, and the three values about the best frame."""
        triple = np.stack([state.before, state.best, state.after])
        if self.frames < 3:
            return label.astype(np.float32), np.zeros(label.shape, np.float32), triple
        middle = np.clip(label, 1, self.frames - 2)
        for ends, values in ((label == 0, state.first), (label == self.frames - 1, state.last)):
            for part, value in zip(triple, values, strict=True):
                np.copyto(part, value, where=ends)
        logs = np.log(np.maximum(triple, np.float32(LEAST)))
        places = self.recipe.positions
        _, fall = vertex(logs, *bounds(label - middle), gaps=gaps_of(places, middle))
        if self.recipe.peak == "integer":
            return label.astype(np.float32), fall, triple
        gaussian = self.recipe.peak == "gaussian"
        return peak_of(triple, middle, label, gaussian=gaussian, positions=places), fall, triple

    def _median(self, depth: np.ndarray, first: np.ndarray, state: State) -> np.ndarray:
        assert state.image is not None
        weight = certainty(state.best - 1, np.abs(depth - first) < 1)
        weight /= 1 + weight
        guide, scale = _eight_bits(state.image)
        colour = 12.0 + 5.0 * scale * self.sigma / WEIGHTS
        return diamond_median(depth, window=self.recipe.window, confidence=weight, guide=guide, colour=colour)

    def _deviation(
        self, depth: np.ndarray, first: np.ndarray, fall: np.ndarray, state: State, label: np.ndarray
    ) -> np.ndarray:
        peak = np.maximum(state.best, np.float32(1e-6))
        moved = np.rint(depth).astype(np.intp) - label
        there = np.where(moved == 0, peak, 0)
        there = np.where(moved == -1, state.before, np.where(moved == 1, state.after, there))
        excess = np.maximum(peak - 1, 0)
        return deviation_of(
            [
                np.square(depth - first),
                spread_nearby(depth),
                1 / (1 + excess),
                np.square(fall),
                1 - there / peak,
            ]
        )


def _eight_bits(image: np.ndarray) -> tuple[np.ndarray | None, float]:
    """The image as a guide and its levels a grey level; floats have no range that a tile could know."""
    if image.dtype == np.uint8:
        return image, 1.0
    return ((image >> 8).astype(np.uint8), 1 / 256) if image.dtype == np.uint16 else (None, 1.0)


@compiled
def _keep(
    energy: np.ndarray,
    previous: np.ndarray,
    z: int,
    floor: np.float32,
    best: np.ndarray,
    index: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    total: np.ndarray,
) -> None:
    """Let a frame win where it is sharper than all before it; sums of shares are of whole numbers."""
    height, width = energy.shape
    for y in range(height):
        for x in range(width):
            value = energy[y, x]
            if z and index[y, x] == z - 1:
                after[y, x] = value
            if value > best[y, x]:
                best[y, x], index[y, x] = value, z
                before[y, x], after[y, x] = previous[y, x], np.float32(0)
            excess = max(value - np.float32(1), np.float32(0)) + floor
            total[y, x] += np.int64(exp32(_SOFT * log32(excess)) * np.float32(1024))

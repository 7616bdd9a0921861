"""Depth, and the image fused by it, of canonical blocks: a fold that keeps the frames of each block.

Regularisation has no bounded support, so its result is defined on a fixed grid of blocks with a fixed
halo: that it lies in other tiles changes nothing. With a halo of 128 pixels the blocks' labels are those
of the whole image but for single pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.depth.estimate import DEFAULT, Estimate, estimate
from bigstack.kernels.depth.halved import halved_estimate
from bigstack.kernels.depth.recipe import Recipe, recipe_of
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion.depth_blend import depth_blend
from bigstack.kernels.fusion.glints import take_glints

HALO = 128
"""Pixels around a block that its result takes into account."""

GRID = 32
"""Blocks' windows start where the coarsest level of the tree has a sample."""

BLOCKS = (1024, 512, 256)
"""Sides of blocks, the largest that `BUDGET` allows; they depend on nothing but the number of frames."""

BUDGET = 700_000_000
"""Bytes that the work on one block may take."""

MOST_SHRINK = 4.0
"""Beyond that little but edges would be left."""

SCRATCH, MAPS = 11, 100
"""Bytes of scratch of a pixel and frame, and of a pixel (measured)."""

MORE = {"guided": (5, 20), "graph_cut": (8, 450), "defocus": (0, 260)}
"""What refinements take on top of that."""


def block_side(frames: int) -> int:
    """Side of the canonical blocks of stacks of so many frames.

    Examples
    --------
    >>> block_side(10), block_side(20), block_side(200)
    (1024, 1024, 256)
    """
    fitting = (side for side in BLOCKS if (side + 2 * HALO) ** 2 * (frames * SCRATCH + MAPS) <= BUDGET)
    return next(fitting, BLOCKS[-1])


@dataclass
class State:
    """The frames of one padded block, and where they are real."""

    window: Window
    frames: np.ndarray
    valid: np.ndarray | None = None


@dataclass(frozen=True)
class DepthBlocks:
    """Fold that gathers a block's frames and finds their depth when all are there.

    `fused` asks for the image too, `recipe` says how depth is found, `shrink` how strongly the noise that
    the blend leaves is shrunk.
    """

    block: int
    recipe: Recipe = DEFAULT
    fused: bool = False
    shrink: float = 1.0
    halo: int = field(default=HALO, init=False)
    grid: int = field(default=GRID, init=False)
    libraries: ClassVar[int] = 50 * 10**6
    """Bytes of what it loads beside what other folds need: compiled loops."""

    @property
    def outputs(self) -> Mapping[str, Output]:
        """Maps of the depth in frames, and `image` when wanted."""
        found = {
            "position": Output(("y", "x"), "float32"),
            "index": Output(("y", "x"), "uint16"),
            "confidence": Output(("y", "x"), "float32"),
            "deviation": Output(("y", "x"), "float32"),
            "valid": Output(("y", "x"), "bool"),
            "unobserved": Output(("y", "x"), "bool"),
        }
        return {"image": Output(("y", "x", "channel")), **found} if self.fused else found

    def merges(self, dtype: np.dtype) -> bool:
        """Frames of blocks of z are put after each other."""
        return True

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """The frames themselves, and the volumes of evidence and weights."""
        more = [MORE[name] for name in self.recipe.refine if name in MORE]
        volumes = SCRATCH + sum(volume for volume, _ in more)
        return frames * (channels * dtype.itemsize), frames * volumes + MAPS + sum(maps for _, maps in more)

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> State:
        """Room for the frames."""
        shape = (len(window.frames), *window.shape, window.channels)
        return State(window, np.empty(shape, window.dtype))

    def add(self, state: State, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        """Keep the frame."""
        at = z - state.window.frames.start
        state.frames[at] = frame
        if valid is None:
            return
        if state.valid is None:
            state.valid = np.ones(state.frames.shape[:3], bool)
        state.valid[at] = valid

    def merge(self, early: State, late: State) -> State:
        """All frames in their order."""
        frames = np.concatenate([early.frames, late.frames])
        if early.valid is None and late.valid is None:
            return State(early.window, frames)
        masks = [np.ones(s.frames.shape[:3], bool) if s.valid is None else s.valid for s in (early, late)]
        return State(early.window, frames, np.concatenate(masks))

    def finish(self, state: State) -> dict[str, Any]:
        """Maps of the tile, of those of the whole block."""
        find = halved_estimate if self.recipe.quality == "fast" else estimate
        found = find(state.frames, state.valid, self.recipe)
        maps = _maps(found)
        if self.fused:
            channels = self.recipe.channels
            image = depth_blend(
                state.frames,
                found.depth,
                found.noise,
                state.valid,
                channels=channels,
                shrink=self.shrink,
            )
            image = take_glints(image, state.frames, state.valid, channels=channels, noise=found.noise)
            maps["image"] = _as_pixels(image, state.frames.dtype)
        return {name: np.ascontiguousarray(values[state.window.core]) for name, values in maps.items()}


def _maps(found: Estimate) -> dict[str, np.ndarray]:
    return {
        "position": found.depth,
        "index": np.rint(found.depth).astype(np.uint16),
        "confidence": found.confidence,
        "deviation": found.sigma,
        "valid": found.valid,
        "unobserved": found.unobserved,
    }


def _as_pixels(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return image.astype(dtype)
    return np.clip(np.rint(image), 0, np.iinfo(dtype).max).astype(dtype)


def depth_blocks(frames: int, *, fused: bool = False, shrink: float = 1.0, **how: Any) -> DepthBlocks:
    """Fold of a stack of so many frames, by options of `recipe_of`; what makes no sense is refused."""
    if not 0 <= shrink <= MOST_SHRINK:
        raise InputError(f"shrink must be 0, for not at all, to {MOST_SHRINK:g}, got {shrink!r}")
    return DepthBlocks(block_side(frames), recipe_of(**how), fused, shrink)

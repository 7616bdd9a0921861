"""The lower levels of a pyramid in one go: selected, put onto the averaged base, and collapsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion.base import Base
from bigstack.kernels.fusion.pyramid import Collapse, PyramidSelect
from bigstack.kernels.pyramid import level_shapes


@dataclass(frozen=True)
class PyramidRest:
    """Fold over reduced frames that gives the fused image they are the low-pass of.

    A tile depends on its own surroundings only, `select.halo` pixels of them, so that a region of a large
    image can be fused without the rest. The base has to be local too: the average of the frames.
    """

    select: PyramidSelect
    base: Base

    @property
    def halo(self) -> int:
        """Pixels around the tile that the result depends on."""
        return self.select.halo

    @property
    def grid(self) -> int:
        """Padded tiles start where all levels have a sample."""
        return self.select.grid

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`low`, in the numbers of the chain."""
        return {"low": Output(("y", "x", "channel"), str(self._collapse.dtype))}

    @cached_property
    def _collapse(self) -> Collapse:
        return Collapse(self.select.chain, last=False)

    def merges(self, dtype: np.dtype) -> bool:
        """Selection is exact in any grouping, and bases are kept until the end."""
        return True

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Those of the selection, and the base of each frame."""
        state, work = self.select.bytes_per_pixel(frames, channels, dtype)
        return state + self.base.bytes_per_pixel(frames, channels, dtype)[0] / self.grid**2, work

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """No frame yet; everything is kept for the whole padded tile, as the collapse reaches into it."""
        height, width = window.shape
        whole = Window(
            window.shape, (slice(0, height), slice(0, width)), window.frames, window.channels, window.dtype
        )
        small = level_shapes(window.shape, self.select.levels)[-1]
        count = len(window.frames)
        kept = {"reduced": np.empty((count, *small, window.channels), self.select.chain.dtype)}
        if self.select.with_valid:
            kept["valid"] = np.empty((count, *small), bool)
        return {"window": window, "kept": kept, "bands": self.select.start(whole, kept)}

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Let frame `z` win where it has more energy than all before it."""
        self.select.add(state["bands"], frame, z, valid, work)

    def merge(self, early: dict[str, Any], late: dict[str, Any]) -> dict[str, Any]:
        """Later frames win only where they have strictly more energy."""
        self.select.merge(early["bands"], late["bands"])
        early["kept"] = {name: np.concatenate([a, late["kept"][name]]) for name, a in early["kept"].items()}
        return early

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """Average the bases, add the levels up, cut the tile out."""
        kept, window = state["kept"], state["window"]
        count, height, width = kept["reduced"].shape[:3]
        around = Window(
            (height, width), (slice(0, height), slice(0, width)), range(count), window.channels, window.dtype
        )
        bases = self.base.start(around, {})
        for z, frame in enumerate(kept["reduced"]):
            self.base.add(bases, frame, z, kept["valid"][z] if "valid" in kept else None, {})
        base = self.base.finish(bases)["base"]
        low = self._collapse(self.select.finish(state["bands"])["bands"], base)
        return {"low": low.reshape(*window.shape, window.channels)[window.core]}

"""Weighted mean: every pixel the mean of all frames, each with a power of its focus as its weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.kernels.focus.maps import FocusMap
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion.blending import as_pixels
from bigstack.kernels.luminance import luminance

_LEAST = 1e-6  # focus that every pixel has: where no frame has any, all weigh the same


@dataclass(frozen=True)
class Weighted:
    """Fold over the frames: ``sum(w * frame) / sum(w)`` with ``w = focus ** power``; made-up pixels weigh 0.

    One pass: sums are kept in units of the largest weight so far, so that no power of it overflows.
    """

    focus: FocusMap
    channels: tuple[int, ...]
    power: float

    @property
    def halo(self) -> int:
        """Pixels around the tile that the result depends on."""
        return self.focus.halo

    @property
    def grid(self) -> int:
        """Padded tiles start where a measure on reduced images has a sample."""
        return self.focus.grid

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image`, and `index`, the frame of the largest weight."""
        return {"image": Output(("y", "x", "channel")), "index": Output(("y", "x"), "uint16")}

    def merges(self, dtype: np.dtype) -> bool:
        """Sums of floats depend on their order."""
        return False

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Bytes of a pixel's sums and of the scratch of a focus measure."""
        return 10 + 4 * channels, 52 + 8 * channels

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Nothing seen yet."""
        core = tuple(part.stop - part.start for part in window.core)
        return {
            "window": window,
            "sum": np.zeros((*core, window.channels), np.float32),
            "weight": np.zeros(core, np.float32),
            "best": np.full(core, -1, np.float32),
            "index": np.zeros(core, np.uint16),
        }

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Add one frame."""
        core = state["window"].core
        focus = self.focus(luminance(frame, self.channels)[..., None])[core] + np.float32(_LEAST)
        if valid is not None:
            focus = np.where(valid[core], focus, np.float32(0))
        won = focus > state["best"]
        best = np.maximum(focus, state["best"])
        fade = self._share(np.maximum(state["best"], 0), best)
        weight = self._share(focus, best)
        if valid is not None:
            # Where no frame is real, the pixel of the first stays; any other makes it fade to nothing.
            unknown = best == 0
            fade[unknown] = 1
            weight[unknown] = z == state["window"].frames.start
        state["best"] = best
        state["index"][won] = z
        state["weight"] *= fade
        state["weight"] += weight
        state["sum"] *= fade[..., None]
        state["sum"] += frame[core] * weight[..., None]

    def _share(self, focus: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Weight of a focus over that of the best; 1 where nothing has any."""
        share = focus / np.maximum(best, np.float32(_LEAST))
        return share ** np.float32(self.power)

    def merge(self, early: dict[str, Any], late: dict[str, Any]) -> dict[str, Any]:
        """Never called: it does not merge."""
        raise NotImplementedError

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """Image and index."""
        image = state["sum"] / state["weight"][..., None]
        return {"image": as_pixels(image, state["window"].dtype), "index": state["index"]}

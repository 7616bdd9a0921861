"""Selection: every pixel from the frame that is sharpest there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.kernels.filters import gaussian_blur, gaussian_radius
from bigstack.kernels.focus import measure
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.luminance import luminance
from bigstack.names import Ties

SCRATCH = {
    "variance": 49,
    "rdf_surh": 33,
    "steerable": 45,
    "structure_tensor": 89,
    "eigenvalue": 52,
    "log_energy": 29,
}
"""Bytes of a pixel that focus measures use while they work, those above 24."""


@dataclass(frozen=True)
class Select:
    """Fold over the frames: arg-max of a focus measure, pixels gathered from the winning frame.

    `options` are those of the measure, as pairs; `smoothing` is the standard deviation in pixels of a
    Gaussian that the focus map is smoothed by before frames compete, 0 for none. Of frames that are
    equally sharp the first wins, or the `last`.
    """

    measure: str
    options: tuple[tuple[str, Any], ...] = ()
    smoothing: float = 0.0
    channels: tuple[int, ...] = ()
    ties: Ties = "first"

    @property
    def halo(self) -> int:
        """Pixels around the tile that the result depends on."""
        return measure(self.measure).halo(**dict(self.options)) + gaussian_radius(self.smoothing)

    @property
    def grid(self) -> int:
        """Padded tiles start where a measure on reduced images has a sample."""
        return measure(self.measure).grid(**dict(self.options))

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image` and the `index` of the winning frame."""
        return {"image": Output(("y", "x", "channel")), "index": Output(("y", "x"), "uint16")}

    def merges(self, dtype: np.dtype) -> bool:
        """Selection is exact in any grouping."""
        return True

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Bytes of a pixel's state, and of the scratch of a focus measure."""
        return channels * dtype.itemsize + 6, SCRATCH.get(self.measure, 24) + dtype.itemsize

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """No frame has won yet."""
        core = tuple(part.stop - part.start for part in window.core)
        return {
            "window": window,
            "image": np.zeros((*core, window.channels), window.dtype),
            "index": np.zeros(core, np.uint16),
            # Any frame beats the start, even where its pixel is made up and so has focus -1.
            "focus": np.full(core, -2, np.float32),
        }

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Let frame `z` win where it is sharper than all before it."""
        core = state["window"].core
        focus = measure(self.measure).function(luminance(frame, self.channels), **dict(self.options))
        if self.smoothing:
            focus = gaussian_blur(focus, self.smoothing).astype(np.float32, copy=False)
        focus = focus[core]
        if valid is not None:
            focus = np.where(valid[core], focus, np.float32(-1))
        self._take(state, focus, frame[core], np.uint16(z))

    def _take(self, state: dict[str, Any], focus: np.ndarray, image: np.ndarray, index: Any) -> None:
        beats = np.greater if self.ties == "first" else np.greater_equal
        won = beats(focus, state["focus"])
        np.copyto(state["focus"], focus, where=won)
        np.copyto(state["index"], index, where=won)
        np.copyto(state["image"], image, where=won[..., None])

    def merge(self, early: dict[str, Any], late: dict[str, Any]) -> dict[str, Any]:
        """Later frames against the winners of the earlier ones."""
        self._take(early, late["focus"], late["image"], late["index"])
        return early

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """Image and index."""
        return {"image": state["image"], "index": state["index"]}

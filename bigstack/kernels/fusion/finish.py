"""What may be done to a fused image, whatever method made it: a second look at the frames, and denoising."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bigstack.kernels.correction.denoise import denoise, denoise_halo
from bigstack.kernels.fold import Output, Window

SEARCH, TEMPLATE = 13, 5


class _Second:
    """What folds that are given a fused image have in common."""

    halo = 0
    grid = 1

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image`."""
        return {"image": Output(("y", "x", "channel"))}

    def merges(self, dtype: np.dtype) -> bool:
        """Merging would not have the fused image."""
        return False

    def merge(self, early: Any, late: Any) -> Any:
        """Never called: it does not merge."""
        raise NotImplementedError


@dataclass(frozen=True)
class Reassign(_Second):
    """Fold that gives every pixel the colour, among those the frames have there, that is nearest to its own.

    Blends and sums of scales make colours that no frame has; Forster et al. 2004, doi:10.1002/jemt.20092, end
    with this step. Of equally near ones the first frame's is taken.
    """

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """The colours so far, how far they are, and differences."""
        return channels * (4 + dtype.itemsize) + 4, 8 * channels

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The fused image, and no colour yet."""
        fused = out["image"]
        return {
            "window": window,
            "fused": fused.astype(np.float32),
            "image": fused.copy(),
            "apart": np.full(fused.shape[:2], np.inf, np.float32),
        }

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Take a frame's colour where it is nearer than all before it."""
        core = state["window"].core
        frame = frame[core]
        apart = _squares(frame, state["fused"])
        if valid is not None:
            apart[~valid[core]] = np.inf
        won = apart < state["apart"]
        np.copyto(state["apart"], apart, where=won)
        np.copyto(state["image"], frame, where=won[..., None])

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """The image."""
        return {"image": state["image"]}


@dataclass(frozen=True)
class Limit(_Second):
    """Fold that keeps every pixel within the range of what the frames have there, channel by channel.

    Rims brighter or darker than anything in the stack, which sums of scales leave at hard edges, are cut off.
    """

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """The darkest and brightest so far."""
        return 3 * channels * dtype.itemsize + 4, 4 * channels

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The fused image, and no range yet."""
        fused = out["image"]
        kind = fused.dtype
        low, high = (-np.inf, np.inf) if kind.kind == "f" else (0, np.iinfo(kind).max)
        return {
            "window": window,
            "fused": fused,
            "low": np.full(fused.shape, high, kind),
            "high": np.full(fused.shape, low, kind),
        }

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Widen the range by a frame."""
        core = state["window"].core
        where: Any = True if valid is None else valid[core][..., None]
        np.minimum(state["low"], frame[core], out=state["low"], where=where)
        np.maximum(state["high"], frame[core], out=state["high"], where=where)

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """The image, within its range where there is one."""
        fused = state["fused"]
        some = state["low"] <= state["high"]
        return {"image": np.where(some, np.clip(fused, state["low"], state["high"]), fused)}


@dataclass(frozen=True)
class Denoise(_Second):
    """Fold over a stack of one image, the fused one: non-local means.

    `noise` is the standard deviation of each channel's noise, told when it is known.
    """

    strength: float
    noise: tuple[float, ...] = ()

    halo = denoise_halo(SEARCH, TEMPLATE)

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """The image."""
        return channels * dtype.itemsize, 16 * channels

    def told(self, value: Any) -> Denoise:
        """The same, for this noise."""
        return replace(self, noise=tuple(float(sigma) for sigma in value))

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """No image yet."""
        return {"window": window}

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Denoise the image."""
        state["image"] = denoise(frame, self.noise, strength=self.strength, search=SEARCH, template=TEMPLATE)

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """The image."""
        return {"image": state["image"][state["window"].core]}


def _squares(frame: np.ndarray, fused: np.ndarray) -> np.ndarray:
    """Squared distance (y, x) float32 of the colours, added up channel by channel in their order."""
    total = np.zeros(frame.shape[:2], np.float32)
    for channel in range(frame.shape[2]):
        apart = frame[..., channel] - fused[..., channel]
        total += apart * apart
    return total

"""How the lowest level of a pyramid is fused, where no Laplacian tells which frame is sharp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion.pyramid import Chain
from bigstack.kernels.luminance import luminance
from bigstack.names import BaseKind


@dataclass(frozen=True)
class Base:
    """Fold over the low-passes of all frames, each a whole image: the base level, float in chain units.

    `average` is their mean; `energy` picks the frame with the largest variance in a box of `size`;
    `entropy` the one with the largest Shannon entropy of its 8-bit grey values in the box;
    `focusstack` is the mean of two picks, by variance and by the sum of ``-v ln p(v)`` over the box, p
    being the share of grey value v in the whole image: a rule of the focusstack project (0.1), which
    favours bright over textured places. Made-up pixels do not count.
    """

    chain: Chain
    kind: BaseKind = "average"
    size: int = 5
    channels: tuple[int, ...] = ()

    halo = 0
    grid = 1

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`base`, in the numbers of the chain."""
        dtype = "float64" if self.chain.dtype == "float64" else "float32"
        return {"base": Output(("y", "x", "channel"), dtype)}

    def merges(self, dtype: np.dtype) -> bool:
        """Frames are kept until the end and averaged in their order."""
        return True

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """All frames are held: bases are small."""
        wide = np.dtype(self.chain.dtype).itemsize
        return frames * (channels * wide + 1.0), 16.0 * channels + 8.0 * self.size**2

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """No frame yet."""
        return {"window": window, "frames": [], "valid": []}

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Keep a copy of the frame."""
        state["frames"].append(frame.copy())
        state["valid"].append(None if valid is None else valid.copy())

    def merge(self, early: dict[str, Any], late: dict[str, Any]) -> dict[str, Any]:
        """Frames in order."""
        early["frames"] += late["frames"]
        early["valid"] += late["valid"]
        return early

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """Fuse the frames."""
        frames, core = state["frames"], state["window"].core
        if self.kind == "average":
            return {"base": self._mean(frames, state["valid"])[core]}
        greys = [self._grey(frame) for frame in frames]
        rules = {"energy": (_variance,), "entropy": (_entropy,), "focusstack": (_surprise, _variance)}
        picks = []
        for rule in rules[self.kind]:
            scores = [rule(grey, self.size) for grey in greys]
            for score, valid in zip(scores, state["valid"], strict=True):
                if valid is not None:
                    score[~valid] = -np.inf
            winner = np.argmax(np.stack(scores), axis=0)
            picks.append(np.take_along_axis(np.stack(frames), winner[None, ..., None], axis=0)[0])
        return {"base": self._mean(picks, [None] * len(picks))[core]}

    def _mean(self, frames: list[np.ndarray], valid: list[np.ndarray | None]) -> np.ndarray:
        total = np.zeros(frames[0].shape, np.float64)
        count = np.zeros((*frames[0].shape[:2], 1), np.int64)
        for frame, real in zip(frames, valid, strict=True):
            weight = 1 if real is None else real[..., None]
            total += frame * weight
            count += weight
        mean = np.where(count > 0, total / np.maximum(count, 1), frames[0])
        if self.chain.exact:
            np.floor(mean + 0.5, out=mean)
        return mean.astype(self.outputs["base"].dtype)

    def _grey(self, frame: np.ndarray) -> np.ndarray:
        """Grey values: as of an 8-bit image for integers, as they are for floats."""
        grey = luminance(frame, self.channels)
        if self.chain.pixel == "float32":
            return grey
        scale = 2.0**self.chain.lift * (1 if self.chain.pixel == "uint8" else 256)
        return np.floor(grey / scale).astype(np.uint8)


def _by_rows(grey: np.ndarray, size: int, score: Any) -> np.ndarray:
    # A block of rows at a time: neighbourhoods of the whole image would hold size**2 copies of it.
    half, rows = size // 2, 64
    mode = "reflect" if min(grey.shape) > half else "symmetric"
    padded = np.pad(grey, half, mode=mode)
    out = np.empty(grey.shape, np.float64)
    for y in range(0, grey.shape[0], rows):
        part = padded[y : y + rows + 2 * half]
        views = np.lib.stride_tricks.sliding_window_view(part, (size, size))
        out[y : y + rows] = score(views.reshape(*views.shape[:2], size * size))
    return out


def _variance(grey: np.ndarray, size: int) -> np.ndarray:
    return _by_rows(grey.astype(np.float64), size, lambda boxes: boxes.var(axis=2))


def _entropy(grey: np.ndarray, size: int) -> np.ndarray:
    levels = _levels(grey)

    def score(boxes: np.ndarray) -> np.ndarray:
        # -sum p ln p over grey values = -mean over members of ln(how many members share its value / all)
        ordered = np.sort(boxes, axis=2)
        same = (ordered[..., :, None] == ordered[..., None, :]).sum(axis=3)
        return -np.log(same / boxes.shape[2]).mean(axis=2)

    return _by_rows(levels, size, score)


def _surprise(grey: np.ndarray, size: int) -> np.ndarray:
    levels = _levels(grey)
    share = np.bincount(levels.ravel(), minlength=256) / levels.size
    bits = np.zeros(256)
    bits[share > 0] = -np.log(share[share > 0])
    return _by_rows(levels * bits[levels], size, lambda boxes: boxes.sum(axis=2))


def _levels(grey: np.ndarray) -> np.ndarray:
    """256 grey values; floats are spread over their own range."""
    if grey.dtype == np.uint8:
        return grey
    low, high = float(grey.min()), float(grey.max())
    scale = 255 / (high - low) if high > low else 0.0
    return np.rint((grey - low) * scale).astype(np.uint8)

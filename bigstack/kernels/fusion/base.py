"""How the lowest level of a pyramid is fused, where no Laplacian tells which frame is sharp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from bigstack.kernels.filters import box_sum
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion.pyramid import Chain
from bigstack.kernels.luminance import luminance
from bigstack.names import BaseKind

_BLOCK = 1 << 18
"""Members of boxes that are sorted at a time: neighbourhoods of a whole image would not fit in memory."""


@dataclass(frozen=True)
class Base:
    """Fold over the low-passes of all frames, each a whole image: the base level, float in chain units.

    `average` is their mean; `energy` picks the frame with the largest variance of its grey values in a box
    of `size`; `entropy` the one with the largest Shannon entropy in the box, of the grey values of uint8, of
    256 steps from the darkest to the brightest of all frames else; `focusstack` is the mean of two picks, by
    variance and by the sum of ``-v ln p(v)`` over the box, p being the share of grey value v (its whole part)
    in the whole image: a rule of the focusstack project (0.1), which favours bright over textured places.
    Of equal frames the first wins. Made-up pixels do not count.
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
        return frames * (channels * wide + 9.0), 16.0 * channels + 64.0

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
        greys = [luminance(frame, self.channels) for frame in frames]
        picks = []
        for scores in self._scores(greys):
            for score, valid in zip(scores, state["valid"], strict=True):
                if valid is not None:
                    score[~valid] = -np.inf
            winner = np.argmax(np.stack(scores), axis=0)
            picks.append(np.take_along_axis(np.stack(frames), winner[None, ..., None], axis=0)[0])
        return {"base": self._mean(picks, [None] * len(picks))[core]}

    def _scores(self, greys: list[np.ndarray]) -> list[list[np.ndarray]]:
        """One score a frame for each pick."""
        if self.kind == "energy":
            return [[box_variance(grey, self.size) for grey in greys]]
        if self.kind == "entropy":
            return [[box_entropy(grey, self.size) for grey in self._steps(greys)]]
        whole = self._whole(greys)
        return [
            [box_surprise(grey, self.size) for grey in whole],
            [box_variance(grey, self.size) for grey in whole],
        ]

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

    def _whole(self, greys: list[np.ndarray]) -> list[np.ndarray]:
        """Grey values of the stack's own dtype, cut to whole numbers; floats have steps."""
        if self.chain.pixel == "float32":
            return self._steps(greys)
        return [np.floor(grey * 2.0**-self.chain.lift).astype(np.int64) for grey in greys]

    def _steps(self, greys: list[np.ndarray]) -> list[np.ndarray]:
        """256 grey values, the same ones for all frames."""
        if self.chain.pixel == "uint8":
            low, step = 0.0, 2.0**self.chain.lift
        else:
            low = min(float(grey.min()) for grey in greys)
            step = (max(float(grey.max()) for grey in greys) - low) / 255 or 1.0
        return [np.rint((grey.astype(np.float64) - low) / step).astype(np.uint8) for grey in greys]


def box_variance(grey: np.ndarray, size: int) -> np.ndarray:
    """Variance (y, x) float64 over `size` x `size` pixels, reflected at the border; exact for integers.

    Differences to the pixel in the middle are summed: flat boxes have exactly 0, whatever their brightness.
    """
    values = grey.astype(np.float64)
    padded = _padded(values, size)
    total, squares = np.zeros(grey.shape), np.zeros(grey.shape)
    for y, x in np.ndindex(size, size):
        part = padded[y : y + grey.shape[0], x : x + grey.shape[1]] - values
        total += part
        squares += part * part
    return (squares * size**2 - total * total) / size**4


def box_entropy(steps: np.ndarray, size: int) -> np.ndarray:
    """Shannon entropy (y, x) float64, in nats, of uint8 values over `size` x `size` pixels.

    Equal histograms give equal bits: the logarithms are whole numbers until they are added up.
    """
    count = size**2
    members = np.arange(1.0, count + 1)
    # H = ln n - sum(k ln k) / n over values that k of n pixels share; the k-th of them adds the difference.
    table = np.rint(np.concatenate([[0.0], members * np.log(members)]) * 2**32).astype(np.int64)
    adds = np.diff(table)
    padded, out = _padded(steps, size), np.empty(steps.shape)
    rows = max(1, _BLOCK // (steps.shape[1] * count))
    for y in range(0, steps.shape[0], rows):
        boxes = np.lib.stride_tricks.sliding_window_view(padded[y : y + rows + size - 1], (size, size))
        ordered = np.sort(boxes.reshape(*boxes.shape[:2], count), axis=2)
        start = np.tile(np.arange(count, dtype=np.int32), (*boxes.shape[:2], 1))
        place = start.copy()
        start[..., 1:][ordered[..., 1:] == ordered[..., :-1]] = 0
        np.maximum.accumulate(start, axis=2, out=start)
        out[y : y + rows] = adds[place - start].sum(axis=2) * 2.0**-32
    return np.log(count) - out / count


def box_surprise(whole: np.ndarray, size: int) -> np.ndarray:
    """``sum(-v ln p(v))`` (y, x) over `size` x `size` pixels, p(v) the share of v in the image."""
    counts = np.bincount(whole.ravel())
    bits = np.log(whole.size / np.maximum(counts, 1))
    return box_sum(whole * bits[whole], size)


def _padded(image: np.ndarray, size: int) -> np.ndarray:
    half = size // 2
    return cv2.copyMakeBorder(image, half, half, half, half, cv2.BORDER_REFLECT_101)

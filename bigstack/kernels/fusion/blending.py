"""Weighted sums of frames, scale by scale: what the methods that weigh frames have in common.

They are defined on canonical blocks, so OpenCV's float filters may be used: their last bits depend on where a
window lies, and a block's window is the same whatever the tiles are. The blocks' halo is the whole reach of
the method, so that a block has the pixels of the whole image but for roundings.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

BLOCK = 1024
"""Side of the canonical blocks in pixels."""

_LITTLE = 1e-4  # weight of a real frame where those that were meant to count are made up
_NONE = 1e-8  # below this a sum of weights is rounding


def pyramid_reach(levels: int) -> int:
    """Pixels that a sum of Laplacian pyramids of so many levels of detail depends on, around a pixel.

    Examples
    --------
    >>> pyramid_reach(0), pyramid_reach(4)
    (0, 64)
    """
    return 4 << levels if levels else 0


def halo_on_grid(reach: int, grid: int) -> int:
    """The smallest multiple of `grid` that covers `reach`."""
    return -(-reach // grid) * grid


def split_levels(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """Laplacians of an image (y, x[, channel]) float32 from fine to coarse, and the low-pass that is left."""
    found = []
    for _ in range(levels):
        low = cv2.pyrDown(image).reshape(-(-image.shape[0] // 2), -(-image.shape[1] // 2), *image.shape[2:])
        found.append(image - expanded(low, image.shape))
        image = low
    return [*found, image]


def expanded(low: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`low` at twice its size, `shape` of it."""
    return cv2.pyrUp(low, dstsize=shape[1::-1]).reshape(shape)


def low_passes(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """Gaussian pyramid of an image (y, x): itself and `levels` smaller ones."""
    found = [image]
    for _ in range(levels):
        found.append(cv2.pyrDown(found[-1]))
    return found


def sure_levels(valid: np.ndarray, levels: int) -> list[np.ndarray]:
    """Where the coefficients of `split_levels` come from real pixels alone, of those `valid` (y, x)."""
    bad = (~valid).astype(np.uint8)
    found = []
    for _ in range(levels):
        found.append(cv2.dilate(bad, np.ones((9, 9), np.uint8)) == 0)
        bad = np.ascontiguousarray(cv2.dilate(bad, np.ones((5, 5), np.uint8))[::2, ::2])
    return [*found, bad == 0]


@dataclass
class Known:
    """Where any frame at all has coefficients of real pixels, level by level; None while all have."""

    levels: int
    real: list[np.ndarray] | None = None
    masked: bool = False
    """Whether some frame has made-up pixels."""
    whole: bool = False
    """Whether some frame has none: then there are real ones everywhere."""

    def see(self, valid: np.ndarray | None) -> None:
        """Take one frame into account."""
        self.whole |= valid is None
        self.masked |= valid is not None
        if valid is None or self.whole:
            return
        sure = sure_levels(valid, self.levels)
        self.real = sure if self.real is None else [a | b for a, b in zip(self.real, sure, strict=True)]

    def at(self, level: int) -> np.ndarray | bool:
        """Where there is a real frame."""
        return True if self.whole or self.real is None else self.real[level]


@dataclass
class Blend:
    """Weighted sums of the frames' Laplacian pyramids, as far as they have come."""

    levels: int
    sums: list[np.ndarray] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)

    def add(
        self, frame: np.ndarray, weights: list[np.ndarray], valid: np.ndarray | None, known: Known
    ) -> None:
        """Add a frame (y, x, channel) with its weights (y, x), or (y, x, channel), at every level.

        Coefficients that made-up pixels have touched count only where no frame has others.
        """
        bands = split_levels(frame.astype(np.float32), self.levels)
        sure = None if valid is None else sure_levels(valid, self.levels)
        for level, (band, weight) in enumerate(zip(bands, weights, strict=True)):
            if known.masked:
                weight = weight + np.float32(_LITTLE)
                if sure is not None:
                    weight[~(sure[level] | np.logical_not(known.at(level)))] = 0
            band *= weight if weight.ndim == 3 else weight[..., None]
            if len(self.sums) <= level:
                self.sums.append(band)
                self.weights.append(weight.astype(np.float32))
            else:
                self.sums[level] += band
                self.weights[level] += weight

    def image(self) -> np.ndarray:
        """The levels added up again (y, x, channel), float32."""
        result: np.ndarray | None = None
        while self.sums:
            band = self.sums.pop()
            weight = np.maximum(self.weights.pop(), np.float32(_NONE))
            band /= weight if weight.ndim == 3 else weight[..., None]
            result = band if result is None else expanded(result, band.shape) + band
        assert result is not None
        return result


def as_pixels(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float pixels in a stack's dtype: rounded, and clipped to its range."""
    if dtype.kind == "f":
        return image.astype(dtype)
    return np.clip(np.rint(image), 0, np.iinfo(dtype).max).astype(dtype)

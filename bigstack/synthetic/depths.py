"""How far surfaces are: depth, in frames, as a function of the position, one frozen value a kind.

A depth map's `sample(box)` returns (h, w) float32, the frame (not a whole number) in which the pixel is
sharpest; frame 0 focuses on what is nearest. `bounds` are the smallest and largest depth anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bigstack.synthetic.plane import Box, hashed, mirrored


class DepthMap(Protocol):
    """Depth of a surface."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest depth on the whole plane, in frames."""
        ...

    def sample(self, box: Box) -> np.ndarray:
        """Depth (h, w) float32 of the box, in frames."""
        ...


@dataclass(frozen=True)
class Plane:
    """One depth everywhere."""

    depth: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest depth on the whole plane, in frames."""
        return self.depth, self.depth

    def sample(self, box: Box) -> np.ndarray:
        """Depth (h, w) float32 of the box, in frames."""
        return np.full(box.shape, self.depth, np.float32)


@dataclass(frozen=True)
class Ramp:
    """A tilted plane that falls from `near` to `far` over the image, flat beyond it."""

    near: float
    far: float
    shape: tuple[int, int]
    angle: float = 0.0
    """Direction of the fall in degrees: 0 is from left to right, 90 from top to bottom."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest depth on the whole plane, in frames."""
        return self.near, self.far

    def sample(self, box: Box) -> np.ndarray:
        """Depth (h, w) float32 of the box, in frames."""
        y, x = box.axes()
        down, right = np.sin(np.radians(self.angle)), np.cos(np.radians(self.angle))
        reach = (abs(down) * (self.shape[0] - 1) + abs(right) * (self.shape[1] - 1)) / 2
        along = down * (y - (self.shape[0] - 1) / 2) + right * (x - (self.shape[1] - 1) / 2)
        share = np.clip(0.5 + along / (2 * max(reach, 0.5)), 0, 1)
        return (self.near + (self.far - self.near) * share).astype(np.float32)


@dataclass(frozen=True)
class Bump:
    """A smooth hill, nearest at its top, on a far plane."""

    near: float
    far: float
    centre: tuple[float, float]
    radius: tuple[float, float]
    """Standard deviations of the Gaussian hill in y and x, in pixels."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest depth on the whole plane, in frames."""
        return self.near, self.far

    def sample(self, box: Box) -> np.ndarray:
        """Depth (h, w) float32 of the box, in frames."""
        y, x = box.axes()
        square = ((y - self.centre[0]) / self.radius[0]) ** 2 + ((x - self.centre[1]) / self.radius[1]) ** 2
        return (self.far - (self.far - self.near) * np.exp(-square / 2)).astype(np.float32)


@dataclass(frozen=True)
class Waves:
    """A smooth random landscape without end, of eight plane waves of about `length` pixels."""

    near: float
    far: float
    seed: int
    length: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest depth on the whole plane, in frames."""
        return self.near, self.far

    def sample(self, box: Box) -> np.ndarray:
        """Depth (h, w) float32 of the box, in frames."""
        y, x = box.axes()
        total = np.zeros(box.shape)
        for angle, length, phase in hashed(self.seed, np.arange(8)[:, None], np.arange(3)):
            turns = (np.sin(np.pi * angle) * y + np.cos(np.pi * angle) * x) / (self.length * (0.7 + length))
            total += np.sin(2 * np.pi * (turns + phase))
        # Eight waves have a standard deviation of 2: tanh keeps the landscape inside its bounds.
        share = 0.5 + 0.5 * np.tanh(total / 3.5)
        return (self.near + (self.far - self.near) * share).astype(np.float32)


@dataclass(frozen=True, eq=False)
class DepthImage:
    """A depth map given as an array (y, x), repeated in mirrored copies.

    It is rendered as one smooth surface; things in front of others must be layers of their own.
    """

    depth: np.ndarray

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest depth on the whole plane, in frames."""
        return float(self.depth.min()), float(self.depth.max())

    def sample(self, box: Box) -> np.ndarray:
        """Depth (h, w) float32 of the box, in frames."""
        rows = mirrored(box.y0, box.y1, self.depth.shape[0])
        columns = mirrored(box.x0, box.x1, self.depth.shape[1])
        return self.depth[rows[:, None], columns].astype(np.float32)


def _plane(seed: int, shape: tuple[int, int], near: float, far: float) -> DepthMap:
    return Plane((near + far) / 2)


def _ramp(seed: int, shape: tuple[int, int], near: float, far: float) -> DepthMap:
    return Ramp(near, far, shape, angle=float(360 * hashed(seed, 0)[0]))


def _bump(seed: int, shape: tuple[int, int], near: float, far: float) -> DepthMap:
    down, right = 0.35 + 0.3 * hashed(seed, np.arange(2))
    centre = (float(down * shape[0]), float(right * shape[1]))
    return Bump(near, far, centre, (0.24 * shape[0], 0.24 * shape[1]))


def _smooth(seed: int, shape: tuple[int, int], near: float, far: float) -> DepthMap:
    return Waves(near, far, seed, length=0.8 * min(shape))


DEPTHS: dict[str, Callable[[int, tuple[int, int], float, float], DepthMap]] = {
    "plane": _plane,
    "ramp": _ramp,
    "bump": _bump,
    "smooth": _smooth,
}
"""Kinds of surface by name, each made from a seed, the image's shape, its nearest and farthest depth."""

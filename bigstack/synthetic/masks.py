"""Where objects are: cover by things with sharp outlines, anti-aliased over one pixel.

A mask's `sample(box)` returns (h, w) float32, the share of each pixel that the object covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bigstack.synthetic.plane import Box, mirrored


class Mask(Protocol):
    """Outline of an object."""

    def sample(self, box: Box) -> np.ndarray:
        """Cover (h, w) float32 of the box, 0 to 1."""
        ...


def _cover(distance: np.ndarray) -> np.ndarray:
    """Share of a pixel inside an outline that is `distance` pixels away, negative inside."""
    return np.clip(0.5 - distance, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Disc:
    """A round thing of `radius` pixels."""

    y: float
    x: float
    radius: float

    def sample(self, box: Box) -> np.ndarray:
        """Cover (h, w) float32 of the box, 0 to 1."""
        y, x = box.axes()
        return _cover(np.hypot(y - self.y, x - self.x) - self.radius)


@dataclass(frozen=True)
class Rectangle:
    """A board of `height` x `width` pixels, turned by `angle` degrees."""

    y: float
    x: float
    height: float
    width: float
    angle: float = 0.0

    def sample(self, box: Box) -> np.ndarray:
        """Cover (h, w) float32 of the box, 0 to 1."""
        y, x = box.axes()
        sine, cosine = np.sin(np.radians(self.angle)), np.cos(np.radians(self.angle))
        across = abs(cosine * (y - self.y) - sine * (x - self.x)) - self.height / 2
        along = abs(sine * (y - self.y) + cosine * (x - self.x)) - self.width / 2
        return _cover(np.maximum(across, along))


@dataclass(frozen=True)
class HalfPlane:
    """All beyond a wavy line through (y, x) that runs at `angle` degrees."""

    y: float
    x: float
    angle: float
    wave: float = 0.0
    length: float = 100.0

    def sample(self, box: Box) -> np.ndarray:
        """Cover (h, w) float32 of the box, 0 to 1."""
        return _cover(-_off_curve(self, box))


@dataclass(frozen=True)
class Hair:
    """A wavy thread of `width` pixels through (y, x) that runs at `angle` degrees without end."""

    y: float
    x: float
    angle: float
    width: float
    wave: float = 6.0
    length: float = 150.0

    def sample(self, box: Box) -> np.ndarray:
        """Cover (h, w) float32 of the box, 0 to 1."""
        thin = min(self.width, 1.0)
        # Below a pixel's width the anti-aliased profile is a triangle; scaled, it still covers `width`.
        share = np.float32(thin / (0.5 + thin / 2) ** 2)
        return _cover(abs(_off_curve(self, box)) - self.width / 2) * share


def _off_curve(line: HalfPlane | Hair, box: Box) -> np.ndarray:
    """Signed distance in pixels from a sine wave, to first order."""
    y, x = box.axes()
    sine, cosine = np.sin(np.radians(line.angle)), np.cos(np.radians(line.angle))
    along = cosine * (x - line.x) + sine * (y - line.y)
    across = cosine * (y - line.y) - sine * (x - line.x)
    turn = 2 * np.pi / line.length
    slope = line.wave * turn * np.cos(turn * along)
    return (across - line.wave * np.sin(turn * along)) / np.sqrt(1 + slope**2)


@dataclass(frozen=True)
class Union:
    """Several things as one object."""

    parts: tuple[Mask, ...]

    def sample(self, box: Box) -> np.ndarray:
        """Cover (h, w) float32 of the box, 0 to 1."""
        cover = np.zeros(box.shape, np.float32)
        for part in self.parts:
            np.maximum(cover, part.sample(box), out=cover)
        return cover


@dataclass(frozen=True, eq=False)
class MaskImage:
    """Cover given as an array (y, x) of 0 to 1 (or bool), repeated in mirrored copies."""

    cover: np.ndarray

    def sample(self, box: Box) -> np.ndarray:
        """Cover (h, w) float32 of the box, 0 to 1."""
        rows = mirrored(box.y0, box.y1, self.cover.shape[0])
        columns = mirrored(box.x0, box.x1, self.cover.shape[1])
        return self.cover[rows[:, None], columns].astype(np.float32)

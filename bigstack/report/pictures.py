"""Small pictures of large ones: reduced by exact means, toned alike, as JPEG."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bigstack.io.places import AnyPath
from bigstack.io.writers.preview import step_for

BAND = 1 << 22
"""Pixels that are read at a time, about."""
PALETTE = ((0, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0), (0, 0, 1), (1, 1, 1))
"""Colours of channels that are not red, green and blue; added where they meet."""

Read = Callable[[slice, slice], np.ndarray]


@dataclass(frozen=True)
class Tone:
    """From which value to which one is shown, black to white, each channel."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, pixels: np.ndarray, dtype: np.dtype) -> Tone:
        """8 bits as they are; else from the 0.1st to the 99.9th percentile, colours alike."""
        channels = pixels.shape[2]
        if dtype == np.uint8:
            return cls((0.0,) * channels, (255.0,) * channels)
        low, high = np.nanpercentile(pixels.reshape(-1, channels), (0.1, 99.9), axis=0)
        if channels == 3:
            low, high = np.full(3, min(0.0, low.min())), np.full(3, high.max())
        high = np.where(high > low, high, low + 1)
        return cls(tuple(low.tolist()), tuple(high.tolist()))

    def picture(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (y, x, channel) as RGB or grey, uint8."""
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        unit = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
        unit = np.nan_to_num(unit, nan=0.0)
        if unit.shape[2] not in (1, 3):
            colours = np.array([PALETTE[i % len(PALETTE)] for i in range(unit.shape[2])], np.float32)
            unit = np.minimum(unit @ colours, 1)
        return np.asarray(np.rint(unit * 255).astype(np.uint8))


def reduced(read: Read, shape: tuple[int, int], side: int) -> np.ndarray:
    """Mean over squares of an image of `shape` (y, x), at most `side` a side, read band by band, float32."""
    height, width = shape
    step = step_for(shape, side)
    across = max(1, width // step)
    rows = max(1, BAND // max(width, 1) // step) * step
    columns = slice(0, min(across * step, width))
    parts = []
    for y in range(0, max(height - height % step, 1), rows):
        band = read(slice(y, min(y + rows, max(height - height % step, 1))), columns)
        high = max(1, band.shape[0] // step)
        small = band if step == 1 else _area(band, high, across)
        parts.append(small.reshape(high, across, band.shape[2]))
    return np.concatenate(parts).astype(np.float32)


def _area(band: np.ndarray, height: int, width: int) -> np.ndarray:
    """Area mean; OpenCV does at most four channels at a time."""
    planes = [band[..., c : c + 4] for c in range(0, band.shape[2], 4)]
    small = [
        cv2.resize(np.ascontiguousarray(p, np.float32), (width, height), interpolation=cv2.INTER_AREA)
        for p in planes
    ]
    return np.concatenate([s.reshape(height, width, -1) for s in small], axis=2)


def frame_reader(stack: Any, z: int) -> Read:
    """How to read regions of a frame of a lazy stack."""
    from bigstack.engine.sources import as_source

    source = as_source(stack.data)
    return lambda y, x: source.read(z, y, x)


def opened_image(path: AnyPath, side: int) -> tuple[Read, tuple[int, int], np.dtype]:
    """How to read a written image, from the smallest resolution that has at least `side` pixels a side."""
    from bigstack.io.open import open_any, open_stack
    from bigstack.io.opened import ReadOptions

    if isinstance(path, Path) and path.suffix == ".npy":
        values = np.load(path, mmap_mode="r")
        flat = values[..., None] if values.ndim == 2 else values
        return (lambda y, x: flat[y, x]), (flat.shape[0], flat.shape[1]), values.dtype
    levels = open_any(path, ReadOptions(max_pixels=1 << 40)).levels
    level = max((i for i, size in enumerate(levels) if max(size) >= side), default=0)
    stack = open_stack(path, max_pixels=1 << 40, level=level or None)
    return frame_reader(stack, 0), (stack.sizes["y"], stack.sizes["x"]), stack.dtype


def jpeg(picture: np.ndarray, quality: int) -> bytes:
    """Encode a picture (y, x, 1 or 3)."""
    import imagecodecs

    flat = picture[..., 0] if picture.shape[2] == 1 else picture
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(flat), level=quality))


def jpeg_within(picture: np.ndarray, limit: int) -> bytes:
    """The best JPEG of at most `limit` bytes: less quality first, then fewer pixels."""
    while True:
        for quality in (90, 82, 74, 66):
            data = jpeg(picture, quality)
            if len(data) <= limit:
                return data
        height, width = (max(1, int(n * 0.8)) for n in picture.shape[:2])
        smaller = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        picture = smaller.reshape(height, width, -1)


def url(data: bytes, kind: str = "image/jpeg") -> str:
    """The data as a URL that needs no file."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"

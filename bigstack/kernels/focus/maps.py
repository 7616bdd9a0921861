"""A focus measure with its options set, applied to frames of any size piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.kernels.filters import gaussian_blur, gaussian_radius
from bigstack.kernels.focus import measure
from bigstack.kernels.luminance import luminance

PIECE = 512
"""Pixels a side that a measure works on at a time: its temporaries stay in the cache."""


@dataclass(frozen=True)
class FocusMap:
    """A frozen focus measure: what it is called, its options as pairs, and what comes before and after it.

    Attributes
    ----------
    channels
        Channels that focus is measured on, all when empty; several are made one grey channel, unless the
        measure takes colour.
    smoothing
        Standard deviation in pixels of a Gaussian over the focus map, 0 for none.

    Examples
    --------
    >>> FocusMap("sml", (("window", 3),))(np.zeros((4, 5, 3), np.uint8)).shape
    (4, 5)
    """

    measure: str
    options: tuple[tuple[str, Any], ...] = ()
    channels: tuple[int, ...] = ()
    smoothing: float = 0.0

    @property
    def halo(self) -> int:
        """Pixels around a pixel that its value depends on."""
        return measure(self.measure).halo(**dict(self.options)) + gaussian_radius(self.smoothing)

    @property
    def grid(self) -> int:
        """Frames must be cut at multiples of this."""
        return measure(self.measure).grid(**dict(self.options))

    def __call__(self, frame: np.ndarray, **more: Any) -> np.ndarray:
        """Focus (y, x), float32, of a frame (y, x, channel); `more` are further options of the measure."""
        image = self.image(frame)
        halo, step = self.halo, max(1, PIECE // self.grid) * self.grid
        height, width = image.shape[:2]
        if height <= step and width <= step:
            return self._apply(image, more)
        result = np.empty((height, width), np.float32)
        for y in range(0, height, step):
            for x in range(0, width, step):
                top, left = (max(0, start - halo) // self.grid * self.grid for start in (y, x))
                bottom, right = (-(-(start + step + halo) // self.grid) * self.grid for start in (y, x))
                piece = self._apply(image[top:bottom, left:right], more)
                out = result[y : y + step, x : x + step]
                out[...] = piece[y - top : y - top + out.shape[0], x - left : x - left + out.shape[1]]
        return result

    def image(self, frame: np.ndarray) -> np.ndarray:
        """What the measure is given of a frame: grey (y, x), or colour (y, x, channel) if it takes that."""
        if not measure(self.measure).colour:
            return luminance(frame, self.channels)
        chosen = frame[..., list(self.channels)] if self.channels else frame
        return chosen if chosen.shape[2] > 1 else chosen[..., 0]

    def _apply(self, image: np.ndarray, more: dict[str, Any]) -> np.ndarray:
        focus = measure(self.measure).function(image, **dict(self.options), **more)
        return gaussian_blur(focus, self.smoothing) if self.smoothing else focus

"""How many values of a stack's mean stand out of their surroundings, for every threshold."""

from __future__ import annotations

import numpy as np

from bigstack.engine.photometry import BlurProbe, bands, over_tiles, value_range
from bigstack.geometry import Tile
from bigstack.io.source import Source

FRAMES = 32
"""Frames of the mean, at most, evenly spread."""
LEVELS = 256
"""Thresholds, from 0 to a quarter of the full scale."""


class CountProbe(BlurProbe):
    """Numbers (channel, threshold) of values of a tile by how far they stand out."""

    def __init__(self, frames: list[int], top: float) -> None:
        super().__init__(frames, ())
        self.top = top

    def __call__(self, source: Source, tile: Tile) -> np.ndarray:
        """Count a tile."""
        scale = LEVELS / (256.0 * len(self.frames) * self.top)
        counts = np.zeros((source.shape[3], LEVELS), np.int64)
        for _, residual in self.residuals(source, tile):
            bins = np.minimum(np.abs(np.nan_to_num(residual)) * scale, LEVELS - 1).astype(np.int64)
            for channel in range(counts.shape[0]):
                counts[channel] += np.bincount(bins[..., channel].ravel(), minlength=LEVELS)
        return counts


def counts_over(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds in the stack's unit, and how many values (channel, threshold) are above each; reads it once.

    Examples
    --------
    >>> from bigstack.io.fake import FakeSource
    >>> thresholds, counts = counts_over(FakeSource((2, 32, 32, 1), "uint8"))
    >>> len(thresholds) == counts.shape[1], int(counts[0, 0]) <= 32 * 32
    (True, True)
    """
    count = source.shape[0]
    frames = sorted({round(float(z)) for z in np.linspace(0, count - 1, min(count, FRAMES))})
    top = value_range(source)[2] / 4
    found = over_tiles(CountProbe(frames, top), source, bands(source, 8 * source.shape[3]))
    above = np.cumsum(np.sum(found, axis=0)[:, ::-1], axis=1)[:, ::-1]
    return np.arange(LEVELS) * (top / LEVELS), above

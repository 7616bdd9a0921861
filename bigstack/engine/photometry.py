"""Measurements of a stack's light, frame by frame or tile by tile, in bounded memory.

What is measured are counts and sums of integers, or picks in a fixed order: the same on any tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
from dask.base import tokenize
from dask.delayed import delayed

from bigstack.engine.watch import measuring
from bigstack.geometry import Tile, tiles_of
from bigstack.io.source import Source
from bigstack.kernels.correction.balance import SPACES
from bigstack.kernels.correction.histogram import (
    BINS,
    Histogram,
    bins_of,
    group,
    mixture,
    value_of,
)
from bigstack.kernels.correction.hot_pixels import (
    BLUR_HALO,
    SPIKE_HALO,
    blur_residual,
    spikes,
)
from bigstack.kernels.correction.light import Light
from bigstack.kernels.correction.lumi import lumi_weights
from bigstack.kernels.correction.noise import noise_responses, noise_sigma
from bigstack.kernels.correction.vignetting import RINGS, ring_sums

BLOCKS = 16
"""Blocks a side that the brightness of a frame is kept for, beside its histogram."""

_PIECE = 1024
_STRIP_PIXELS = 1 << 18
_BAND_BYTES = 1 << 27
_PATCH, _PATCHES = 128, 8
_MAP = 128


def over_frames(probe: Callable[[Source, int], Any], source: Source, frames: Sequence[int]) -> list[Any]:
    """``probe(source, z)`` for each frame, a task each, with dask's current scheduler."""
    return _run(probe, source, list(frames))


def over_tiles(probe: Callable[[Source, Tile], Any], source: Source, tiles: Sequence[Tile]) -> list[Any]:
    """``probe(source, tile)`` for each tile, a task each, with dask's current scheduler."""
    return _run(probe, source, [_Opaque(tile) for tile in tiles])


class _Opaque:
    """Keeps dask from taking a dataclass apart."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _run(probe: Any, source: Source, items: list[Any]) -> list[Any]:
    token = tokenize(source)
    shared = delayed(source, name=f"source-{token}", traverse=False)
    call = delayed(_call, pure=False)
    name = f"{type(probe).__name__.lower()}-{tokenize(token, vars(probe))}"
    tasks = [call(probe, shared, item, dask_key_name=f"{name}-{n}") for n, item in enumerate(items)]
    with measuring(getattr(probe, "what", "measuring")):
        return list(dask.compute(*tasks))


def _call(probe: Any, source: Source, item: Any) -> Any:
    return probe(source, item.value if isinstance(item, _Opaque) else item)


def pieces(source: Source, z: int) -> Iterator[tuple[Tile, np.ndarray]]:
    """A frame's pixels in pieces that are small to work on, whatever is read at a time."""
    height, width = source.shape[1:3]
    sides = (height, width) if source.whole_frames else _sides(source, _PIECE)
    for tile in tiles_of((height, width), *sides):
        pixels = source.read(z, *tile.slices)
        rows = max(1, _STRIP_PIXELS // (tile.x1 - tile.x0))
        for part in tile.split(rows, tile.x1 - tile.x0):
            yield part, pixels[part.inside(tile)]


def sampled(
    source: Source, z: int, step: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Every `step`-th row and column of a frame in pieces: where, pixels, and which are real."""
    for tile, pixels in pieces(source, z):
        rows = np.arange(tile.y0 + -tile.y0 % step, tile.y1, step)
        columns = np.arange(tile.x0 + -tile.x0 % step, tile.x1, step)
        if rows.size and columns.size:
            kept = (slice(rows[0] - tile.y0, None, step), slice(columns[0] - tile.x0, None, step))
            yield rows, columns, pixels[kept], _real(source, z, tile)[kept]


def _real(source: Source, z: int, tile: Tile) -> np.ndarray:
    """Where a tile has real data (y, x)."""
    valid = source.valid(z, *tile.slices) if source.masked else None
    return np.ones(tile.shape, bool) if valid is None else valid


def _sides(source: Source, about: int) -> tuple[int, int]:
    """Height and width of about `about` pixels that are whole numbers of storage chunks."""
    y, x = (
        min(size, max(1, round(about / chunk)) * chunk)
        for size, chunk in zip(source.shape[1:3], source.chunks, strict=True)
    )
    return y, x


def bands(source: Source, bytes_per_pixel: int) -> list[Tile]:
    """Tiles for sums over z: of frames that are read as a whole a few bands of rows, as memory allows."""
    height, width = source.shape[1:3]
    if not source.whole_frames:
        return list(tiles_of((height, width), *_sides(source, _PIECE)))
    # Two at least, for two processors: frames in work are decoded once for all tasks of a process.
    rows = max(1, min(-(-height // 2), _BAND_BYTES // (bytes_per_pixel * width)))
    count = -(-height // rows)
    return list(tiles_of((height, width), -(-height // count), width))


class RangeProbe:
    """Smallest and largest finite value of a frame."""

    what = "finding the range of values"

    def __call__(self, source: Source, z: int) -> tuple[float, float]:
        """Return them; infinities where nothing is finite."""
        low, high = float("inf"), float("-inf")
        for _, pixels in pieces(source, z):
            finite = np.isfinite(pixels)
            low = min(low, float(np.min(pixels, where=finite, initial=np.inf)))
            high = max(high, float(np.max(pixels, where=finite, initial=-np.inf)))
        return low, high


def value_range(source: Source) -> tuple[float, float, float]:
    """Lowest and highest value, and full scale: a dtype's range, or what a float stack really holds.

    Full scale of floats is 1 while they stay within it, else their largest value.
    """
    if source.dtype.kind != "f":
        top = float(np.iinfo(source.dtype).max)
        return 0.0, top, top
    found = over_frames(RangeProbe(), source, range(source.shape[0]))
    low, high = min(pair[0] for pair in found), max(pair[1] for pair in found)
    if not low <= high:
        return 0.0, 1.0, 1.0
    return min(low, 0.0), high, max(high, 1.0)


class LightProbe:
    """Histograms and block means of the levels of a balance space, in one frame.

    Attributes
    ----------
    space
        Name of the space.
    limits
        Lowest and highest value, and full scale, of the stack.
    mask_size
        Diameter of the disc that counts, as a share of the shorter side; None for the whole frame.
    intensity
        Lowest and highest value, in the stack's unit, that counts in each level; None for all.
    step
        Every how many rows and columns are counted, from the first one on.
    """

    what = "measuring brightness"

    def __init__(
        self,
        space: str,
        limits: tuple[float, float, float],
        *,
        mask_size: float | None,
        intensity: tuple[float, float] | None,
        step: int,
    ) -> None:
        self.space = space
        self.limits = limits
        self.mask_size = mask_size
        self.intensity = intensity
        self.step = step

    def scales(self, channels: int) -> list[tuple[float, float, float]]:
        """Lowest and highest value, and full scale, of each level."""
        low, high, top = self.limits
        fulls = SPACES[self.space].scales(channels)
        return [(low, high, top) if full is None else (0.0, full, full) for full in fulls]

    def __call__(self, source: Source, z: int) -> Light:
        """Measure frame `z`."""
        channels = source.shape[3]
        levels = _Tally(self.scales(channels))
        planes = _Tally([self.limits] * channels if self.space == "lumi" else [])
        for rows, columns, pixels, real in sampled(source, z, self.step):
            inside = real & self._disc(rows, columns, source.shape)
            block = (rows * BLOCKS // source.shape[1])[:, None] * BLOCKS + columns * BLOCKS // source.shape[2]
            for n, level in enumerate(SPACES[self.space].levels(pixels, self.limits[2])):
                chosen = inside & self._in_window(level, levels.scales[n][2])
                levels.add(n, level[chosen], block[chosen])
                for channel in range(len(planes.scales)):
                    planes.add(channel, pixels[..., channel][chosen], block[chosen])
        histograms = levels.histograms()
        mixtures = [mixture(planes.histograms(), lumi_weights(channels))] if planes.scales else histograms
        return Light(histograms, mixtures, levels.means())

    def _disc(self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int, int, int]) -> np.ndarray:
        if self.mask_size is None:
            return np.ones((rows.size, columns.size), bool)
        y, x = 2 * rows - (shape[1] - 1), 2 * columns - (shape[2] - 1)
        return np.asarray(y[:, None] ** 2 + x**2 <= (min(shape[1:3]) * self.mask_size) ** 2)

    def _in_window(self, level: np.ndarray, full: float) -> np.ndarray:
        chosen = np.isfinite(level) if level.dtype.kind == "f" else np.ones(level.shape, bool)
        if self.intensity is None:
            return chosen
        low, high = (value * full / self.limits[2] for value in self.intensity)
        return np.asarray(chosen & (level >= low) & (level <= high))


class _Tally:
    """Exact counts of values, of a whole frame and of its blocks, in several levels."""

    def __init__(self, scales: list[tuple[float, float, float]]) -> None:
        self.scales = scales
        self._counts = np.zeros((len(scales), BINS), np.int64)
        self._numbers = np.zeros((len(scales), BLOCKS**2), np.int64)
        self._sums = np.zeros((len(scales), BLOCKS**2), np.int64)

    def add(self, n: int, values: np.ndarray, block: np.ndarray) -> None:
        """Count values of level `n` and the blocks that they are in."""
        low, high, _ = self.scales[n]
        bins = bins_of(values, low, high)
        self._counts[n] += np.bincount(bins, minlength=BINS)
        self._numbers[n] += np.bincount(block, minlength=BLOCKS**2)
        self._sums[n] += np.bincount(block, weights=bins, minlength=BLOCKS**2).astype(np.int64)

    def histograms(self) -> list[Histogram]:
        """One a level."""
        return [group(c, low, high) for c, (low, high, _) in zip(self._counts, self.scales, strict=True)]

    def means(self) -> np.ndarray:
        """Mean (level, block); NaN where a block has none."""
        means = np.full(self._sums.shape, np.nan)
        np.divide(self._sums, self._numbers, out=means, where=self._numbers > 0)
        return np.array(
            [value_of(m, low, high) for m, (low, high, _) in zip(means, self.scales, strict=True)]
        )


@dataclass(frozen=True, eq=False)
class Falling:
    """How light falls over frames, as exact sums that can be added up.

    `rings` and `blocks` hold sums of luminance in 1/65535 of the stack's range, numbers of pixels, and
    numbers of saturated ones: int64 (3, ring) and (3, y, x).
    """

    rings: np.ndarray
    blocks: np.ndarray


class FallingProbe:
    """Luminance of one frame in rings about its centre, and in blocks, at most 128 a side."""

    what = "measuring the falloff"

    def __init__(self, limits: tuple[float, float, float], rings: int = RINGS, step: int = 1) -> None:
        self.limits = limits
        self.rings = rings
        self.step = step

    @staticmethod
    def side(source: Source) -> int:
        """Pixels a side of a block."""
        return -(-max(source.shape[1:3]) // _MAP)

    def __call__(self, source: Source, z: int) -> Falling:
        """Measure frame `z`."""
        low, high, top = self.limits
        side = self.side(source)
        down, across = -(-source.shape[1] // side), -(-source.shape[2] // side)
        rings = np.zeros((3, self.rings), np.int64)
        blocks = np.zeros((3, down * across), np.int64)
        for rows, columns, kept, real in sampled(source, z, self.step):
            bins = bins_of(SPACES["lumi"].levels(np.nan_to_num(kept), top)[0], low, high)
            full = np.asarray((kept >= (top if source.dtype.kind != "f" else np.inf)).any(axis=2))
            rings[:2] += ring_sums(bins, rows, columns, source.shape[1:3], self.rings, real)
            block = ((rows // side)[:, None] * across + columns // side)[real]
            for n, weights in enumerate((bins[real], None, full[real])):
                blocks[n] += np.bincount(block, weights, blocks.shape[1]).astype(np.int64)
        return Falling(rings, blocks.reshape(3, down, across))


class NoiseProbe:
    """Noise of each channel in one frame, from patches at fixed places."""

    what = "measuring noise"

    def __call__(self, source: Source, z: int) -> list[float]:
        """Return the standard deviations (channel,); NaN where all is black or saturated."""
        integers = source.dtype.kind != "f"
        top = float(np.iinfo(source.dtype).max) if integers else None
        found: list[list[np.ndarray]] = [[] for _ in range(source.shape[3])]
        for pixels in _patches(source, z):
            for channel, responses in enumerate(found):
                responses.append(noise_responses(pixels[..., channel], top))
        step = 1.0 if integers else 0.0
        return [noise_sigma(np.concatenate(r), step) if r else float("nan") for r in found]


def _patches(source: Source, z: int) -> Iterator[np.ndarray]:
    height, width = source.shape[1:3]
    frame = source.read(z, slice(0, height), slice(0, width)) if source.whole_frames else None
    for y in _starts(height):
        for x in _starts(width):
            tile = Tile(y, min(y + _PATCH, height), x, min(x + _PATCH, width))
            if _real(source, z, tile).all():
                yield source.read(z, *tile.slices) if frame is None else frame[tile.slices]


def _starts(size: int) -> list[int]:
    count = min(_PATCHES, -(-size // _PATCH))
    return sorted({round(i * max(size - _PATCH, 0) / max(count - 1, 1)) for i in range(count)})


class BlurProbe:
    """Values of a tile whose mean over frames differs from its 5x5 Gaussian by more than a threshold."""

    what = "finding hot pixels"

    def __init__(self, frames: list[int], thresholds: tuple[float, ...]) -> None:
        self.frames = frames
        self.thresholds = thresholds

    def __call__(self, source: Source, tile: Tile) -> np.ndarray:
        """Return their positions (n, 3): y, x, channel."""
        limit = np.array(self.thresholds) * (256.0 * len(self.frames))
        return np.concatenate(
            [
                np.argwhere(np.abs(residual) > limit) + np.array([part.y0, part.x0, 0])
                for part, residual in self.residuals(source, tile)
            ]
        )

    def residuals(self, source: Source, tile: Tile) -> Iterator[tuple[Tile, np.ndarray]]:
        """Parts of a tile, and 256 times the sum of the frames there minus its 5x5 Gaussian."""
        outer = tile.pad(BLUR_HALO, within=source.shape[1:3])
        floats = source.dtype.kind == "f"
        total = np.zeros((*outer.shape, source.shape[3]), np.float64 if floats else np.uint32)
        for z in self.frames:
            total += source.read(z, *outer.slices)
        for part in tile.split(max(1, _STRIP_PIXELS // tile.shape[1]), tile.shape[1]):
            padded = part.pad(BLUR_HALO, within=source.shape[1:3])
            strip = total[padded.inside(outer)].astype(np.float64 if floats else np.int64)
            yield part, blur_residual(strip)[part.inside(padded)]


class SpikeProbe:
    """Values of a tile that stand out of their surroundings, the same way, in most frames."""

    what = "finding hot pixels"

    def __init__(self, frames: list[int], thresholds: tuple[float, ...], share: float) -> None:
        self.frames = frames
        self.thresholds = thresholds
        self.share = share

    def __call__(self, source: Source, tile: Tile) -> np.ndarray:
        """Return their positions (n, 3): y, x, channel."""
        outer = tile.pad(SPIKE_HALO, within=source.shape[1:3])
        counts = np.zeros((*tile.shape, source.shape[3]), np.int16)
        limits = np.array(self.thresholds)
        for z in self.frames:
            found = spikes(source.read(z, *outer.slices), limits)
            counts += (found * _real(source, z, outer)[..., None])[tile.inside(outer)]
        least = max(1, int(np.ceil(self.share * len(self.frames))))
        return np.argwhere(np.abs(counts) >= least) + np.array([tile.y0, tile.x0, 0])

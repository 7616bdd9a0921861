"""A source whose frames are corrected as they are read: no copy, whatever the chain of corrections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from dask.base import tokenize

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.geometry.correction import Balance, Correction, Denoise, HotPixels, Vignetting
from bigstack.io.source import Source
from bigstack.kernels.correction.balance import balance, balance_table, space_of
from bigstack.kernels.correction.denoise import denoise, denoise_halo
from bigstack.kernels.correction.hot_pixels import fill, fill_radii
from bigstack.kernels.correction.vignetting import correct_falloff, gain_table, gains

_GAIN_BYTES = 1 << 26

_STRIP = 1 << 16
"""Pixels an element-wise correction works on at a time: its float32 temporaries stay in the cache."""


class CorrectedSource(Source):
    """Reads from another source and corrects what it read.

    Raises
    ------
    InputError
        When the correction was made for frames of another number, size or channels.
    """

    def __init__(self, source: Source, correction: Correction) -> None:
        self.source = source
        self.correction = correction
        self.shape = source.shape
        self.dtype = source.dtype
        self.chunks = source.chunks
        self._work = _WORK[correction.kind](correction, source)

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "correction": self.correction}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["source"], state["correction"])  # type: ignore[misc]

    def __dask_tokenize__(self) -> object:
        return ("CorrectedSource", tokenize(self.source), self.correction.to_json())

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Read the region with the correction's halo, correct it, cut the halo off."""
        tile = Tile(y.start, y.stop, x.start, x.stop)
        outer = tile.pad(self._work.halo, within=self.shape[1:3])
        return self._work(self.source.read(z, *outer.slices), z, outer)[tile.inside(outer)]

    @property
    def masked(self) -> bool:
        """True when the source's is."""
        return self.source.masked

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        """Where the source has real data."""
        return self.source.valid(z, y, x)


class _Balance:
    halo = 0

    def __init__(self, value: Balance, source: Source) -> None:
        if value.frames != source.shape[0]:
            raise InputError(
                f"the balance is for {value.frames} frames, the stack has {source.shape[0]}; "
                f"estimate it again"
            )
        space = space_of(value.space, source.shape[3])
        levels = len(space.scales(source.shape[3]))
        if any(len(frame) != levels for frame in value.curves):
            raise InputError(f"balance in {value.space} of this stack needs {levels} curves a frame")
        self.value = value
        self.dtype = source.dtype
        self.tables: dict[int, np.ndarray | None] = {}

    def __call__(self, pixels: np.ndarray, z: int, tile: Tile) -> np.ndarray:
        value = self.value
        curves = value.curves[z]
        if z not in self.tables:
            self.tables[z] = balance_table(self.dtype, value.space, value.curve, curves)
        table = self.tables[z]
        return _by_strips(
            lambda part, _: balance(part, value.space, value.curve, curves, value.top, table), pixels
        )


class _Vignetting:
    halo = 0

    def __init__(self, value: Vignetting, source: Source) -> None:
        if value.shape != source.shape[1:3]:
            raise InputError(
                f"the vignetting is of frames {value.shape} (y, x), the stack's are {source.shape[1:3]}; "
                f"estimate it on frames of the same size"
            )
        self.value = value
        self.table = gain_table(value.model, value.parameters, value.shape, value.max_correction)
        self.known: dict[Tile, np.ndarray] = {}

    def __call__(self, pixels: np.ndarray, z: int, tile: Tile) -> np.ndarray:
        gain, black = self._gain(tile), self.value.black_threshold
        return _by_strips(lambda part, rows: correct_falloff(part, gain[rows], black), pixels)

    def _gain(self, tile: Tile) -> np.ndarray:
        """Gains of a tile, kept for the other frames: they cost as much as their use."""
        gain = self.known.get(tile)
        if gain is None:
            gain = np.empty(tile.shape, np.float32)
            x = np.arange(tile.x0, tile.x1)
            for rows in _strips(*tile.shape):
                y = np.arange(tile.y0 + rows.start, tile.y0 + rows.stop)
                gain[rows] = gains(self.table, y, x, self.value.shape)
            if sum(kept.nbytes for kept in list(self.known.values())) + gain.nbytes > _GAIN_BYTES:
                self.known = {}
            self.known[tile] = gain
        return gain


class _HotPixels:
    def __init__(self, value: HotPixels, source: Source) -> None:
        if value.shape != source.shape[1:]:
            raise InputError(
                f"the hot pixels are of frames {value.shape} (y, x, channel), "
                f"the stack's are {source.shape[1:]}"
            )
        self.value = value
        self.positions = np.array(value.positions, np.int64).reshape(-1, 3)
        self.radii = fill_radii(value.shape, self.positions)
        self.halo = int(self.radii.max(initial=0))

    def __call__(self, pixels: np.ndarray, z: int, tile: Tile) -> np.ndarray:
        first, last = np.searchsorted(self.positions[:, 0], [tile.y0, tile.y1])
        near, radii = self.positions[first:last], self.radii[first:last]
        chosen = (near[:, 1] >= tile.x0) & (near[:, 1] < tile.x1)
        near, radii = near[chosen], radii[chosen]
        # Those in the halo whose window is cut off are some other region's business.
        whole = _window_inside(near, radii, tile, self.value.shape)
        if not whole.any():
            return pixels
        pixels = pixels.copy()
        fill(
            pixels,
            near[whole],
            radii[whole],
            near,
            self.value.fill,
            origin=(tile.y0, tile.x0),
            shape=self.value.shape,
        )
        return pixels


class _Denoise:
    def __init__(self, value: Denoise, source: Source) -> None:
        if len(value.noise) != source.shape[3]:
            raise InputError(
                f"noise is given for {len(value.noise)} channels, the stack has {source.shape[3]}; "
                f"give one number a channel"
            )
        self.value = value
        self.halo = denoise_halo(value.search, value.template)

    def __call__(self, pixels: np.ndarray, z: int, tile: Tile) -> np.ndarray:
        value = self.value
        return denoise(
            pixels, value.noise, strength=value.strength, search=value.search, template=value.template
        )


_WORK: dict[str, Callable[[Any, Source], Any]] = {
    Balance.kind: _Balance,
    Vignetting.kind: _Vignetting,
    HotPixels.kind: _HotPixels,
    Denoise.kind: _Denoise,
}


def _window_inside(
    positions: np.ndarray, radii: np.ndarray, tile: Tile, shape: tuple[int, int, int]
) -> np.ndarray:
    y, x = positions[:, 0], positions[:, 1]
    return np.asarray(
        (np.maximum(y - radii, 0) >= tile.y0)
        & (np.minimum(y + radii, shape[0] - 1) < tile.y1)
        & (np.maximum(x - radii, 0) >= tile.x0)
        & (np.minimum(x + radii, shape[1] - 1) < tile.x1)
    )


def _by_strips(function: Callable[[np.ndarray, slice], np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """Apply an element-wise function to a few rows at a time; it is told which."""
    out = np.empty_like(pixels, order="C")
    for rows in _strips(pixels.shape[0], pixels.shape[1]):
        out[rows] = function(pixels[rows], rows)
    return out


def _strips(height: int, width: int) -> Iterator[slice]:
    step = max(1, _STRIP // width)
    for y in range(0, height, step):
        yield slice(y, min(y + step, height))

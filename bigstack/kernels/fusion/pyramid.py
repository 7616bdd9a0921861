"""Pyramid fusion: at every level and pixel, the Laplacian coefficient of the frame with the most energy.

Wang and Chang 2011, doi:10.4304/jcp.6.12.2559-2566; Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851.

Integer stacks run on a chain of uint16 low-passes (uint8 is lifted by 7 bits), so that a tile has the bits
of the whole image and the collapse gives a frame back exactly where it wins at all levels. A fold covers
a few levels and hands each frame's next low-pass on as a new, smaller stack; `collapse` puts the levels
together again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.fold import Output, Window
from bigstack.kernels.luminance import luminance
from bigstack.kernels.pyramid import BINOMIAL, expand, expand_whole, level_shapes, reduce

LIFT = 7
"""Bits that uint8 is shifted up by: 255 << 7 still leaves room for the sign of a Laplacian in int16."""


DEEPEST = 9
"""Levels of a pyramid unless more are asked for, 3100 pixels of reach: no lens blurs wider than that, and a
corner of a gigapixel image would need all of the stack with the 14 levels that fit into it."""


def pyramid_levels(shape: tuple[int, int], min_size: int = 32) -> int:
    """Levels of a pyramid whose smallest image has at least `min_size` pixels a side, one at least.

    Examples
    --------
    >>> pyramid_levels((4000, 6000))
    6
    """
    return max(1, int(np.log2(max(1.0, min(shape) / min_size))))


def chosen_levels(shape: tuple[int, int], levels: int | None, min_size: int) -> int:
    """Levels of a pyramid: as asked for where there are as many, else by its size, `DEEPEST` the most."""
    if min_size < 1:
        raise InputError(f"min_size must be at least 1 pixel, got {min_size}")
    if levels is None:
        return min(DEEPEST, pyramid_levels(shape, min_size))
    most = max(1, int(np.log2(min(shape))))
    if not 1 <= levels <= most:
        raise InputError(f"an image of {shape[0]} x {shape[1]} takes 1 to {most} levels, got {levels}")
    return levels


def pyramid_halo(levels: int, window: int) -> int:
    """Pixels around a tile that its Laplacian coefficients and their energies depend on."""
    return (4 + window // 2) * 2**levels - 4


@dataclass(frozen=True)
class Chain:
    """How the numbers of a stack are held in its low-pass chain."""

    dtype: str
    """dtype of the low-passes: uint16 for integer stacks, float32 or float64 else."""
    lift: int
    """Bits an input of uint8 is shifted up by."""
    a: float
    """The generating kernel's middle tap."""
    pixel: str
    """dtype of the stack."""

    @classmethod
    def of(cls, dtype: np.dtype, a: float = BINOMIAL) -> Chain:
        """Chain of a stack of `dtype`; another kernel than the binomial runs in float64."""
        if a != BINOMIAL:
            return cls("float64", 0, a, str(dtype))
        if dtype == np.float32:
            return cls("float32", 0, a, str(dtype))
        return cls("uint16", LIFT if dtype == np.uint8 else 0, a, str(dtype))

    @property
    def band(self) -> np.dtype:
        """dtype of Laplacian coefficients."""
        if self.dtype != "uint16":
            return np.dtype(self.dtype)
        return np.dtype(np.int16 if self.lift else np.float32)

    @property
    def exact(self) -> bool:
        """True when low-passes are whole numbers, rounded at every level."""
        return self.dtype == "uint16"

    def enter(self, frame: np.ndarray, out: np.ndarray | None) -> np.ndarray:
        """`frame` as level 0 of the chain."""
        if frame.dtype == np.uint8 and self.lift:
            return np.multiply(frame, np.uint16(1 << self.lift), out=out, dtype=np.uint16)
        return np.ascontiguousarray(frame, self.dtype)

    def leave(self, values: np.ndarray) -> np.ndarray:
        """Collapsed level 0 as pixels: rounded, clipped to the range of their dtype."""
        dtype = np.dtype(self.pixel)
        if dtype == np.float32:
            return values.astype(np.float32)
        scaled = values * values.dtype.type(1 / (1 << self.lift))
        np.rint(scaled, out=scaled)
        return np.clip(scaled, 0, np.iinfo(dtype).max, out=scaled).astype(dtype)


@dataclass(frozen=True)
class PyramidSelect:
    """Fold over the frames: selected coefficients of `levels` Laplacians, and each frame's next low-pass.

    `window` is the side of the box that energy is summed over at every level, None weighs by the
    generating kernel itself as Wang and Chang do. `channels` are those that energy is measured on, all
    of them when empty. `hand_on` keeps the reduced frames for the levels after these, `with_valid` where
    they are made of real pixels only.
    """

    chain: Chain
    levels: int
    window: int | None = 5
    channels: tuple[int, ...] = ()
    hand_on: bool = True
    index_level: int | None = None
    with_valid: bool = False

    @property
    def halo(self) -> int:
        """Pixels around the tile that the result depends on."""
        return pyramid_halo(self.levels, self.window or 5)

    @property
    def grid(self) -> int:
        """Padded tiles start where all levels have a sample."""
        return 1 << self.levels

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`bands` for `collapse`; `reduced`, the next stack, and its `valid`; `index`, the winner."""
        found = {"bands": Output(())}
        if self.hand_on:
            found["reduced"] = Output(("z", "y", "x", "channel"), self.chain.dtype, self.grid)
            if self.with_valid:
                found["valid"] = Output(("z", "y", "x"), "bool", self.grid)
        if self.index_level is not None:
            found["index"] = Output(("y", "x"), "uint16")
        return found

    def merges(self, dtype: np.dtype) -> bool:
        """Selection is exact in any grouping."""
        return True

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Bytes of a pixel's state (coefficients, energies, index) and scratch."""
        wide = np.dtype(self.chain.dtype).itemsize
        grey = 0 if channels == 1 else 3 * wide
        energy = 8 if self.chain.dtype == "float64" else 4
        state = 4 / 3 * (channels * self.chain.band.itemsize + energy) + (2 if self.index_level == 0 else 0.5)
        scratch = 4 / 3 * (channels * (2 * wide + self.chain.band.itemsize) + grey + 2 * energy + 1)
        return state, scratch if self.chain.exact else 3 * scratch

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Empty coefficients and energies of every level."""
        shapes = level_shapes(window.shape, self.levels)
        colour = () if window.channels == 1 else (window.channels,)
        energy = np.float64 if self.chain.dtype == "float64" else np.float32
        return {
            "window": window,
            "bands": [np.zeros(shape + colour, self.chain.band) for shape in shapes[:-1]],
            # Any frame beats the start, even one whose pixel is made up and so has energy -1.
            "energy": [np.full(shape, -2, energy) for shape in shapes[:-1]],
            "index": None if self.index_level is None else np.zeros(shapes[self.index_level], np.uint16),
            "tall": out,
        }

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Let frame `z` win where it has more energy than all before it."""
        low = self.chain.enter(frame if frame.shape[2] > 1 else frame[..., 0], _scratch(work, "enter", frame))
        grey = low
        if low.ndim == 3 or self.channels:
            grey = luminance(low if low.ndim == 3 else low[..., None], self.channels)
        for level in range(self.levels):
            low, band, wide = self._split(low, work, ("colour", level))
            grey, tone, _ = (low, band, wide) if grey is wide else self._split(grey, work, ("grey", level))
            energy = self._energy(tone, work, level)
            if valid is not None:
                energy[~_sure(valid)] = -1
            self._select(state, level, z, band, energy, work)
            valid = None if valid is None else _sure(valid)[::2, ::2]
        if self.hand_on:
            self._hand_on(state, z, low, valid)

    def _hand_on(self, state: dict[str, Any], z: int, low: np.ndarray, valid: np.ndarray | None) -> None:
        window = state["window"]
        core, place = window.reduce(self.grid), z - window.frames.start
        kept = state["tall"]["reduced"][place]
        kept[...] = low[core].reshape(kept.shape)
        if self.with_valid:
            state["tall"]["valid"][place] = True if valid is None else valid[core]

    def merge(self, early: dict[str, Any], late: dict[str, Any]) -> dict[str, Any]:
        """Later frames win only where they have strictly more energy."""
        for level in range(self.levels):
            won = late["energy"][level] > early["energy"][level]
            early["bands"][level][won] = late["bands"][level][won]
            early["energy"][level][won] = late["energy"][level][won]
            if level == self.index_level:
                early["index"][won] = late["index"][won]
        return early

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """The coefficients of the padded tile, and the index of the tile itself."""
        found: dict[str, Any] = {"bands": state["bands"]}
        if self.index_level is not None:
            step = 1 << self.index_level
            wide = state["index"].repeat(step, axis=0).repeat(step, axis=1)
            found["index"] = wide[state["window"].core]
        return found

    def _split(
        self, image: np.ndarray, work: dict, key: tuple[str, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Next low-pass, Laplacian, and the image itself."""
        shape = image.shape[:2]
        if not self.chain.exact:
            low = reduce(image, a=self.chain.a)
            return low, image - expand(low, shape, a=self.chain.a), image
        small = (*level_shapes(shape, 1)[1], *image.shape[2:])
        low = reduce(image, out=_buffer(work, ("low", *key), small, np.dtype(np.uint16)))
        up = expand(low, shape, out=_buffer(work, ("up", *key), image.shape, image.dtype))
        band = _buffer(work, ("band", *key), image.shape, self.chain.band)
        if self.chain.lift:
            np.subtract(image.view(np.int16), up.view(np.int16), out=band)
        else:
            cv2.subtract(image, up, dst=band, dtype=cv2.CV_32F)
        return low, band, image

    def _energy(self, tone: np.ndarray, work: dict, level: int) -> np.ndarray:
        """Windowed sum of squares of the grey Laplacian."""
        kind = np.dtype(np.float64 if self.chain.dtype == "float64" else np.float32)
        square = np.square(tone, out=_buffer(work, ("square", level), tone.shape, kind), dtype=kind)
        if self.window is None:
            return _smooth_rows(_smooth_rows(square, self.chain.a).T, self.chain.a).T
        if not self.chain.exact:
            return _box_rows(_box_rows(square, self.window).T, self.window).T
        # OpenCV sums a float32 box in double, which is exact for squares of whole numbers.
        return cv2.boxFilter(
            square,
            -1,
            (self.window, self.window),
            dst=_buffer(work, ("energy", level), tone.shape, kind),
            normalize=False,
            borderType=cv2.BORDER_REFLECT_101,
        )

    def _select(
        self, state: dict[str, Any], level: int, z: int, band: np.ndarray, energy: np.ndarray, work: dict
    ) -> None:
        best = state["energy"][level]
        won = _buffer(work, ("won", level), energy.shape, np.dtype(np.uint8))
        cv2.compare(energy, best, cv2.CMP_GT, dst=won)
        cv2.max(energy, best, dst=best)
        cv2.copyTo(band, won, state["bands"][level])
        if level == self.index_level:
            cv2.copyTo(_constant(work, z, energy.shape), won, state["index"])


@dataclass(frozen=True)
class Collapse:
    """Adds the levels of a fold up again; `last` gives pixels, otherwise float in the chain's numbers."""

    chain: Chain
    last: bool

    @property
    def dtype(self) -> np.dtype:
        """dtype of what it gives."""
        if self.last:
            return np.dtype(self.chain.pixel)
        return np.dtype(np.float64 if self.chain.dtype == "float64" else np.float32)

    def __call__(self, bands: list[np.ndarray], top: np.ndarray) -> np.ndarray:
        """`top` (y, x, channel) is the low-pass below the last of `bands`."""
        values = collapse(bands, top if bands[0].ndim == 3 else top[..., 0], self.chain)
        return self.chain.leave(values) if self.last else values


def collapse(bands: list[np.ndarray], top: np.ndarray, chain: Chain) -> np.ndarray:
    """Add the levels up: `top` (y, x[, channel]) is the low-pass below the last of `bands`, in float."""
    for band in reversed(bands):
        if chain.exact:
            top = expand_whole(top, band.shape[:2])
        else:
            top = expand(top, band.shape[:2], a=chain.a)
        top = np.add(top, band, dtype=top.dtype)
    return top


def _buffer(work: dict, key: tuple, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A scratch array kept in `work`: fresh memory for every frame would cost more than the arithmetic.

    Sub-tiles of all shapes share one piece of memory, as large as the largest needs: the memory plan
    counts no more.
    """
    count = math.prod(shape)
    found = work.get((key, dtype))
    if found is None or found.size < count:
        found = work[(key, dtype)] = np.empty(count, dtype)
    return found[:count].reshape(shape)  # type: ignore[no-any-return]


def _constant(work: dict, z: int, shape: tuple[int, ...]) -> np.ndarray:
    """An image of `z`, filled anew only when z changes or it grows: sub-tiles share it."""
    count, (filled, known) = math.prod(shape), work.get("z filled", (0, -1))
    plane = _buffer(work, ("z",), shape, np.dtype(np.uint16))
    if known != z or filled < count:
        plane.fill(z)
        work["z filled"] = (count, z)
    return plane


def _scratch(work: dict, name: str, frame: np.ndarray) -> np.ndarray:
    shape = frame.shape if frame.shape[2] > 1 else frame.shape[:2]
    return _buffer(work, (name,), shape, np.dtype(np.uint16))


def _sure(valid: np.ndarray) -> np.ndarray:
    """Pixels whose whole 5 x 5 neighbourhood is real."""
    return cv2.erode(valid.view(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)


def _box_rows(image: np.ndarray, size: int) -> np.ndarray:
    half = size // 2
    rows = np.pad(image, ((half, half), (0, 0)), mode="reflect" if len(image) > half else "symmetric")
    total = rows[: len(image)].copy()
    for shift in range(1, size):
        total += rows[shift : shift + len(image)]
    return total


def _smooth_rows(image: np.ndarray, a: float) -> np.ndarray:
    kind = image.dtype.type
    rows = np.pad(image, ((2, 2), (0, 0)), mode="reflect" if len(image) > 2 else "symmetric")
    size = len(image)
    total = rows[2 : 2 + size] * kind(a)
    total += (rows[1 : 1 + size] + rows[3 : 3 + size]) * kind(0.25)
    total += (rows[:size] + rows[4 : 4 + size]) * kind(0.25 - a / 2)
    return total

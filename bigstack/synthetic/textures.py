"""What surfaces look like: colours as a function of the position, one frozen value a kind.

A texture's `sample(box, channels)` returns (h, w, channels) float32, 1.0 being the brightest value that an
integer image holds; highlights may be brighter. Every region is the crop of the whole plane bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from bigstack.errors import InputError, choose
from bigstack.synthetic.masks import Rectangle
from bigstack.synthetic.plane import Box, child_seed, hashed, hashed_cells, mirrored

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "immunohistochemistry", "brick", "gravel", "grass")
"""Photographs inside scikit-image's package (no download) that are textured nearly everywhere."""


class Texture(Protocol):
    """Colours of a surface."""

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        ...


@dataclass(frozen=True)
class Flat:
    """One colour (a number, or one a channel) everywhere."""

    colour: float | tuple[float, ...] = 0.5

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        return np.broadcast_to(self.values(channels), (*box.shape, channels))

    def values(self, channels: int) -> np.ndarray:
        """The colour (channels,) float32."""
        colour = np.atleast_1d(np.asarray(self.colour, np.float32))
        if colour.size not in (1, channels):
            if channels != 1:
                raise InputError(f"a colour of {colour.size} numbers was given for {channels} channels")
            colour = colour.mean(keepdims=True)
        return np.broadcast_to(colour, (channels,)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image (y, x) or (y, x, channel) repeated in mirrored copies over the plane."""

    image: np.ndarray
    offset: tuple[int, int] = (0, 0)
    brightness: float = 1.0

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        image = _unit(self.image, channels)
        rows = mirrored(box.y0 + self.offset[0], box.y1 + self.offset[0], image.shape[0])
        columns = mirrored(box.x0 + self.offset[1], box.x1 + self.offset[1], image.shape[1])
        drawn = image[rows[:, None], columns]
        return drawn * np.float32(self.brightness) if self.brightness != 1 else drawn


@dataclass(frozen=True)
class Photograph:
    """A photograph of scikit-image's package, by name, repeated in mirrored copies over the plane."""

    name: str = "astronaut"
    offset: tuple[int, int] = (0, 0)
    brightness: float = 1.0

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        return Picture(_photograph(self.name, channels), self.offset, self.brightness).sample(box, channels)

    @classmethod
    def random(cls, seed: int, brightness: float = 1.0) -> Photograph:
        """One of `PHOTOGRAPHS` at a random offset."""
        pick, down, right = hashed(seed, np.arange(3))
        name = PHOTOGRAPHS[int(pick * len(PHOTOGRAPHS))]
        return cls(name, (int(down * 2000), int(right * 2000)), brightness)


@dataclass(frozen=True)
class Print:
    """One photograph of scikit-image's package, printed with a white border, centred at (y, x)."""

    name: str
    y: float
    x: float
    angle: float = 0.0

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        import cv2

        image = _photograph(self.name, channels)
        y, x = box.axes()
        sine, cosine = np.sin(np.radians(self.angle)), np.cos(np.radians(self.angle))
        row = cosine * (y - self.y) - sine * (x - self.x) + (image.shape[0] - 1) / 2
        column = sine * (y - self.y) + cosine * (x - self.x) + (image.shape[1] - 1) / 2
        white = (0.96,) * 4
        drawn = cv2.remap(
            image,
            column.astype(np.float32),
            row.astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=white,
        )
        return np.clip(drawn, 0, 1).reshape(*box.shape, channels)

    def outline(self, border: float) -> Rectangle:
        """The mask of the print with a border of `border` pixels."""
        height, width = _photograph(self.name, 1).shape[:2]
        return Rectangle(self.y, self.x, height + 2 * border, width + 2 * border, self.angle)


@lru_cache(maxsize=16)
def _photograph(name: str, channels: int) -> np.ndarray:
    import skimage.data

    return _unit(np.asarray(getattr(skimage.data, name)()), channels)


def _unit(image: np.ndarray, channels: int) -> np.ndarray:
    """The image as float32 (y, x, channels) with 1.0 the brightest value of its dtype."""
    if image.ndim == 2:
        image = image[..., None]
    if image.dtype != np.float32:
        top = 1.0 if image.dtype.kind in "bf" else np.iinfo(image.dtype).max
        image = (image / top).astype(np.float32)
    if image.shape[2] == channels:
        return image
    if image.shape[2] != 1:
        image = image[..., :3].mean(axis=2, keepdims=True, dtype=np.float32)
    return np.repeat(image, channels, axis=2)


@dataclass(frozen=True)
class Fractal:
    """Noise of amplitude 1 / f**exponent, mid-grey with a standard deviation of `contrast`.

    The sum of two periodic noises of 1024 and 827 pixels, so that nothing repeats within 800 kpix.
    """

    seed: int = 0
    exponent: float = 1.0
    contrast: float = 0.16

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        total = np.full((*box.shape, channels), 0.5, np.float32)
        for part, period in enumerate((1024, 827)):
            noise = _periodic_noise(child_seed(self.seed, part), period, self.exponent, channels)
            y, x = box.axes()
            total += np.float32(self.contrast / np.sqrt(2)) * noise[y % period, x % period]
        return np.clip(total, 0, 1)


@lru_cache(maxsize=8)
def _periodic_noise(seed: int, period: int, exponent: float, channels: int) -> np.ndarray:
    """Noise (period, period, channels) float32, mean 0, variance 1; channels alike but for a fifth of it."""
    from scipy import fft

    random = np.random.Generator(np.random.Philox(seed))
    frequency = np.hypot(fft.fftfreq(period)[:, None], fft.rfftfreq(period))
    frequency[0, 0] = np.inf
    planes = []
    for _ in range(1 if channels == 1 else channels + 1):
        white = fft.rfft2(random.standard_normal((period, period)))
        plane = fft.irfft2(white / frequency**exponent, (period, period))
        planes.append(plane / plane.std())
    if channels == 1:
        return planes[0][..., None].astype(np.float32)
    common, own = np.sqrt(0.8), np.sqrt(0.2)
    return np.stack([common * planes[0] + own * p for p in planes[1:]], axis=2).astype(np.float32)


@dataclass(frozen=True)
class Dots:
    """Small coloured dots on flat grey, one in a share of the cells of a grid, nothing else to focus on."""

    seed: int = 0
    cell: int = 16
    share: float = 0.6
    background: float = 0.55

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        y, x = box.axes()
        row, column = y // self.cell, x // self.cell
        random = [hashed_cells(self.seed, box, self.cell, key) for key in range(4 + channels)]
        radius = 1.0 + 1.5 * random[0]
        room = self.cell - 2 * radius - 2
        down = y - row * self.cell - (radius + 0.5 + room * random[1])
        right = x - column * self.cell - (radius + 0.5 + room * random[2])
        cover = np.clip(radius + 0.5 - np.hypot(down, right), 0, 1) * (random[3] < self.share)
        colour = np.stack(random[4:], axis=2)
        return (self.background + cover[..., None] * (colour - self.background)).astype(np.float32)


@dataclass(frozen=True)
class Checker:
    """A chessboard of `cell` pixels, dark and bright."""

    cell: int = 8
    dark: float = 0.15
    bright: float = 0.85

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        y, x = box.axes()
        board = np.where((y // self.cell + x // self.cell) % 2, self.bright, self.dark)
        return np.repeat(board[..., None].astype(np.float32), channels, axis=2)


@dataclass(frozen=True)
class Lines:
    """A grating whose period grows from `finest` to four times that and back over 512 px, slanted."""

    finest: float = 4.0
    slant: float = 0.2
    contrast: float = 0.35

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        y, x = box.axes()
        along = x + self.slant * y
        # The integral of a frequency that swings between 1 / finest and a quarter of it.
        turns = (0.625 * along + 0.375 * 512 / (2 * np.pi) * np.sin(2 * np.pi * along / 512)) / self.finest
        wave = (0.5 + self.contrast * np.sin(2 * np.pi * turns)).astype(np.float32)
        return np.repeat(wave[..., None], channels, axis=2)


@dataclass(frozen=True)
class Patches:
    """A texture with flat, soft-edged, untextured patches in a share of the cells of a grid."""

    base: Texture
    seed: int = 0
    cell: int = 120
    share: float = 0.5

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        flat = self.flatness(box)[..., None]
        colour = np.stack([hashed_cells(self.seed, box, self.cell, 9 + c) for c in range(channels)], axis=2)
        base = self.base.sample(box, channels)
        return (base + flat * (0.2 + 0.6 * colour - base)).astype(np.float32)

    def flatness(self, box: Box) -> np.ndarray:
        """How flat each pixel is made (h, w), 0 to 1; 1 means that no texture is left."""
        y, x = box.axes()
        row, column = y // self.cell, x // self.cell
        radius = self.cell * (0.25 + 0.13 * hashed_cells(self.seed, box, self.cell, 0))
        away = np.hypot(y - (row + 0.5) * self.cell, x - (column + 0.5) * self.cell)
        chosen = hashed_cells(self.seed, box, self.cell, 1) < self.share
        return np.clip((radius - away) / 6, 0, 1) * chosen


@dataclass(frozen=True)
class Highlights:
    """A texture with glints many times brighter than full scale: they saturate even when defocused."""

    base: Texture
    seed: int = 0
    cell: int = 48
    share: float = 0.35
    strength: float = 40.0

    def sample(self, box: Box, channels: int) -> np.ndarray:
        """Colours (h, w, channels) float32 of the box."""
        y, x = box.axes()
        random = [hashed_cells(self.seed, box, self.cell, key) for key in range(5)]
        down = y % self.cell - self.cell * (0.15 + 0.7 * random[0])
        right = x % self.cell - self.cell * (0.15 + 0.7 * random[1])
        size = 0.8 + 1.7 * random[2]
        bright = self.strength ** (0.4 + 0.6 * random[3])
        glint = np.clip(size + 0.5 - np.hypot(down, right), 0, 1) * bright * (random[4] < self.share)
        return self.base.sample(box, channels) + glint[..., None].astype(np.float32)


def _photo(seed: int) -> Texture:
    return Photograph.random(seed)


def _dark(seed: int) -> Texture:
    return Photograph.random(seed, brightness=0.2)


def _fractal(seed: int) -> Texture:
    return Fractal(seed)


def _dots(seed: int) -> Texture:
    return Dots(seed)


def _checker(seed: int) -> Texture:
    return Checker(cell=6 + seed % 7)


def _lines(seed: int) -> Texture:
    return Lines(slant=float(hashed(seed, 0)[0]) - 0.5)


def _flat(seed: int) -> Texture:
    return Flat(tuple(0.2 + 0.6 * hashed(seed, np.arange(3))))


def _patches(seed: int) -> Texture:
    return Patches(Photograph.random(child_seed(seed, 0)), child_seed(seed, 1))


def _highlights(seed: int) -> Texture:
    return Highlights(Photograph.random(child_seed(seed, 0), brightness=0.7), child_seed(seed, 1))


TEXTURES: dict[str, Callable[[int], Texture]] = {
    "photo": _photo,
    "dark": _dark,
    "fractal": _fractal,
    "dots": _dots,
    "checker": _checker,
    "lines": _lines,
    "flat": _flat,
    "patches": _patches,
    "highlights": _highlights,
}
"""Kinds of texture by name, each made from a seed."""


def texture_of(texture: str | np.ndarray | Texture, seed: int) -> Texture:
    """The texture of a kind's or a photograph's name, of an image (y, x[, channel]), or the one given."""
    if isinstance(texture, np.ndarray):
        if texture.ndim not in (2, 3):
            raise InputError(
                f"a texture image needs dims (y, x) or (y, x, channel), got shape {texture.shape}"
            )
        return Picture(texture)
    if not isinstance(texture, str):
        return texture
    if texture in PHOTOGRAPHS:
        return Photograph(texture)
    return TEXTURES[choose(texture, (*TEXTURES, *PHOTOGRAPHS), "texture")](seed)

"""A scene: surfaces one before the other, each whole, also where it is hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bigstack.errors import InputError, choose
from bigstack.synthetic.depths import DEPTHS, DepthImage, DepthMap, Plane, Ramp
from bigstack.synthetic.masks import Disc, Hair, HalfPlane, Mask, Rectangle, Union
from bigstack.synthetic.plane import child_seed, hashed
from bigstack.synthetic.textures import Flat, Texture, texture_of

Depth = Literal["plane", "ramp", "bump", "smooth", "steps", "layers", "discs", "hairs"]


@dataclass(frozen=True)
class Layer:
    """A surface: its colours, its depth and where it is.

    Examples
    --------
    >>> from bigstack.synthetic import render_stack
    >>> from bigstack.synthetic.masks import Disc
    >>> far = Layer(Flat(0.2), Plane(4.0))
    >>> near = Layer(Flat(0.8), Plane(1.0), Disc(24.0, 32.0, 10.0))
    >>> truth = render_stack(depth=[far, near], shape=(48, 64), frames=6).truth
    >>> float(truth.depth[24, 32]), float(truth.depth[2, 2])
    (1.0, 4.0)
    """

    texture: Texture
    """Any object with ``sample(box, channels)``."""
    depth: DepthMap
    """Any object with ``sample(box)`` and ``bounds``, in frames."""
    mask: Mask | None = None
    """Where the surface is; everywhere when None."""


def layers_of(
    texture: str | np.ndarray | Texture,
    depth: str | np.ndarray | DepthMap | list[Layer] | tuple[Layer, ...],
    *,
    shape: tuple[int, int],
    frames: int,
    seed: int,
) -> tuple[Layer, ...]:
    """The layers of a scene, farthest first, from the names or values `render_stack` takes."""
    if isinstance(depth, list | tuple):
        return _checked(depth)
    if isinstance(depth, np.ndarray):
        if depth.shape != shape:
            raise InputError(f"the depth map has shape {depth.shape}, the image {shape}: they must be equal")
        return (Layer(texture_of(texture, seed), DepthImage(depth)),)
    if isinstance(depth, str):
        choose(depth, (*DEPTHS, *_OBJECTS), "depth")
        if depth in DEPTHS:
            surface = DEPTHS[depth](child_seed(seed, 1), shape, 0.0, frames - 1.0)
            return (Layer(texture_of(texture, seed), surface),)
        return _OBJECTS[depth](texture, shape, frames, seed)
    return (Layer(texture_of(texture, seed), depth),)


def _checked(layers: list[Layer] | tuple[Layer, ...]) -> tuple[Layer, ...]:
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        raise InputError(f"a scene is a list of at least one Layer, got {layers!r}")
    if layers[0].mask is not None:
        raise InputError("the first layer is the farthest and must have mask=None, so that no pixel is empty")
    return tuple(layers)


def _textures(texture: str | np.ndarray | Texture, seed: int, count: int) -> list[Texture]:
    """A texture for each of several layers: others of the kind named, or the one given, shared."""
    return [texture_of(texture, child_seed(seed, 2, n) if n else seed) for n in range(count)]


def _steps(
    texture: str | np.ndarray | Texture, shape: tuple[int, int], frames: int, seed: int
) -> tuple[Layer, ...]:
    """Six planes at even depths: a background, a half plane with a wavy edge, boards and a round thing."""
    height, width = shape
    random = hashed(seed, 3, np.arange(6)[:, None], np.arange(5))
    unit = min(shape)
    masks: list[Mask | None] = [None]
    edge = random[1]
    masks.append(
        HalfPlane(height * (0.3 + 0.2 * edge[0]), width / 2, 40 * edge[1] - 20, 0.04 * unit, 0.5 * unit)
    )
    for n, (across, along) in enumerate(((0.25, 0.22), (0.7, 0.62), (0.62, 0.3), (0.28, 0.75))):
        down, right, high, wide, turn = random[2 + n]
        y, x = height * (across + 0.1 * down - 0.05), width * (along + 0.1 * right - 0.05)
        if n == 2:
            masks.append(Disc(y, x, unit * (0.13 + 0.07 * high)))
        else:
            masks.append(Rectangle(y, x, unit * (0.25 + 0.1 * high), unit * (0.3 + 0.2 * wide), 90 * turn))
    depths = np.linspace(frames - 2.0, 1.0, len(masks))
    return tuple(
        Layer(t, Plane(float(d)), m)
        for t, d, m in zip(_textures(texture, seed, len(masks)), depths, masks, strict=True)
    )


def _two_layers(
    texture: str | np.ndarray | Texture, shape: tuple[int, int], frames: int, seed: int
) -> tuple[Layer, ...]:
    """A board and two round things near, on one tilted plane, before a tilted surface far away."""
    height, width = shape
    down, right, angle, *_ = hashed(seed, 4, np.arange(6))
    unit = min(shape)
    near = Union(
        (
            Rectangle(
                height * (0.55 + 0.1 * down), width * (0.3 + 0.1 * right), 0.5 * unit, 0.35 * unit, 40 * angle
            ),
            Disc(height * 0.3, width * (0.65 + 0.1 * right), 0.16 * unit),
            Disc(height * (0.75 + 0.1 * down), width * 0.8, 0.1 * unit),
        )
    )
    far = Ramp(0.6 * (frames - 1), frames - 1.5, shape, 360 * angle)
    front, back = Ramp(1.0, 0.2 * (frames - 1) + 1, shape, 180 + 300 * angle), far
    colours = _textures(texture, seed, 2)
    return Layer(colours[0], back), Layer(colours[1], front, near)


def _discs(
    texture: str | np.ndarray | Texture, shape: tuple[int, int], frames: int, seed: int
) -> tuple[Layer, ...]:
    """Bright plain discs near before a texture far away: the scene for halos."""
    layers = [Layer(texture_of(texture, seed), Plane(0.8 * (frames - 1)))]
    rows, columns = 2, 3
    for n in range(rows * columns):
        down, right, size, tint = hashed(seed, 5, n, np.arange(4))
        y = shape[0] * (n // columns + 0.35 + 0.3 * down) / rows
        x = shape[1] * (n % columns + 0.35 + 0.3 * right) / columns
        colour = (0.97, 0.9 + 0.08 * float(tint), 0.82 + 0.1 * float(size))
        disc = Disc(y, x, min(shape) * (0.035 + 0.05 * size))
        layers.append(Layer(Flat(colour), Plane(float(0.05 + 0.15 * tint) * (frames - 1)), disc))
    return tuple(layers)


def _hairs(
    texture: str | np.ndarray | Texture, shape: tuple[int, int], frames: int, seed: int
) -> tuple[Layer, ...]:
    """Threads of 1 to 4 px, two at each of four depths, dark and bright, before a tilted surface."""
    surface = Ramp(0.65 * (frames - 1), frames - 1.0, shape, float(360 * hashed(seed, 6)[0]))
    layers = [Layer(texture_of(texture, seed), surface)]
    colours = ((0.08, 0.06, 0.05), (0.9, 0.85, 0.7), (0.25, 0.12, 0.06), (0.97, 0.95, 0.92))
    depths = np.linspace(0.5, 0.1, len(colours)) * (frames - 1)
    for group, (colour, depth) in enumerate(zip(colours, depths, strict=True)):
        hairs = [_hair(child_seed(seed, 7, group, n), shape) for n in range(2)]
        layers.append(Layer(Flat(colour), Plane(float(depth)), Union(tuple(hairs))))
    return tuple(layers)


def _hair(seed: int, shape: tuple[int, int]) -> Hair:
    down, right, angle, width, wave, length = hashed(seed, np.arange(6))
    y, x = shape[0] * (0.1 + 0.8 * down), shape[1] * (0.1 + 0.8 * right)
    return Hair(y, x, 180 * angle, 1 + 3 * width, 12 * wave, 120 + 160 * length)


_OBJECTS: dict[str, Callable[..., tuple[Layer, ...]]] = {
    "steps": _steps,
    "layers": _two_layers,
    "discs": _discs,
    "hairs": _hairs,
}
DEPTH_NAMES = (*DEPTHS, *_OBJECTS)
"""Names of the scenes' geometries: smooth surfaces and surfaces with objects before them."""

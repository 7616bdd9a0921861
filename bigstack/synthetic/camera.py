"""What a real camera does to an ideal frame: movement, breathing, gain, vignetting, hot pixels, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigstack.errors import InputError, choose
from bigstack.synthetic.plane import Box, child_seed, hashed

DTYPES = ("uint8", "uint16", "float32")
_NOISE, _HOT = 0, 1
MARGIN = 24
"""Pixels around a region that a warp reads, so that the spline's tail, 0.43**24, is below rounding."""


@dataclass(frozen=True, eq=False)
class Camera:
    """One stack's worth of camera: what `render_stack` makes of its options.

    `transforms` (z, 3, 3) take pixel coordinates (x, y, 1) of the truth to those of frame z; `gains` is
    (z, channel). Noise is in units of 1/255 of full scale, so that it looks alike in every dtype.
    """

    shape: tuple[int, int]
    dtype: str
    seed: int
    sigma: float
    poisson: float
    transforms: np.ndarray
    gains: np.ndarray
    vignetting: float
    hot_pixels: float

    @property
    def full_scale(self) -> float:
        """The value that the brightest texture, 1.0, is stored as."""
        return {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}[self.dtype]

    def moves(self, z: int) -> bool:
        """True when frame `z` is not where the truth is."""
        return not np.array_equal(self.transforms[z], np.eye(3))

    def canvas(self) -> Box:
        """The box of the truth's plane that any frame sees, with the margin that warping needs."""
        height, width = self.shape
        if not any(self.moves(z) for z in range(len(self.transforms))):
            return Box(0, height, 0, width)
        boxes = [self.seen(z, Box(0, height, 0, width)) for z in range(len(self.transforms))]
        y0, _, x0, _ = np.min([*boxes, (0, height, 0, width)], axis=0)
        _, y1, _, x1 = np.max([*boxes, (0, height, 0, width)], axis=0)
        return Box(int(y0), int(y1), int(x0), int(x1))

    def seen(self, z: int, box: Box) -> Box:
        """The box of the truth's plane that a box of frame `z` shows, with the margin."""
        corners = np.array([(x, y, 1) for y in (box.y0, box.y1 - 1) for x in (box.x0, box.x1 - 1)], float).T
        x, y, w = np.linalg.inv(self.transforms[z]) @ corners
        x, y = x / w, y / w
        low_y, low_x = int(np.floor(y.min())), int(np.floor(x.min()))
        return Box(low_y, int(np.ceil(y.max())) + 1, low_x, int(np.ceil(x.max())) + 1).grow(MARGIN)

    def warp(self, z: int, box: Box, ideal: np.ndarray, around: Box) -> np.ndarray:
        """Frame `z`'s box (h, w, channel) from `ideal`, which holds the truth's plane `around` it.

        Quintic splines: cv2's cubic and Lanczos warps round positions to 1/32 px, too coarse for a truth.
        """
        from scipy import ndimage

        y, x = box.axes()
        inverse = np.linalg.inv(self.transforms[z])
        w = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
        where = np.stack(
            [
                (inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]) / w - around.y0,
                (inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]) / w - around.x0,
            ]
        )
        planes = [
            ndimage.map_coordinates(ideal[..., c], where, order=5, mode="mirror", output=np.float32)
            for c in range(ideal.shape[2])
        ]
        return np.stack(planes, axis=2)

    def vignette(self, box: Box) -> np.ndarray:
        """Light that reaches each pixel (h, w) float32: 1 in the centre, 1 - `vignetting` in the corners."""
        y, x = box.axes()
        height, width = self.shape
        square = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2
        corner = max(((height - 1) ** 2 + (width - 1) ** 2) / 4, 1)
        # The cosine-to-the-fourth law of a thin lens, its focal length such that the corner gets its share.
        tangent = (1 - self.vignetting) ** -0.5 - 1
        return ((1 + tangent * square / corner) ** -2).astype(np.float32)

    def hot(self, box: Box, channels: int) -> np.ndarray:
        """What hot pixels add (h, w, channel) float32, a share of full scale; 0 elsewhere."""
        y, x = box.axes()
        level = np.zeros((*box.shape, channels), np.float32)
        for c in range(channels):
            chosen = hashed(child_seed(self.seed, _HOT, c), y, x) < self.hot_pixels
            level[chosen, c] = 0.15 + 0.75 * hashed(child_seed(self.seed, _HOT, c, 1), y, x)[chosen]
        return level

    def expose(self, z: int, block: Box, ideal: np.ndarray, hot: np.ndarray | None) -> np.ndarray:
        """The frame's block (h, w, channel) as stored: lit, exposed, noisy, clipped, rounded.

        `hot` is what `hot` gives for the block.

        Noise is drawn for the whole block by a counter-based generator (Philox; Salmon et al. 2011,
        doi:10.1145/2063384.2063405) keyed on seed, frame and the block's corner, so it needs no history.
        """
        light = ideal * (self.gains[z] * np.float32(self.full_scale)).astype(np.float32)
        if self.vignetting:
            light *= self.vignette(block)[..., None]
        if self.sigma or self.poisson:
            light = self._noisy(z, block, light)
        if hot is not None:
            light += hot * np.float32(self.full_scale)
        if self.dtype == "float32":
            return light
        return np.rint(np.clip(light, 0, self.full_scale)).astype(self.dtype)

    def _noisy(self, z: int, block: Box, light: np.ndarray) -> np.ndarray:
        unit = self.full_scale / 255
        place = (_NOISE << 60) | (z << 44) | (block.y0 << 22) | block.x0
        key = np.array([self.seed & (2**64 - 1), place], np.uint64)
        random = np.random.Generator(np.random.Philox(key=key))
        if self.poisson:
            electron = self.poisson * unit
            light = (random.poisson(np.maximum(light, 0) / electron) * electron).astype(np.float32)
        if self.sigma:
            light = light + random.standard_normal(light.shape, np.float32) * np.float32(self.sigma * unit)
        return light


def transforms_of(
    *,
    shape: tuple[int, int],
    frames: int,
    reference: int,
    breathing: float | np.ndarray,
    rotation: float | np.ndarray,
    shift: float | np.ndarray,
    seed: int,
) -> np.ndarray:
    """Similarities (z, 3, 3) float64 about the image's centre, the identity for the reference frame.

    Arrays are taken as they are (one value a frame, `shift` two: y, x) and then made relative to the
    reference; numbers mean: `breathing` the growth of scale from the first frame to the last, `rotation`
    (degrees) and `shift` (pixels) the largest of random deviations frame by frame.
    """
    if np.min(breathing) <= (-1 if np.ndim(breathing) == 0 else 0):
        raise InputError(f"breathing must leave every frame's scale above 0, got {breathing!r}")
    steps = (np.arange(frames) - reference) / max(frames - 1, 1)
    scale = _each(breathing, (frames,), "breathing", lambda total: (1 + total) ** steps)
    angle = _each(rotation, (frames,), "rotation", lambda most: most * _swing(seed, 0, frames, reference))
    swings = np.stack([_swing(seed, n, frames, reference) for n in (1, 2)], axis=1)
    moves = _each(shift, (frames, 2), "shift", lambda most: most * swings)
    matrices = np.stack(
        [_similarity(shape, s, np.radians(a), m) for s, a, m in zip(scale, angle, moves, strict=True)]
    )
    if np.array_equal(matrices, np.broadcast_to(np.eye(3), matrices.shape)):
        return matrices + 0.0  # no negative zeros
    relative = matrices @ np.linalg.inv(matrices[reference])
    relative[np.all(matrices == matrices[reference], axis=(1, 2))] = np.eye(3)
    return relative + 0.0


def _each(value, shape: tuple[int, ...], name: str, spread) -> np.ndarray:  # type: ignore[no-untyped-def]
    """One value a frame: the array given, or what `spread` makes of a number."""
    if np.ndim(value) == 0:
        return spread(float(value))
    values = np.asarray(value, np.float64)
    if values.shape != shape:
        raise InputError(f"{name} as an array must have shape {shape}, got {values.shape}")
    return values


def _swing(seed: int, stream: int, frames: int, reference: int) -> np.ndarray:
    """Random numbers (z,) from -1 to 1, 0 for the reference frame."""
    swing = 2 * hashed(child_seed(seed, 8, stream), np.arange(frames)) - 1
    swing[reference] = 0
    return swing


def _similarity(shape: tuple[int, int], scale: float, angle: float, shift: np.ndarray) -> np.ndarray:
    centre_y, centre_x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = (centre_x + shift[1], centre_y + shift[0]) - turn @ (centre_x, centre_y)
    if scale == 1 and angle == 0:  # exact zeros, so that an unmoved frame is left alone
        matrix[:2, 2] = shift[1], shift[0]
    return matrix


def gains_of(
    flicker: float | np.ndarray, *, frames: int, channels: int, reference: int, seed: int
) -> np.ndarray:
    """Exposure (z, channel) float64 of each frame relative to the reference frame's.

    A number is the largest of random deviations frame by frame; an array holds the gains, (z,) or
    (z, channel).
    """
    if np.ndim(flicker) == 0:
        gains = 1 + float(flicker) * _swing(seed, 3, frames, reference)
    else:
        gains = np.asarray(flicker, np.float64)
    if gains.ndim == 1:
        gains = np.repeat(gains[:, None], channels, axis=1)
    if gains.shape != (frames, channels) or (gains <= 0).any():
        raise InputError(
            f"flicker must be a number below 1, or gains above 0 of shape ({frames},) or "
            f"({frames}, {channels}), got {flicker!r}"
        )
    return gains


def check_camera(*, dtype: str, noise: tuple[float, float], vignetting: float, hot_pixels: float) -> None:
    """Refuse options that no camera has."""
    choose(dtype, DTYPES, "dtype")
    if len(noise) != 2 or min(noise) < 0:
        raise InputError(f"noise is a pair (sigma, Poisson gain) of numbers from 0 up, got {noise!r}")
    for name, value in (("vignetting", vignetting), ("hot_pixels", hot_pixels)):
        if not 0 <= value < 1:
            raise InputError(f"{name} must be at least 0 and below 1, got {value!r}")

"""Highlights that clip: their defocused discs have sharp edges, which look like focus at every scale.

Clipping takes light away, and most of it where a highlight is in focus and smallest. So about highlights the
frame in focus is the one in which the neighbourhood is darkest, and pixels come whole from it.
"""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.volumes import largest, pick
from bigstack.kernels.jit import compiled
from bigstack.kernels.luminance import luminance

_WHITE, _CHANGE = 0.98, 0.16  # of full scale: what counts as clipped, and as not clipped in every frame
_REACH = 21  # pixels a side that the discs' surroundings take part
_CELL = 4  # pixels a side that brightness and sharpness are added up in
_WINDOW = 2.0  # Gaussian that they are smoothed by, cells
_DARKER = 0.04  # of full scale: change of the neighbourhood's brightness that tells a highlight
_GAIN = 20.0  # variance of the Laplacian of white noise of variance 1
_CLEAR = (
    5.0  # sharpness over that of noise, which clipping makes hard to measure, below which nothing is told
)
_SHARP = 0.2  # sharpness of the darkest frame over the best: less is a dark thing out of focus before light
_ALIKE = 1  # frames between the darkest ones of neighbouring cells


def take_glints(
    image: np.ndarray,
    frames: np.ndarray,
    valid: np.ndarray | None = None,
    *,
    channels: tuple[int, ...] = (),
    noise: float = 0.0,
) -> np.ndarray:
    """Replace a fused image (y, x, channel) about highlights that clip in some frames.

    PSNR of the benchmark's scene of highlights rises by 13 dB; scenes without them hardly change. Floats
    have no white, so they are left as they are.

    Parameters
    ----------
    image
        Fused image, float32.
    frames
        The stack (z, y, x, channel).
    valid
        Where the frames' pixels are real (z, y, x) bool, None when all are.
    channels
        Those that focus is measured on, all when empty.
    noise
        Standard deviation of the luma's noise in grey levels.
    """
    if frames.dtype.kind == "f":
        return image
    white = float(np.iinfo(frames.dtype).max)
    lumas = [luminance(frame, channels) for frame in frames]
    near = _clipped(lumas, white)
    if not near.any():
        return image
    share, darkest = _glints(lumas, white, noise, valid)
    size = near.shape[1::-1]
    share = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
    share = share * cv2.blur(near.astype(np.float32), (3, 3))
    at = cv2.resize(darkest, size, interpolation=cv2.INTER_NEAREST)
    return image + share[..., None] * (pick(frames, at.astype(np.intp)) - image)


def _clipped(lumas: list[np.ndarray], white: float) -> np.ndarray:
    high, low = lumas[0].copy(), lumas[0].copy()
    for luma in lumas[1:]:
        np.maximum(high, luma, out=high)
        np.minimum(low, luma, out=low)
    found = (high >= _WHITE * white) & (high.astype(np.float32) - low > _CHANGE * white)
    return cv2.dilate(found.astype(np.uint8), np.ones((_REACH, _REACH), np.uint8))


def _glints(
    lumas: list[np.ndarray], white: float, noise: float, valid: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Where a highlight is near, from 0 to 1, and its darkest frame, both for cells."""
    cells = tuple(-(-side // _CELL) for side in lumas[0].shape)
    light, sharp = (np.empty((len(lumas), *cells), np.float32) for _ in range(2))
    real = np.ones(light.shape, bool)
    for z, luma in enumerate(lumas):
        _add_up(luma, light[z], sharp[z])
        for volume in (light, sharp):
            volume[z] = cv2.GaussianBlur(volume[z], (0, 0), _WINDOW)
        if valid is not None and not valid[z].all():
            real[z] = cv2.resize(valid[z].astype(np.float32), cells[::-1], interpolation=cv2.INTER_AREA) == 1
    sharp[~real] = 0
    darkest = np.where(real, light, np.float32(np.inf)).argmin(axis=0)
    change = largest(np.where(real, light, 0)) - pick(light, darkest)
    alone = np.float32(_GAIN * noise**2)
    best, there = largest(sharp) - alone, pick(sharp, darkest) - alone
    # Glitter, whose darkest frame changes from cell to cell, would be put together of unlike frames.
    beside = np.ones((3, 3), np.uint8)
    frame = darkest.astype(np.uint16)
    alike = cv2.dilate(frame, beside) - cv2.erode(frame, beside) <= _ALIKE
    sure = (change > _DARKER * white) & (best > _CLEAR * alone) & (there > _SHARP * best) & alike
    return sure.astype(np.float32), frame


@compiled
def _add_up(luma: np.ndarray, light: np.ndarray, sharp: np.ndarray) -> None:
    """Mean of the luma and of its squared Laplacian in every cell."""
    height, width = luma.shape
    for i in range(light.shape[0]):
        top, bottom = i * _CELL, min(i * _CELL + _CELL, height)
        for j in range(light.shape[1]):
            left, right = j * _CELL, min(j * _CELL + _CELL, width)
            total, squares = np.float32(0), np.float32(0)
            for y in range(top, bottom):
                above, below = max(y - 1, 0), min(y + 1, height - 1)
                for x in range(left, right):
                    here = np.float32(luma[y, x])
                    beside = np.float32(luma[y, max(x - 1, 0)]) + np.float32(luma[y, min(x + 1, width - 1)])
                    edge = beside + np.float32(luma[above, x]) + np.float32(luma[below, x])
                    edge -= np.float32(4) * here
                    total += here
                    squares += edge * edge
            count = np.float32((bottom - top) * (right - left))
            light[i, j] = total / count
            sharp[i, j] = squares / count

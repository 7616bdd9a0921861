"""Rings about near objects that no frame shows clean: the objects' defocused light is taken off.

In the frame that has such a pixel in focus, a share of its light comes from nearer surfaces, spread over
discs by their defocus. Where those surfaces are, how bright and how far out of focus, the depth map and
their own frames tell: so that light can be reckoned and subtracted, and the rest made whole. What depth is
wrong about would be painted into the image; it is taken only as far as it makes frames of different focus
agree, and as it is more than noise.
"""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.depth.cone import BLUR, clean_until
from bigstack.kernels.depth.volumes import pick
from bigstack.kernels.jit import compiled

_START, _WHOLE = 0.5, 1.5  # frames between the pixel's depth and the last that is clean there
_GAP = np.float32(2.0)  # frames that nearer surfaces are nearer
_MOST = np.float32(0.45)  # share of the light that is taken off at most; beside a straight edge it is a half
_BACK = 2  # frames before the one in focus that the same is tried in
_WINDOW = 25  # pixels a side in which frames must agree better
_NOISE_WINDOW = 9
_TAPS = 8  # pixels that a disc's radius is at most sampled by
_FARTHEST = 96.0  # radius of the widest disc, pixels
_CELL = 16  # pixels a side of cells whose nearest surface is known
_LUMA = 0.67  # noise of the luma over that of independent colours
_LEAST = 1e-3  # of the noise's variance: differences that are none


def uncover(
    image: np.ndarray,
    frames: np.ndarray,
    depth: np.ndarray,
    sigma: float,
    valid: np.ndarray | None = None,
    *,
    blur: float = BLUR,
) -> np.ndarray:
    """Return a fused image (y, x, channel) float32 without the light of nearer objects out of focus.

    Parameters
    ----------
    image
        Fused image, float32.
    frames
        The stack (z, y, x, channel).
    depth
        Depth (y, x) in frames.
    sigma
        Standard deviation of the luma's noise, grey levels.
    valid
        Where pixels are real (z, y, x) bool, None when all are.
    blur
        Growth of the blur's radius, pixels a frame.
    """
    depth = np.ascontiguousarray(depth, np.float32)
    covered = depth - clean_until(depth, blur)
    where = covered > _START
    if not where.any():
        return image
    y, x = np.nonzero(where)
    at = np.clip(np.rint(depth), 0, len(frames) - 1).astype(np.intp)
    sharp = pick(frames, at).astype(np.float32)
    front = at[y, x]
    before = np.maximum(front - _BACK, 0)
    seen, bare, share = _bared(frames, depth, sharp, (front, y, x), blur)
    seen_before, bare_before, _ = _bared(frames, depth, sharp, (before, y, x), blur)

    least = np.float32(_LEAST * sigma * sigma)
    trust = np.clip((covered[y, x] - np.float32(_START)) / np.float32(_WHOLE - _START), 0, 1)
    shift = _around(seen - seen_before, where, _WINDOW)
    left = _around(bare - bare_before, where, _WINDOW)
    trust *= np.maximum(1 - (_square(left) + least) / (_square(shift) + least), 0)
    if valid is not None:
        trust *= valid[front, y, x] & valid[before, y, x]
    if frames.dtype.kind == "u":
        bare = np.clip(bare, 0, np.iinfo(frames.dtype).max)
    change = bare - image[y, x]
    noise = np.float32((sigma / (_LUMA if frames.shape[3] == 3 else 1)) ** 2) / np.square(1 - share)
    told = _around(_square(change)[:, None] / change.shape[1], where, _NOISE_WINDOW)[:, 0]
    explained = _around(noise[:, None], where, _NOISE_WINDOW)[:, 0]
    trust *= np.maximum(1 - explained / np.maximum(told, least), 0)
    image = image.copy()
    image[y, x] += trust[:, None] * change
    return image


def _bared(
    frames: np.ndarray,
    depth: np.ndarray,
    sharp: np.ndarray,
    where: tuple[np.ndarray, np.ndarray, np.ndarray],
    blur: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (n, channel) of frames (z, y, x), the same without nearer light, and the share of that (n,)."""
    z, y, x = where
    light = np.zeros((len(y), sharp.shape[2]), np.float32)
    share = np.zeros(len(y), np.float32)
    reach = np.float32(blur) * (
        z - _nearest(depth, min(_FARTHEST, blur * len(frames)))[y // _CELL, x // _CELL]
    )
    reach = np.clip(reach, 0, np.float32(_FARTHEST)).astype(np.float32)
    _gather(depth, sharp, y, x, z.astype(np.float32), reach, np.float32(blur), light, share)
    taken = np.minimum(share, _MOST)
    light *= (taken / np.maximum(share, np.float32(1e-6)))[:, None]
    seen = frames[z, y, x].astype(np.float32)
    return seen, (seen - light) / (1 - taken)[:, None], taken


def _nearest(depth: np.ndarray, reach: float) -> np.ndarray:
    """Least depth of cells of pixels, and of those within reach."""
    sides = [-(-side // _CELL) * _CELL for side in depth.shape]
    whole = np.pad(
        depth, [(0, side - has) for side, has in zip(sides, depth.shape, strict=True)], mode="edge"
    )
    cells = whole.reshape(sides[0] // _CELL, _CELL, sides[1] // _CELL, _CELL).min(axis=(1, 3))
    return cv2.erode(cells, np.ones((2 * int(np.ceil(reach / _CELL)) + 1,) * 2, np.uint8))


def _around(values: np.ndarray, where: np.ndarray, side: int) -> np.ndarray:
    """Means (n, channel) over a window of values of the pixels (y, x) chosen by `where`."""
    image = np.zeros((*where.shape, values.shape[1]), np.float32)
    image[where] = values
    total = cv2.boxFilter(image, -1, (side, side), normalize=False).reshape(image.shape)[where]
    return total / cv2.boxFilter(where.astype(np.float32), -1, (side, side), normalize=False)[where][:, None]


def _square(values: np.ndarray) -> np.ndarray:
    return np.square(values).sum(axis=1)


@compiled
def _gather(
    depth: np.ndarray,
    sharp: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    frame: np.ndarray,
    reach: np.ndarray,
    blur: np.float32,
    light: np.ndarray,
    share: np.ndarray,
) -> None:
    """Add up the light, and its share, that nearer pixels spread over discs send to each pixel."""
    height, width = depth.shape
    half = np.float32(0.5)
    for i in range(rows.shape[0]):
        y, x, z = rows[i], columns[i], frame[i]
        step = 1 + int(reach[i]) // _TAPS
        most = (int(reach[i]) // step + 1) * step
        wide = np.float32(step)
        for v in range(y - most, y + most + 1, step):
            if v < 0 or v >= height:
                continue
            for u in range(x - most, x + most + 1, step):
                if u < 0 or u >= width:
                    continue
                gap = z - depth[v, u]
                if gap < _GAP:
                    continue
                radius = max(min(blur * gap, reach[i]), wide)
                away = np.float32((v - y) * (v - y) + (u - x) * (u - x))
                edge = radius + half * wide
                if away > edge * edge:
                    continue
                # A disc of radius r with an edge as wide as a step has this area.
                part = min(np.float32(1), (edge - np.sqrt(away)) / wide)
                part *= wide * wide / (np.float32(np.pi) * (radius * radius + wide * wide / np.float32(12)))
                share[i] += part
                for c in range(sharp.shape[2]):
                    light[i, c] += part * sharp[v, u, c]

"""Hot pixels: those that differ from their surroundings in every frame, and what to put there instead."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.errors import InputError

BLUR_TAPS = (1, 4, 6, 4, 1)  # OpenCV's Gaussian of 5 taps, times 16
BLUR_HALO = 2
SPIKE_HALO = 3
MAX_FILL_RADIUS = 16


def blur_residual(total: np.ndarray) -> np.ndarray:
    """256 times a (summed) frame minus its 5x5 Gaussian, (y, x, channel), reflected at the border.

    Integers (int64) stay exact; float64 is summed in an order that is the same for every pixel.

    Examples
    --------
    >>> spot = np.zeros((5, 5, 1), np.int64)
    >>> spot[2, 2] = 1
    >>> int(blur_residual(spot)[2, 2, 0])
    220
    """
    pad = ((BLUR_HALO, BLUR_HALO), (BLUR_HALO, BLUR_HALO), (0, 0))
    padded = np.pad(total, pad, mode="reflect")
    height, width = total.shape[:2]
    down = np.zeros((height, width + 2 * BLUR_HALO, total.shape[2]), total.dtype)
    for i, tap in enumerate(BLUR_TAPS):
        down += tap * padded[i : i + height]
    residual = 256 * total
    for i, tap in enumerate(BLUR_TAPS):
        residual -= tap * down[:, i : i + width]
    return np.asarray(residual)


def spikes(frame: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Where a frame (y, x, channel) stands out: int8, 1 above, -1 below, 0 elsewhere; 3 pixels of halo.

    A pixel stands out when it differs from the median of its 5x5 surroundings by more than its channel's
    threshold plus the range of that median over 3x3: texture, where the medians differ, is let be.

    Examples
    --------
    >>> frame = np.full((7, 7, 1), 10, np.uint8)
    >>> frame[3, 3] = 90
    >>> np.argwhere(spikes(frame, np.array([20.0]))).tolist()
    [[3, 3, 0]]
    """
    planes = [_spikes(np.ascontiguousarray(frame[..., c]), limit) for c, limit in enumerate(thresholds)]
    return np.stack(planes, axis=-1)


def _spikes(plane: np.ndarray, limit: float) -> np.ndarray:
    # OpenCV's median repeats the edge pixel at the border, the true border only: windows have a halo.
    middle = cv2.medianBlur(plane, 5)
    window = np.ones((3, 3), np.uint8)
    room = cv2.dilate(middle, window).astype(np.float32) - cv2.erode(middle, window).astype(np.float32)
    room += np.float32(limit)
    excess = plane.astype(np.float32) - middle.astype(np.float32)
    return (excess > room).astype(np.int8) - (excess < -room).astype(np.int8)


def fill_radii(shape: tuple[int, int, int], positions: np.ndarray) -> np.ndarray:
    """Radius in pixels, at least 1, of the window that holds a good neighbour of each hot pixel.

    `positions` is (n, 3): y, x, channel.

    Raises
    ------
    InputError
        When a pixel has no good neighbour within 16 pixels.

    Examples
    --------
    >>> fill_radii((9, 9, 1), np.array([[4, 4, 0], [4, 5, 0]])).tolist()
    [1, 1]
    """
    codes = np.sort(_codes(positions, shape))
    radii = np.zeros(len(positions), np.int64)
    for radius in range(1, MAX_FILL_RADIUS + 1):
        left = np.flatnonzero(radii == 0)
        if left.size == 0:
            return radii
        _, good = _neighbours(positions[left], radius, shape, codes)
        radii[left[good.any(axis=1)]] = radius
    if (radii == 0).any():
        y, x, channel = positions[np.flatnonzero(radii == 0)[0]]
        raise InputError(
            f"the hot pixel y {y}, x {x}, channel {channel} has no good neighbour within {MAX_FILL_RADIUS} "
            f"pixels; check the mask"
        )
    return radii


def fill(
    pixels: np.ndarray,
    positions: np.ndarray,
    radii: np.ndarray,
    hot: np.ndarray,
    statistic: str,
    *,
    origin: tuple[int, int],
    shape: tuple[int, int, int],
) -> None:
    """Overwrite hot pixels, in place, by the mean or median of the good ones in the window around each.

    Parameters
    ----------
    pixels
        A window (y, x, channel) of the frame that starts at `origin` (y, x) and holds, around each position,
        its radius; rounded for integers.
    positions
        (n, 3) absolute y, x, channel of those to fill.
    radii
        (n,) from `fill_radii`.
    hot
        (m, 3) all hot pixels within reach.
    shape
        Sizes of the whole frame (y, x, channel).
    """
    codes = np.sort(_codes(hot, shape))
    corner = np.array([*origin, 0])
    values = np.empty(len(positions))
    for radius in np.unique(radii):
        chosen = radii == radius
        places, good = _neighbours(positions[chosen], int(radius), shape, codes)
        places = places - corner
        around = pixels[tuple(np.moveaxis(np.where(good[..., None], places, 0), 2, 0))]
        values[chosen] = _statistic(around.astype(np.float64), good, statistic)
    if pixels.dtype.kind != "f":
        values = np.rint(values)
    pixels[tuple((positions - corner).T)] = values


def _statistic(around: np.ndarray, good: np.ndarray, statistic: str) -> np.ndarray:
    around = np.where(good, around, 0.0 if statistic == "mean" else np.inf)
    count = good.sum(axis=1)
    if statistic == "mean":
        total = np.zeros(len(around))
        for column in around.T:  # in a fixed order: a pairwise sum depends on how many there are
            total = total + column
        return np.asarray(total / count)
    ordered = np.sort(around, axis=1)
    rows = np.arange(len(around))
    return np.asarray((ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2)


def _neighbours(
    positions: np.ndarray, radius: int, shape: tuple[int, int, int], codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, k, 3) in the window around each, and which of them are in the frame and not hot."""
    side = np.arange(-radius, radius + 1)
    offsets = np.array([(y, x, 0) for y in side for x in side if y or x])
    places = positions[:, None, :] + offsets
    inside = ((places >= 0) & (places < np.array(shape))).all(axis=2)
    wanted = _codes(np.where(inside[..., None], places, 0).reshape(-1, 3), shape).reshape(inside.shape)
    found = np.searchsorted(codes, wanted).clip(0, max(codes.size - 1, 0))
    return places, inside & (codes[found] != wanted)


def _codes(positions: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    y, x, channel = positions.astype(np.int64).T
    return np.asarray((y * shape[1] + x) * shape[2] + channel)

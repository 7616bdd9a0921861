"""Weighted median of depth, guided by the fused image: outliers go, edges move to where colours change."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.jit import compiled

RADIUS = 24
"""Pixels that the window of the coarse passes reaches; that of the last, fine one a quarter of it."""
_COLOUR, _PER_NOISE = 12.0, 5.0  # standard deviation of colours that count as one surface, levels of 255
_BIAS = 0.12  # frames: error of a median on a sloping surface, where its own noise is none
_OUTLIER = (1.0, 2.0)  # frames off the median that make a depth a wrong one
_STEPS = np.float32(32)  # steps of a frame that depths are sorted by
_COARSE, _FINE = 6, 3  # votes on each side of the middle, along each axis
_RUN = 64  # pixels that are worked on at a time: their votes fit the nearest cache


def guided_median(
    depth: np.ndarray,
    guide: np.ndarray,
    noise: float,
    voters: np.ndarray,
    *,
    radius: int = RADIUS,
    votes: int = _FINE,
) -> np.ndarray:
    """Return the weighted median (y, x) float32 of a depth map, to a 32nd of a frame.

    Weights fall with the distance of colours (Zhang, Xu and Jia 2014, doi:10.1109/CVPR.2014.364), nearly as
    a Gaussian. Evenly spread pixels of the window have votes: of a small window 7 x 7 find depths as well as
    all do (mean depth RMSE over the scenes 0.988 against 0.987 frames).

    Parameters
    ----------
    depth
        Depth (y, x) float32.
    guide
        Image (y, x, channel) uint8.
    noise
        Standard deviation of the guide's noise in its grey levels.
    voters
        Pixels (y, x) bool whose depth counts; where none of like colour is within reach, the depth stays.
    radius
        Pixels that the window reaches.
    votes
        Voting pixels on each side of the middle, along each axis, at most.
    """
    colour = _COLOUR + _PER_NOISE * noise
    step = -(-radius // votes)
    reach = radius // step * step

    def pad(image: np.ndarray) -> np.ndarray:
        return cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)

    planes = np.stack([pad(np.ascontiguousarray(guide[..., c])) for c in range(guide.shape[2])])
    found = np.array(depth, np.float32, order="C")
    _weighted_median(
        pad(np.rint(found * _STEPS)),
        planes.astype(np.float32),
        pad(voters.astype(np.float32)),
        reach,
        step,
        np.float32(1 / (16 * colour * colour)),
        found,
    )
    return found


@compiled
def _weighted_median(
    depth: np.ndarray,
    guide: np.ndarray,
    voters: np.ndarray,
    reach: int,
    step: int,
    fall: np.float32,
    out: np.ndarray,
) -> None:
    """Replace depths of `out` by medians; the other images have borders of `reach` pixels."""
    height, width = out.shape
    side = 2 * (reach // step) + 1
    votes = np.empty((side * side, _RUN), np.float32)
    total, half = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    least, most = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    middle = np.empty(_RUN, np.float32)
    for y in range(height):
        for left in range(0, width, _RUN):
            count = min(_RUN, width - left)
            total[:] = 0
            least[:] = np.float32(1e9)
            most[:] = np.float32(-1e9)
            for i in range(side):
                for j in range(side):
                    v, u = y + i * step, left + j * step
                    vote, at = votes[i * side + j], depth[v, u : u + count]
                    mask = voters[v, u : u + count]
                    vote[:] = 0
                    for c in range(guide.shape[0]):
                        here = guide[c, y + reach, left + reach : left + reach + count]
                        there = guide[c, v, u : u + count]
                        for x in range(count):
                            vote[x] += (here[x] - there[x]) * (here[x] - there[x])
                    for x in range(count):
                        # (1 - t / 8) ** 8 is near exp(-t), and ends.
                        weight = max(np.float32(1) - vote[x] * fall, np.float32(0))
                        weight *= weight
                        weight *= weight
                        weight *= weight * mask[x]
                        vote[x] = weight
                        total[x] += weight
                        counts = weight > np.float32(0)
                        least[x] = min(least[x], at[x]) if counts else least[x]
                        most[x] = max(most[x], at[x]) if counts else most[x]
            open_ = False
            for x in range(count):
                half[x] = np.float32(0.5) * total[x]
                open_ |= least[x] < most[x]
            while open_:
                for x in range(count):
                    middle[x] = np.floor((least[x] + most[x]) * np.float32(0.5))
                total[:] = 0
                for i in range(side):
                    for j in range(side):
                        u = left + j * step
                        vote, at = votes[i * side + j], depth[y + i * step, u : u + count]
                        for x in range(count):
                            total[x] += vote[x] if at[x] <= middle[x] else np.float32(0)
                open_ = False
                for x in range(count):
                    below = total[x] >= half[x]
                    most[x] = middle[x] if below else most[x]
                    least[x] = least[x] if below else min(middle[x] + np.float32(1), most[x])
                    open_ |= least[x] < most[x]
            for x in range(count):
                if half[x] > 0:
                    out[y, left + x] = most[x] / _STEPS


def halved_median(
    depth: np.ndarray, guide: np.ndarray, noise: float, voters: np.ndarray, *, radius: int = RADIUS
) -> np.ndarray:
    """Return `guided_median` of every second pixel for all of them, at a fourth of the cost."""
    small = cv2.pyrDown(guide).reshape(*(-(-side // 2) for side in depth.shape), -1)
    # The pyramid's smoothing leaves 3/8 of white noise along each axis.
    half = max(1, radius // 2)
    found = guided_median(depth[::2, ::2], small, noise * 0.375, voters[::2, ::2], radius=half, votes=_COARSE)
    return np.repeat(np.repeat(found, 2, axis=0), 2, axis=1)[: depth.shape[0], : depth.shape[1]]


def refine(depth: np.ndarray, spread: np.ndarray, median: np.ndarray, radius: int = RADIUS) -> np.ndarray:
    """Move depths towards their median: outliers all the way, others as far as their noise asks.

    On a sloping surface the median's error is the depth's change within the window.
    """
    change = np.float32(radius) * slope(depth)
    noise = np.square(spread)
    share = noise / (noise + np.square(np.float32(_BIAS) + np.float32(0.35) * change))
    off = np.abs(median - depth) - change
    outlying = np.clip((off - _OUTLIER[0]) / (_OUTLIER[1] - _OUTLIER[0]), 0, 1)
    return depth + np.maximum(share, outlying) * (median - depth)


def slope(depth: np.ndarray) -> np.ndarray:
    """Slope of the surface in frames a pixel (y, x): of steps, which are narrow, nothing is left."""
    across = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=1 / 8)
    # Not cv2.magnitude, whose last bits change from call to call.
    steep = np.sqrt(np.square(across) + np.square(down))
    lasting = cv2.erode(steep, np.ones((7, 7), np.uint8))
    return cv2.dilate(lasting, np.ones((13, 13), np.uint8))

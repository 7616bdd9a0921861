"""Weighted median of depth, guided by the fused image: outliers go, edges move to where colours change."""

from __future__ import annotations

from threading import Lock

import cv2
import numpy as np

RADIUS = 24
"""Pixels that the window of the coarse passes reaches; that of the last, fine one a quarter of it."""
_COLOUR, _PER_NOISE = 12.0, 5.0  # standard deviation of colours that count as one surface, levels of 255
_BIAS = 0.12  # frames: error of a median on a sloping surface, where its own noise is none
_OUTLIER = (1.0, 2.0)  # frames off the median that make a depth a wrong one


_ALONE = Lock()


def guided_median(
    depth: np.ndarray, guide: np.ndarray, noise: float, voters: np.ndarray, *, radius: int = RADIUS
) -> np.ndarray:
    """Return the weighted median (y, x) float32 of a depth map.

    Weights fall with the distance of colours (Zhang, Xu and Jia 2014, doi:10.1109/CVPR.2014.364). OpenCV's
    filter rounds depths to 256 steps, hence `refine`.

    Parameters
    ----------
    depth
        Depth (y, x) float32.
    guide
        Image (y, x, channel) uint8 of 1 or 3 channels.
    noise
        Standard deviation of the guide's noise in its grey levels.
    voters
        Pixels (y, x) bool whose depth counts; where none is within reach, the depth stays.
    radius
        Pixels that the window reaches.
    """
    colour = _COLOUR + _PER_NOISE * noise
    joint = guide[..., 0] if guide.shape[2] == 1 else guide
    joint, depth = np.ascontiguousarray(joint), np.ascontiguousarray(depth, np.float32)
    mask = np.ascontiguousarray(voters).astype(np.uint8) * np.uint8(255)
    # OpenCV's filter crashes when two threads are in it, and clusters colours from a random start.
    with _ALONE:
        cv2.setRNGSeed(0)
        found = cv2.ximgproc.weightedMedianFilter(
            joint, depth, radius, sigma=colour, weightType=cv2.ximgproc.WMF_EXP, mask=mask
        )
    reached = cv2.dilate(mask, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0
    return np.where(reached, found, depth)


def halved_median(
    depth: np.ndarray, guide: np.ndarray, noise: float, voters: np.ndarray, *, radius: int = RADIUS
) -> np.ndarray:
    """Return `guided_median` of every second pixel for all of them, at an eighth of the cost."""
    small = cv2.pyrDown(guide).reshape(*(-(-side // 2) for side in depth.shape), -1)
    # The pyramid's smoothing leaves 3/8 of white noise along each axis.
    half = max(1, radius // 2)
    found = guided_median(depth[::2, ::2], small, noise * 0.375, voters[::2, ::2], radius=half)
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

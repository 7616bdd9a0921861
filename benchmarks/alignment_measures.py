"""What is left between neighbours of a stack, by measures that are none of bigstack's."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import xarray as xr


def median(shifts: np.ndarray) -> float:
    """Median length in pixels of shifts (n, 2); NaN of none."""
    return float(np.median(np.hypot(*shifts.T))) if len(shifts) else float("nan")


def block_shifts(stack: xr.DataArray, size: int = 96) -> np.ndarray:
    """Shifts between neighbours of blocks that are about equally sharp in both, by scikit-image alone.

    Blocks count that have contrast, correlate by 0.8, and have half of the energy in their second derivatives
    that any frame has of them: the outlines of what is blurred in one frame move with the blur, whatever
    the alignment.

    Returns
    -------
    ndarray
        (n, 5): pair, x and y of the block, shift in x and y.
    """
    from skimage.registration import phase_cross_correlation

    grey = [frame.mean(axis=2, dtype=np.float32) for frame in stack.values]
    smooth = [cv2.GaussianBlur(frame, (0, 0), 1) for frame in grey]
    bands = [frame - cv2.GaussianBlur(whole, (0, 0), 6) for frame, whole in zip(smooth, grey, strict=True)]
    edges = [cv2.Laplacian(frame, cv2.CV_32F) for frame in smooth]
    sharp = np.array([cv2.blur(edge * edge, (size + 1, size + 1)) for edge in edges])
    window = np.outer(np.hanning(size), np.hanning(size)).astype(np.float32)
    found = []
    for n, ((a, b), (p, q)) in enumerate(
        zip(pairwise(bands), pairwise(sharp / sharp.max(axis=0)), strict=True)
    ):
        for y in range(size // 2, a.shape[0] - size, size // 2):
            for x in range(size // 2, a.shape[1] - size, size // 2):
                here = np.s_[y : y + size, x : x + size]
                least = min(p[y + size // 2, x + size // 2], q[y + size // 2, x + size // 2])
                if least < 0.5 or min(a[here].std() / a.std(), b[here].std() / b.std()) < 0.4:
                    continue
                one, other = a[here] * window, b[here] * window
                dy, dx = phase_cross_correlation(one, other, upsample_factor=50, normalization=None)[0]
                top, left = round(y - dy), round(x - dx)
                other = b[max(0, top) : top + size, max(0, left) : left + size]
                if other.shape == one.shape and _correlation(one, other * window) > 0.8:
                    found.append((n, x + size / 2, y + size / 2, dx, dy))
    return np.array(found).reshape(-1, 5)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def unmended(shifts: np.ndarray) -> np.ndarray:
    """What is left (n, 2) of the shifts of pairs with 6 blocks after the similarity that fits them best.

    That is parallax, glints and the error of the measure itself, which no alignment of frames takes away.
    """
    left = []
    for n in np.unique(shifts[:, 0]):
        x, y, dx, dy = shifts[shifts[:, 0] == n, 1:].T
        if len(x) < 6:
            continue
        one, nil = np.ones_like(x), np.zeros_like(x)
        x, y = x - x.mean(), y - y.mean()
        ways = np.vstack([np.stack([one, nil, x, -y], axis=1), np.stack([nil, one, y, x], axis=1)])
        target, weight = np.concatenate([dx, dy]), np.ones(2 * len(x))
        for _ in range(30):  # least absolute misses
            fit = np.linalg.lstsq(ways * weight[:, None], target * weight, rcond=None)[0]
            miss = (target - ways @ fit).reshape(2, -1)
            weight = np.tile(1 / np.sqrt(np.maximum(np.hypot(*miss), 0.05)), 2)
        left.append(miss.T)
    return np.concatenate(left) if left else np.zeros((0, 2))


def ecc_shifts(stack: xr.DataArray, motion: int = cv2.MOTION_AFFINE) -> list[float]:
    """Median shift over the frame, pair by pair of neighbours, of the transform that OpenCV's ECC finds.

    An affine transform bends to a blur that changes; `cv2.MOTION_EUCLIDEAN` shifts and turns only.
    """
    kind = np.uint8 if stack.dtype == np.uint8 else np.float32
    grey = [frame.mean(axis=2).astype(kind) for frame in stack.values]
    height, width = grey[0].shape
    axes = np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)
    places = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    found = []
    for a, b in pairwise(grey):
        start = np.eye(2, 3, dtype=np.float32)
        try:
            matrix = cv2.findTransformECC(a, b, start, motion, (3, 100, 1e-7), None, 5)[1]
        except cv2.error:  # no overlap worth the name, or no structure
            found.append(float("inf"))
            continue
        found.append(float(np.median(np.hypot(*(places @ matrix[:, :2].T + matrix[:, 2] - places).T))))
    return found

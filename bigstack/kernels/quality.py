"""How good a fused image or a depth map is: against the truth, or against the inputs where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bigstack.errors import InputError

BAD_PIXEL = (0.5, 1.0, 2.0)
"""Thresholds of the bad-pixel fractions, in the depth's unit (frames)."""


def full_scale(dtype: np.dtype | type | str) -> float:
    """Return the value of white in images of `dtype`: 255, 65535, or 1 for floats.

    Examples
    --------
    >>> full_scale(np.uint8)
    255.0
    """
    dtype = np.dtype(dtype)
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0


def inner(image: np.ndarray, border: int) -> np.ndarray:
    """Return the image (y, x, ...) without `border` pixels on each side.

    Examples
    --------
    >>> inner(np.zeros((10, 20, 3)), 2).shape
    (6, 16, 3)
    """
    if not 0 <= 2 * border < min(image.shape[:2]):
        raise InputError(f"a border of {border} px leaves nothing of an image of {image.shape[:2]} px")
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def psnr(
    image: np.ndarray, truth: np.ndarray, *, data_range: float | None = None, mask: np.ndarray | None = None
) -> float:
    """Return the peak signal-to-noise ratio of `image` in dB, infinite when it equals the truth.

    Parameters
    ----------
    image, truth
        Images of the same shape (y, x) or (y, x, channel), any dtypes, in the same grey levels.
    data_range
        The value of white; by the dtype of `image` when None.
    mask
        Pixels (y, x) bool to count; all when None.

    Returns
    -------
    float
        In decibels.

    Raises
    ------
    InputError
        For images of different shapes, or a mask that leaves no pixel.

    Examples
    --------
    >>> round(psnr(np.full((4, 4), 10, np.uint8), np.full((4, 4), 15.0)), 2)
    34.15
    """
    _same_shape(image, truth)
    error = image.astype(np.float64) - truth
    square = np.square(error if mask is None else error[_checked(mask, error)])
    if not square.size:
        raise InputError("the mask leaves no pixel to compare")
    mean = float(square.mean())
    peak = full_scale(image.dtype) if data_range is None else data_range
    return float(10 * np.log10(peak**2 / mean)) if mean else float("inf")


def ssim(image: np.ndarray, truth: np.ndarray, *, data_range: float | None = None) -> float:
    """Return the mean structural similarity, 1 for equal images.

    Wang et al. 2004 (doi:10.1109/TIP.2003.819861) with its Gaussian window of sigma 1.5, the mean over
    channels, as `skimage.metrics.structural_similarity` computes it.

    Parameters
    ----------
    image, truth
        Images of the same shape (y, x) or (y, x, channel), at least 11 px a side, in the same grey levels.
    data_range
        The value of white; by the dtype of `image` when None.

    Returns
    -------
    float
        1 for equal images, at least -1.

    Raises
    ------
    InputError
        For images of different shapes, or smaller than the window.

    Examples
    --------
    >>> image = np.arange(400, dtype=np.uint8).reshape(20, 20)
    >>> ssim(image, image)
    1.0
    """
    from skimage.metrics import structural_similarity

    _same_shape(image, truth)
    if min(image.shape[:2]) < 11:
        raise InputError(f"SSIM's window needs images of at least 11 px a side, got {image.shape[:2]}")
    return float(
        structural_similarity(
            image.astype(np.float64),
            truth.astype(np.float64),
            data_range=full_scale(image.dtype) if data_range is None else data_range,
            channel_axis=2 if image.ndim == 3 else None,
            gaussian_weights=True,
            use_sample_covariance=False,
        )
    )


@dataclass(frozen=True)
class DepthErrors:
    """Errors of a depth map in the depth's unit; `bad` holds the fractions beyond `thresholds`.

    `missing` is the fraction of the counted pixels that have no depth (NaN): it is part of no other number
    but of `bad`, where such pixels count as wrong.
    """

    rmse: float
    mae: float
    median: float
    bias: float
    thresholds: tuple[float, ...]
    bad: tuple[float, ...]
    missing: float
    pixels: int


def depth_errors(
    depth: np.ndarray,
    truth: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    thresholds: Sequence[float] = BAD_PIXEL,
) -> DepthErrors:
    """Compare a depth map (y, x) with the true one, both in the same unit.

    Parameters
    ----------
    depth
        Estimated depth; NaN where there is none.
    truth
        True depth (y, x); pixels where it is NaN are not counted.
    mask
        Pixels (y, x) bool to count; all when None.
    thresholds
        Absolute errors beyond which a pixel is bad.

    Returns
    -------
    DepthErrors
        Root mean square, mean and median of the absolute error, bias, shares of bad and missing pixels.

    Raises
    ------
    InputError
        For images of different shapes, or a mask that leaves no pixel.

    Examples
    --------
    >>> errors = depth_errors(np.array([[1.0, 2.0, np.nan]]), np.array([[1.0, 5.0, 1.0]]))
    >>> errors.mae, errors.bad, round(errors.missing, 2)
    (1.5, (0.6666666666666666, 0.6666666666666666, 0.6666666666666666), 0.33)
    """
    _same_shape(depth, truth)
    counted = np.isfinite(truth) if mask is None else np.isfinite(truth) & _checked(mask, truth)
    error = depth[counted].astype(np.float64) - truth[counted]
    if not error.size:
        raise InputError("the mask leaves no pixel to compare")
    known = error[np.isfinite(error)]
    absolute = np.abs(known)
    missing = error.size - known.size
    some = known.size > 0
    return DepthErrors(
        rmse=float(np.sqrt(np.mean(known**2))) if some else float("nan"),
        mae=float(absolute.mean()) if some else float("nan"),
        median=float(np.median(absolute)) if some else float("nan"),
        bias=float(known.mean()) if some else float("nan"),
        thresholds=tuple(thresholds),
        bad=tuple(float((np.count_nonzero(absolute > t) + missing) / error.size) for t in thresholds),
        missing=missing / error.size,
        pixels=int(error.size),
    )


def qabf(first: np.ndarray, second: np.ndarray, fused: np.ndarray) -> float:
    """Return how much of the edges of two inputs the fused image keeps, 0 to 1 (Q^AB/F).

    Xydeas and Petrovic 2000 (doi:10.1049/el:20000267), with weights that are the inputs' edge strengths:
    Sobel 3x3 strength g and orientation a = arctan(sy / sx) of each image, preservation of strength
    G = min(gA, gF) / max(gA, gF) and of orientation A = 1 - |aA - aF| / (pi / 2), each through a sigmoid.

    Parameters
    ----------
    first, second, fused
        uint8 images of the same shape, grey (y, x) or RGB (y, x, 3), which are turned to grey as OpenCV
        does.

    Returns
    -------
    float
        0 where nothing is kept; 0 also where neither input has an edge.

    Raises
    ------
    InputError
        For images of different shapes, or of another dtype.

    Examples
    --------
    >>> left = np.zeros((16, 16), np.uint8)
    >>> left[:, 5:] = 200
    >>> round(qabf(left, left, left), 3)
    0.975
    """
    _same_shape(first, fused)
    _same_shape(second, fused)
    kept, weight = 0.0, 0.0
    strength_f, angle_f = _edges(fused)
    for image in (first, second):
        strength, angle = _edges(image)
        kept += float((_transfer(strength, angle, strength_f, angle_f) * strength).sum())
        weight += float(strength.sum())
    return kept / weight if weight else 0.0


def _edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength and orientation (y, x) float64 of the Sobel gradient."""
    import cv2

    if image.dtype != np.uint8:
        raise InputError(f"Q^AB/F is defined on uint8 images, got {image.dtype}")
    grey = (
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if image.ndim == 3 and image.shape[2] == 3
        else np.squeeze(image)
    )
    across = cv2.Sobel(grey, cv2.CV_16S, 1, 0).astype(np.float64)
    down = cv2.Sobel(grey, cv2.CV_16S, 0, 1).astype(np.float64)
    # arctan(down / across), which divides by zero, without dividing.
    sign = np.where(across < 0, -1.0, 1.0)
    return np.hypot(across, down), np.arctan2(down * sign, np.abs(across))


def _transfer(
    strength: np.ndarray, angle: np.ndarray, strength_f: np.ndarray, angle_f: np.ndarray
) -> np.ndarray:
    """Share (y, x) of the input's edge that the fused image keeps."""
    largest = np.maximum(strength, strength_f)
    keeps_strength = np.minimum(strength, strength_f) / np.where(largest > 0, largest, 1)
    keeps_angle = 1 - np.abs(angle - angle_f) / (np.pi / 2)
    quality = 0.9994 / (1 + np.exp(-15 * (keeps_strength - 0.5)))
    return quality * (0.9879 / (1 + np.exp(-22 * (keeps_angle - 0.8))))


def _same_shape(image: np.ndarray, truth: np.ndarray) -> None:
    if image.shape != truth.shape:
        raise InputError(f"images to compare must have equal shapes, got {image.shape} and {truth.shape}")


def _checked(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    if mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        raise InputError(f"the mask must be bool of shape {image.shape[:2]}, got {mask.dtype} {mask.shape}")
    return mask

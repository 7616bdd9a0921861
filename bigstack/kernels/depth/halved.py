"""Depth of frames of half the size, for frames of the whole: a fourth of the work."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from bigstack.kernels.depth.estimate import Estimate, estimate, luma_noise
from bigstack.kernels.depth.median import guided_median
from bigstack.kernels.depth.recipe import Recipe
from bigstack.kernels.depth.refined import WEIGHTS, guide_of
from bigstack.kernels.depth.volumes import grey, grey_weights

_FRAMES = 5  # frames whose noise is measured at full size
_STEP = 0.5  # frames from pixel to pixel that are no slope any more
_RADIUS = 4  # pixels about an edge of the depth that the guide settles


def halved_estimate(frames: np.ndarray, valid: np.ndarray | None, recipe: Recipe) -> Estimate:
    """Return what `estimate` finds in frames of half the size, at full size.

    Edges of the depth are then moved to where colours change, by a median guided by the pixels in focus.
    """
    shape = frames.shape[1:3]
    if min(shape) < 2:
        return estimate(frames, valid, recipe)
    found = estimate(
        np.stack([_halve(frame) for frame in frames]),
        None if valid is None else np.stack([_halve(mask.astype(np.float32)) == 1 for mask in valid]),
        replace(
            recipe,
            noise=None if recipe.noise is None else recipe.noise / 2,
            radius=-(-recipe.radius // 2),
            blur=recipe.blur / 2,
        ),
    )
    names = ("sigma", "confidence", "valid", "unobserved", "clean")
    maps = {name: _repeat(getattr(found, name), shape) for name in names}
    noise = _noise(frames, recipe)
    depth = _between(found.depth, shape)
    if "median" in recipe.refine and recipe.radius:
        guide = guide_of(frames, depth)
        colours = guide.scale * noise / WEIGHTS
        typical = guided_median(depth, guide.image, colours, maps["valid"], radius=_RADIUS)
        depth = np.where(np.abs(typical - depth) > _STEP, typical, depth)
    return Estimate(depth=depth, noise=noise, **maps)


def _halve(image: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels of an image (y, x, ...); of an odd side the last pixel counts twice."""
    height, width = image.shape[:2]
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    small = cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return small.reshape(*small.shape[:2], *image.shape[2:])


def _repeat(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Every pixel twice along y and x, cut to `shape`."""
    return np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)[: shape[0], : shape[1]]


def _between(depth: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Depth at twice its size, cut to `shape`: linear between pixels, but sudden where it is."""
    depth = np.ascontiguousarray(depth, np.float32)
    around = np.ones((3, 3), np.uint8)
    steep = cv2.dilate(depth, around) - cv2.erode(depth, around) > _STEP
    linear = cv2.resize(depth, (2 * depth.shape[1], 2 * depth.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.where(_repeat(steep, shape), _repeat(depth, shape), linear[: shape[0], : shape[1]])


def _noise(frames: np.ndarray, recipe: Recipe) -> float:
    step = -(-len(frames) // _FRAMES)
    chosen = frames[step // 2 :: step]
    lumas = np.empty(chosen.shape[:3], np.float32)
    weights = grey_weights(frames.shape[3], recipe.channels)
    for frame, out in zip(chosen, lumas, strict=True):
        grey(frame, weights, out)
    return luma_noise(lumas, frames.dtype, frames.shape[3], recipe.noise)

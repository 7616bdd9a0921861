"""Pairs of images with a known transform between them, and a blur that differs."""

import cv2
import numpy as np
from scipy import ndimage

from bigstack.kernels.registration.models import inverse, map_points


def texture(shape, seed=0, margin=80):
    """1/f noise, sharp to the pixel, float32."""
    rng = np.random.default_rng(seed)
    size = shape[0] + 2 * margin, shape[1] + 2 * margin
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    radius = np.hypot(fy, fx)
    radius[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal(size)) / radius * np.exp(-((radius * 5) ** 2) / 2)
    made = np.fft.irfft2(spectrum, size)
    return ((made - made.mean()) / made.std()).astype(np.float32)


def seen_through(scene, matrix, shape, margin=80, *, blur=0.0, gain=1.0, noise=0.0, seed=1):
    """A frame of `shape` that `matrix` (scene's own frame to this one) gives, uint8."""
    if blur:
        scene = cv2.GaussianBlur(scene, (0, 0), blur)
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = map_points(inverse(matrix), np.stack([x, y], axis=-1).astype(float)) + margin
    picture = ndimage.map_coordinates(scene, [places[..., 1], places[..., 0]], order=5, mode="mirror")
    picture = gain * (120 + 30 * picture)
    picture = picture + noise * np.random.default_rng(seed).standard_normal(shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)

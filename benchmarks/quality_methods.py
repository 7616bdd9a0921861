"""The methods that `quality.py` compares: bigstack's, two plain baselines, and other tools when installed.

A method takes the frames (z, y, x, channel) uint8 and gives the fused image (y, x, channel) uint8 and, when
it makes one, the depth (y, x) in frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Result = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Method:
    """A way to fuse a stack; `missing` says why it cannot run here, empty when it can."""

    name: str
    run: Callable[[np.ndarray], Result]
    missing: str = ""


# Plain baselines: what any reader of a textbook would write, in float64.


def argmax_select(frames: np.ndarray, sigma: float = 2.0) -> Result:
    """Each pixel from the frame of the largest squared Laplacian, smoothed; that frame is the depth."""
    from scipy import ndimage

    best = np.full(frames.shape[1:3], -np.inf)
    index = np.zeros(frames.shape[1:3], np.intp)
    for z, frame in enumerate(frames):
        energy = ndimage.gaussian_filter(ndimage.laplace(_grey(frame)) ** 2, sigma)
        won = energy > best
        best[won], index[won] = energy[won], z
    image = np.take_along_axis(frames, index[None, ..., None], axis=0)[0]
    return image, index.astype(np.float32)


def laplacian_pyramid(frames: np.ndarray, levels: int = 5, window: int = 5) -> Result:
    """Laplacian pyramid, largest squared grey coefficient summed over `window`, base averaged."""
    fused: list[np.ndarray] = []
    best: list[np.ndarray] = []
    for frame in frames:
        details, base = _decompose(frame.astype(np.float64), levels)
        energies = [cv2.boxFilter(_grey(d) ** 2, -1, (window, window)) for d in details]
        if not fused:
            fused, best, total = details, energies, base
            continue
        total = total + base
        for level, (detail, energy) in enumerate(zip(details, energies, strict=True)):
            won = energy > best[level]
            best[level][won], fused[level][won] = energy[won], detail[won]
    image = total / len(frames)
    for detail in reversed(fused):
        image = _expand(image, detail.shape) + detail
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8), None


def _grey(image: np.ndarray) -> np.ndarray:
    weights = (0.299, 0.587, 0.114) if image.shape[2] == 3 else (1 / image.shape[2],) * image.shape[2]
    return image.astype(np.float64) @ np.asarray(weights)


def _decompose(image: np.ndarray, levels: int) -> tuple[list[np.ndarray], np.ndarray]:
    details = []
    for _ in range(levels):
        if min(image.shape[:2]) < 8:
            break
        small = cv2.pyrDown(image).reshape(-(-image.shape[0] // 2), -(-image.shape[1] // 2), -1)
        details.append(image - _expand(small, image.shape))
        image = small
    return details, image


def _expand(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.pyrUp(image, dstsize=(shape[1], shape[0])).reshape(shape)


# bigstack's own.


def bigstack_methods() -> list[Method]:
    """Every method in bigstack's registry, with its defaults."""
    from bigstack.fusion import METHODS

    return [Method(name, _bigstack(name)) for name in METHODS]


def variant(text: str) -> Method:
    """A method with options of its own, such as ``pyramid:window=7:base=energy``."""
    import ast

    name, *pairs = text.split(":")
    options = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        options[key] = ast.literal_eval(value) if value[:1].isdigit() else value
    return Method(text, _bigstack(name, **options))


def baselines() -> list[Method]:
    """The plain methods."""
    return [Method("plain argmax", argmax_select), Method("plain pyramid", laplacian_pyramid)]


def _bigstack(name: str, **options: object) -> Callable[[np.ndarray], Result]:
    def run(frames: np.ndarray) -> Result:
        import xarray as xr

        from bigstack import fuse

        stack = xr.DataArray(
            frames, dims=("z", "y", "x", "channel"), coords={"z": np.arange(len(frames), dtype=float)}
        )
        fused = fuse(stack, method=name, **options).compute()
        depth = next((fused[v].values for v in ("depth", "index") if v in fused), None)
        return fused["image"].values, depth

    return run

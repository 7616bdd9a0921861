"""Evidence for every frame at every pixel, gathered over a tree of scales.

Small windows are right at depth steps, large ones where there is little texture: each level of a luma
pyramid gives the likelihood of its own squared Laplacian, and levels hand their posterior down.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.kernels.depth.cone import BLUR
from bigstack.kernels.depth.fringes import without_fringes
from bigstack.kernels.depth.noise import PRE_SIGMA, laplacian_gain
from bigstack.kernels.depth.tree_loops import add_log, joint_likelihood, likelihood, pooled_laplacian, prior
from bigstack.kernels.depth.volumes import largest

LEVELS = 6
WINDOW = 1.2
"""Gaussian that squared Laplacians are pooled by, pixels of their level."""
_SAMPLES = 9.0  # independent values in that window, 2 pi sigma^2
_OWN, _POOLED, _VOTES = 0.5, 0.6, 0.4  # weights of a level's own energy, pooled energy and pooled votes
_SHARPER = 1.5  # power of the posterior that is handed down
_STAY = (0.1, 0.8, 0.1)  # smoothing of it along z
_DOUBT = 1e-3  # share of it that is spread over all frames
_FRINGED = 0.6  # pixels of a level that blur grows by from frame to frame where fringes begin to matter


@dataclass
class Evidence:
    """What the tree found."""

    log: np.ndarray
    """Unnormalised log posterior (z, y, x) float32."""
    energy: np.ndarray
    """Squared Laplacian over that of noise, pooled, (z, y, x) float32: 1 where there is only noise."""
    snr: np.ndarray
    """Largest excess of pooled energy over noise at any level (y, x) float32."""
    peak: np.ndarray
    """Largest energy of all frames (y, x) float32."""


def gather(
    lumas: np.ndarray,
    sigma: float,
    invalid: np.ndarray | None = None,
    *,
    blur: float = BLUR,
    reuse: bool = False,
) -> Evidence:
    """Gather evidence from the frames' luma.

    Parameters
    ----------
    lumas
        Frames (z, y, x) float32.
    sigma
        Standard deviation of their noise.
    invalid
        Where a frame's pixels are made up (z, y, x) bool: no evidence there.
    blur
        Growth of the blur's radius, pixels a frame: how far edges spread out of focus.
    reuse
        Whether the evidence may take the place of `lumas`.
    """
    levels = level_count(lumas.shape[1:])
    energies = _energies(lumas, sigma, levels, invalid)
    peaks = [largest(energy) for energy in energies]
    # Where blur grows by pixels of the level fringes are weak; the finest level is the one that sees threads.
    for level in range(max(1, round(np.log2(blur / _FRINGED))), levels):
        without_fringes(energies[level], level, blur)
    likelihoods = _climb(energies, lumas if reuse else np.empty_like(lumas))
    del energies[1:]
    posterior = likelihoods.pop()
    while likelihoods:
        posterior = _descend(posterior, likelihoods.pop())
    return Evidence(posterior, energies[0], _strongest(peaks), peaks[0])


def level_count(shape: tuple[int, ...]) -> int:
    """Levels of the tree: fewer for images so small that nothing would be left of them."""
    return max(1, min(LEVELS, int(np.log2(max(2, min(shape[-2:])))) - 1))


def _energies(lumas: np.ndarray, sigma: float, levels: int, invalid: np.ndarray | None) -> list[np.ndarray]:
    found = [
        np.empty((len(lumas), *(-(-side // 2**level) for side in lumas.shape[1:])), np.float32)
        for level in range(levels)
    ]
    for z, luma in enumerate(lumas):
        bad = None if invalid is None or not invalid[z].any() else invalid[z].astype(np.uint8)
        low = luma
        for level in range(levels):
            if level:
                low = cv2.pyrDown(low)
                bad = None if bad is None else cv2.dilate(bad, np.ones((5, 5), np.uint8))[::2, ::2].copy()
            focus = found[level][z]
            _energy(low, sigma * sigma * laplacian_gain(level), focus)
            if bad is not None:
                focus[cv2.dilate(bad, np.ones((7, 7), np.uint8)) > 0] = 0
    return found


def _energy(low: np.ndarray, noise: float, out: np.ndarray) -> None:
    padded = cv2.copyMakeBorder(low, 6, 6, 6, 6, cv2.BORDER_REFLECT_101)
    pooled_laplacian(padded, _half(5, PRE_SIGMA), _half(7, WINDOW), np.float32(1 / noise), out)


def _half(taps: int, sigma: float) -> np.ndarray:
    """Taps of a Gaussian from its middle on."""
    return cv2.getGaussianKernel(taps, sigma).ravel()[taps // 2 :].astype(np.float32)


def _floor(samples: float) -> np.float32:
    """What noise alone gives of energy, in the mean of so many independent values."""
    return np.float32(2.5 / np.sqrt(samples))


def _climb(energies: list[np.ndarray], finest: np.ndarray) -> list[np.ndarray]:
    """Log likelihoods of every level, each with what finer levels found; `finest` is the room for those."""
    likelihood(energies[0], _floor(_SAMPLES), finest)
    found = [finest]
    weights = np.array([_OWN, _POOLED, _VOTES * _SHARPER], np.float32)
    pooled, samples = energies[0], _SAMPLES
    for energy in energies[1:]:
        pooled, samples = _down(pooled), min(3 * samples, 64.0)
        votes, joint = _down(found[-1]), np.empty_like(energy)
        floors = np.array([_floor(_SAMPLES), _floor(samples)])
        joint_likelihood(energy, pooled, votes, floors, weights, joint)
        found.append(joint)
    return found


def _strongest(peaks: list[np.ndarray]) -> np.ndarray:
    best: np.ndarray | None = None
    for energy in reversed(peaks):
        peak = energy - np.float32(1)
        best = peak if best is None else np.maximum(peak, _up(best, peak.shape))
    assert best is not None
    return np.maximum(best, 0)


def _descend(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Add to the finer level's log likelihood what the coarser one takes for probable."""
    prior(coarse, np.float32(_SHARPER), np.array(_STAY, np.float32), np.float32(_DOUBT / len(coarse)))
    for layer, out in zip(coarse, fine, strict=True):
        add_log(_up(layer, fine.shape[1:]), out)
    return fine


def softmax(log: np.ndarray, power: float) -> np.ndarray:
    """Probabilities along z of log values times `power`."""
    weights = log - log.max(axis=0)
    weights *= np.float32(power)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=0)
    return weights


def _down(volume: np.ndarray) -> np.ndarray:
    return np.stack([cv2.pyrDown(layer) for layer in volume])


def _up(layer: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.pyrUp(layer, dstsize=(shape[1], shape[0]))

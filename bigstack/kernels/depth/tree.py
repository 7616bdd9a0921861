"""Evidence for every frame at every pixel, gathered over a tree of scales.

Small windows are right at depth steps, large ones where there is little texture: each level of a luma
pyramid gives the likelihood of its own squared Laplacian, and levels hand their posterior down.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bigstack.kernels.depth.noise import PRE_SIGMA, laplacian_gain

LEVELS = 6
WINDOW = 1.2
"""Gaussian that squared Laplacians are pooled by, pixels of their level."""
_SAMPLES = 9.0  # independent values in that window, 2 pi sigma^2
_OWN, _POOLED, _VOTES = 0.5, 0.6, 0.4  # weights of a level's own energy, pooled energy and pooled votes
_SHARPER = 1.5  # power of the posterior that is handed down
_STAY = (0.1, 0.8, 0.1)  # smoothing of it along z
_DOUBT = 1e-3  # share of it that is spread over all frames


@dataclass
class Evidence:
    """What the tree found."""

    log: np.ndarray
    """Unnormalised log posterior (z, y, x) float32."""
    energy: np.ndarray
    """Squared Laplacian over that of noise, pooled, (z, y, x) float32: 1 where there is only noise."""
    snr: np.ndarray
    """Largest excess of pooled energy over noise at any level (y, x) float32."""


def gather(lumas: np.ndarray, sigma: float, invalid: np.ndarray | None = None) -> Evidence:
    """Gather evidence from the frames' luma.

    Parameters
    ----------
    lumas
        Frames (z, y, x) float32.
    sigma
        Standard deviation of their noise.
    invalid
        Where a frame's pixels are made up (z, y, x) bool: no evidence there.
    """
    levels = level_count(lumas.shape[1:])
    energies = _energies(lumas, sigma, levels, invalid)
    likelihoods = _climb(energies)
    snr = _strongest(energies)
    posterior = likelihoods.pop()
    while likelihoods:
        posterior = _descend(posterior, likelihoods.pop())
    return Evidence(posterior, energies[0], snr)


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
            focus = _energy(low, sigma * sigma * laplacian_gain(level))
            if bad is not None:
                focus[cv2.dilate(bad, np.ones((7, 7), np.uint8)) > 0] = 0
            found[level][z] = focus
    return found


def _energy(low: np.ndarray, noise: float) -> np.ndarray:
    smooth = cv2.GaussianBlur(low, (5, 5), PRE_SIGMA)
    edges: np.ndarray = cv2.Laplacian(smooth, cv2.CV_32F)
    np.multiply(edges, edges, out=edges)
    np.multiply(edges, np.float32(1 / noise), out=edges)
    return cv2.GaussianBlur(edges, (7, 7), WINDOW)


def log_likelihood(energy: np.ndarray, samples: float) -> np.ndarray:
    """Logarithm of the likelihood that the frame is the sharp one, from its energy over noise."""
    excess = energy - np.float32(1)
    np.maximum(excess, 0, out=excess)
    excess += np.float32(2.5 / np.sqrt(samples))
    np.log(excess, out=excess)
    return np.multiply(excess, np.float32(2), out=excess)


def _climb(energies: list[np.ndarray]) -> list[np.ndarray]:
    """Log likelihoods of every level, each with what finer levels found."""
    found = []
    pooled, samples = energies[0], _SAMPLES
    for level, energy in enumerate(energies):
        own = log_likelihood(energy, _SAMPLES)
        if level == 0:
            found.append(own)
            continue
        pooled, samples = _down(pooled), min(3 * samples, 64.0)
        votes = _down(found[-1])
        votes *= 1.5
        votes -= votes.max(axis=0)
        own *= _OWN
        own += np.float32(_POOLED) * log_likelihood(pooled, samples)
        own += np.float32(_VOTES) * votes
        found.append(own)
    return found


def _strongest(energies: list[np.ndarray]) -> np.ndarray:
    best: np.ndarray | None = None
    for energy in reversed(energies):
        peak = energy.max(axis=0) - np.float32(1)
        best = peak if best is None else np.maximum(peak, _up(best, peak.shape))
    assert best is not None
    return np.maximum(best, 0)


def _descend(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Add to the finer level's log likelihood what the coarser one takes for probable."""
    prior = softmax(coarse, _SHARPER)
    smooth = np.float32(_STAY[1]) * prior
    if len(prior) > 1:
        smooth[1:] += np.float32(_STAY[0]) * prior[:-1]
        smooth[:-1] += np.float32(_STAY[2]) * prior[1:]
    smooth += np.float32(_DOUBT / len(prior))
    for z, layer in enumerate(smooth):
        up = _up(layer, fine.shape[1:])
        np.log(up, out=up)
        fine[z] += up
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

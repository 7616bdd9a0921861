"""Total variation of a depth map, made small while it stays near the data: flat parts flat, edges sharp."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled

ITERATIONS = 30
"""Steps; each reaches one pixel further, so the result at a pixel depends on as many around it."""
STRENGTH = 0.2
"""Weight of the variation against data of unit certainty."""
HUBER = 0.05
"""Frames from pixel to pixel up to which a slope counts as its square: slopes do not turn into stairs."""
_STEP = np.float32(8**-0.5)  # of primal and dual: their product times the norm, 8, must not exceed 1


def tv_halo() -> int:
    """Pixels around a pixel that its depth depends on."""
    return ITERATIONS


def total_variation(
    depth: np.ndarray, certainty: np.ndarray | None = None, *, strength: float = STRENGTH
) -> np.ndarray:
    """Return the depth (y, x) float32 that makes variation plus distance from `depth` least, nearly.

    ``strength * sum(huber(|gradient u|)) + sum(certainty * (u - depth)**2) / 2`` (Rudin, Osher and Fatemi
    1992, doi:10.1016/0167-2789(92)90242-F), by a fixed number of primal-dual steps (Chambolle and Pock 2011,
    doi:10.1007/s10851-010-0251-1).

    Parameters
    ----------
    depth
        Depth (y, x) float32.
    certainty
        Weight (y, x) float32 of each depth, at least 0; all 1 when None.
    strength
        Weight of the variation.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(5, 0.1, (32, 32)).astype(np.float32)
    >>> bool(total_variation(noisy).std() < noisy.std() / 2)
    True
    """
    found = np.array(depth, np.float32, order="C")
    data = found.copy()
    weight = np.ones_like(found) if certainty is None else np.ascontiguousarray(certainty, np.float32)
    pull = weight / np.float32(strength)
    lead, down, right = found.copy(), np.zeros_like(found), np.zeros_like(found)
    for _ in range(ITERATIONS):
        _dual(lead, down, right, _STEP, np.float32(HUBER))
        _primal(found, lead, down, right, data, pull, _STEP)
    return found


@compiled
def _dual(lead: np.ndarray, down: np.ndarray, right: np.ndarray, step: np.float32, soft: np.float32) -> None:
    height, width = lead.shape
    shrink = np.float32(1) / (np.float32(1) + step * soft)
    for y in range(height):
        for x in range(width):
            below = lead[y + 1, x] - lead[y, x] if y + 1 < height else np.float32(0)
            beside = lead[y, x + 1] - lead[y, x] if x + 1 < width else np.float32(0)
            p = (down[y, x] + step * below) * shrink
            q = (right[y, x] + step * beside) * shrink
            size = max(np.float32(1), np.sqrt(p * p + q * q))
            down[y, x], right[y, x] = p / size, q / size


@compiled
def _primal(
    found: np.ndarray,
    lead: np.ndarray,
    down: np.ndarray,
    right: np.ndarray,
    data: np.ndarray,
    pull: np.ndarray,
    step: np.float32,
) -> None:
    height, width = found.shape
    for y in range(height):
        for x in range(width):
            flow = down[y, x] + right[y, x]
            if y:
                flow -= down[y - 1, x]
            if x:
                flow -= right[y, x - 1]
            before = found[y, x]
            now = (before + step * flow + step * pull[y, x] * data[y, x]) / (
                np.float32(1) + step * pull[y, x]
            )
            lead[y, x] = np.float32(2) * now - before
            found[y, x] = now

"""The compiled loops of `tree`."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled, exp32, log32

_STRIP = 32  # rows whose intermediate images stay in the cache
_ONE, _ZERO = np.float32(1), np.float32(0)


@compiled
def pooled_laplacian(
    padded: np.ndarray, smooth: np.ndarray, pool: np.ndarray, scale: np.float32, out: np.ndarray
) -> None:
    """Square of the Laplacian of the smoothed image, pooled; `padded` has 6 pixels more on every side.

    `smooth` and `pool` are halves of symmetric filters of 5 and 7 taps, the middle first.
    """
    height, width = out.shape
    s0, s1, s2 = smooth[0], smooth[1], smooth[2]
    p0, p1, p2, p3 = pool[0], pool[1], pool[2], pool[3]
    across = np.empty((_STRIP + 12, width + 8), np.float32)
    low = np.empty((_STRIP + 8, width + 8), np.float32)
    edges = np.empty((_STRIP + 6, width + 6), np.float32)
    down = np.empty(width + 6, np.float32)
    for top in range(0, height, _STRIP):
        count = min(_STRIP, height - top)
        for y in range(count + 12):
            row, to = padded[top + y], across[y]
            for x in range(width + 8):
                to[x] = s0 * row[x + 2] + s1 * (row[x + 1] + row[x + 3]) + s2 * (row[x] + row[x + 4])
        for y in range(count + 8):
            a, b, c, d, e = across[y], across[y + 1], across[y + 2], across[y + 3], across[y + 4]
            to = low[y]
            for x in range(width + 8):
                to[x] = s0 * c[x] + s1 * (b[x] + d[x]) + s2 * (a[x] + e[x])
        for y in range(count + 6):
            a, b, c, to = low[y], low[y + 1], low[y + 2], edges[y]
            for x in range(width + 6):
                edge = (a[x + 1] + c[x + 1]) + (b[x] + b[x + 2]) - np.float32(4) * b[x + 1]
                to[x] = edge * edge * scale
        for y in range(count):
            a, b, c, d = edges[y], edges[y + 1], edges[y + 2], edges[y + 3]
            e, f, g = edges[y + 4], edges[y + 5], edges[y + 6]
            for x in range(width + 6):
                down[x] = p0 * d[x] + p1 * (c[x] + e[x]) + p2 * (b[x] + f[x]) + p3 * (a[x] + g[x])
            to = out[top + y]
            for x in range(width):
                near = p0 * down[x + 3] + p1 * (down[x + 2] + down[x + 4])
                to[x] = near + p2 * (down[x + 1] + down[x + 5]) + p3 * (down[x] + down[x + 6])


@compiled
def likelihood(energy: np.ndarray, floor: np.float32, out: np.ndarray) -> None:
    """Logarithm of the likelihood of each value: twice that of its excess over noise and a floor."""
    frames, height, width = energy.shape
    for z in range(frames):
        for y in range(height):
            row, to = energy[z, y], out[z, y]
            for x in range(width):
                to[x] = np.float32(2) * log32(max(row[x] - _ONE, _ZERO) + floor)


@compiled
def joint_likelihood(
    energy: np.ndarray,
    pooled: np.ndarray,
    votes: np.ndarray,
    floors: np.ndarray,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Weighted sum of the likelihoods of own and pooled energy, and of finer votes less their largest."""
    frames, height, width = energy.shape
    best = np.empty(width, np.float32)
    own, below, vote = weights[0], weights[1], weights[2]
    for y in range(height):
        best[:] = votes[0, y]
        for z in range(1, frames):
            row = votes[z, y]
            for x in range(width):
                best[x] = max(best[x], row[x])
        for z in range(frames):
            mine, rest, cast, to = energy[z, y], pooled[z, y], votes[z, y], out[z, y]
            for x in range(width):
                first = np.float32(2) * log32(max(mine[x] - _ONE, _ZERO) + floors[0])
                second = np.float32(2) * log32(max(rest[x] - _ONE, _ZERO) + floors[1])
                to[x] = own * first + below * second + vote * (cast[x] - best[x])


@compiled
def prior(posterior: np.ndarray, power: np.float32, stay: np.ndarray, doubt: np.float32) -> None:
    """Replace log values by the probabilities of a power of them, smoothed along z, and a little for all."""
    frames, height, width = posterior.shape
    best, total = np.empty(width, np.float32), np.empty(width, np.float32)
    share = np.zeros((frames + 2, width), np.float32)
    for y in range(height):
        best[:] = posterior[0, y]
        for z in range(1, frames):
            row = posterior[z, y]
            for x in range(width):
                best[x] = max(best[x], row[x])
        total[:] = 0
        for z in range(frames):
            row, to = posterior[z, y], share[z + 1]
            for x in range(width):
                to[x] = exp32((row[x] - best[x]) * power)
                total[x] += to[x]
        for z in range(frames):
            a, b, c, to = share[z], share[z + 1], share[z + 2], posterior[z, y]
            for x in range(width):
                to[x] = (stay[0] * a[x] + stay[1] * b[x] + stay[2] * c[x]) / total[x] + doubt


@compiled
def add_log(shares: np.ndarray, out: np.ndarray) -> None:
    """Add the logarithms of shares (y, x) to an image."""
    height, width = out.shape
    for y in range(height):
        row, to = shares[y], out[y]
        for x in range(width):
            to[x] += log32(row[x])

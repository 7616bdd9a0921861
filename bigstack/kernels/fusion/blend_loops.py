"""The compiled loops of `depth_blend`."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled, exp32

_ONE, _ZERO = np.float32(1), np.float32(0)
CELL = 32
"""Pixels a side of the cells that `quietest` looks at."""
_FAR = np.float32(1e-3)  # keeps frames without contrast out where there is no signal either


@compiled
def planes(frame: np.ndarray, out: np.ndarray) -> None:
    """Channels of a frame (y, x, channel) as float32 images (channel, y, x)."""
    height, width, channels = frame.shape
    for y in range(height):
        for c in range(channels):
            row = out[c, y]
            for x in range(width):
                row[x] = np.float32(frame[y, x, c])


@compiled
def band_energy(low: np.ndarray, up: np.ndarray, out: np.ndarray) -> None:
    """Mean over 5 x 5 pixels of the square of `low - up`, mirrored about the border's pixels."""
    height, width = low.shape
    rows = np.zeros((5, width + 4), np.float32)
    down = np.empty(width + 4, np.float32)
    near, far = min(1, width - 1), min(2, width - 1)
    for y in range(-2, height + 2):
        source = abs(y)
        source = source if source < height else max(2 * height - 2 - source, 0)
        a, b, row = low[source], up[source], rows[(y + 2) % 5]
        inner = row[2 : width + 2]
        for x in range(width):
            inner[x] = (a[x] - b[x]) * (a[x] - b[x])
        row[0], row[1] = inner[far], inner[near]
        row[width + 2], row[width + 3] = inner[width - 1 - near], inner[width - 1 - far]
        if y < 2:
            continue
        # Sums in the order of the rows' places in the ring would depend on where the image begins.
        p, q, r = rows[(y - 2) % 5], rows[(y - 1) % 5], rows[y % 5]
        s, t = rows[(y + 1) % 5], rows[(y + 2) % 5]
        for x in range(width + 4):
            down[x] = ((p[x] + t[x]) + (q[x] + s[x])) + r[x]
        to = out[y - 2]
        for x in range(width):
            total = ((down[x] + down[x + 4]) + (down[x + 1] + down[x + 3])) + down[x + 2]
            to[x] = total * np.float32(0.04)


@compiled
def quietest(luma: np.ndarray, valid: np.ndarray, out: np.ndarray) -> None:
    """Lower each cell's mean absolute noise residual to that of this frame, where all of it is real.

    Cells are a fourth of the squares of `CELL` pixels. Where a frame is out of focus there is noise alone.
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            top, left = 2 * CELL * i, 2 * CELL * j
            if valid.shape[0] and not valid[top : top + CELL, left : left + CELL].all():
                continue
            total = _ZERO
            for y in range(top + 1, top + CELL - 1):
                a, b, c = luma[y - 1], luma[y], luma[y + 1]
                for x in range(left + 1, left + CELL - 1):
                    corners = (a[x - 1] + a[x + 1]) + (c[x - 1] + c[x + 1])
                    sides = (a[x] + c[x]) + (b[x - 1] + b[x + 1])
                    total += abs(corners - np.float32(2) * sides + np.float32(4) * b[x])
            out[i, j] = min(out[i, j], total / np.float32((CELL - 2) ** 2))


@compiled
def weigh(
    energy: np.ndarray,
    depth: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    snr: np.ndarray,
    layered: np.ndarray,
    missed: np.ndarray,
    loss: np.float32,
    doubt: np.float32,
    weakest: np.float32,
) -> None:
    """Replace the energies (z, y, x) of one level by its weights; see `depth_blend`."""
    frames, height, width = energy.shape
    smooth, chosen = np.empty((frames, width), np.float32), np.empty((frames, width), np.float32)
    total, gain = np.empty(width, np.float32), np.empty(width, np.float32)
    best, power = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(height):
        here, first, last, signal, open_ = depth[y], low[y], high[y], snr[y], missed[y]
        total[:] = 0
        gain[:] = 0
        best[:] = np.float32(1e-30)
        power[:] = 0
        for z in range(frames):
            frame, row, to, take = np.float32(z), energy[z, y], smooth[z], chosen[z]
            for x in range(width):
                off = (frame - here[x]) * (frame - here[x])
                fall = loss * off
                contrast = exp32(-fall)
                wrong = doubt * fall * contrast
                weight = contrast / (_ONE + signal[x] * (wrong * wrong) + _FAR * off)
                total[x] += weight
                gain[x] += weight * contrast
                to[x] = weight
            for x in range(width):
                inside = (frame >= first[x]) & (frame <= last[x]) | open_[x]
                take[x] = row[x] if inside else _ZERO
                best[x] = max(best[x], take[x])
        for z in range(frames):
            take = chosen[z]
            for x in range(width):
                share = take[x] / best[x]
                share *= share
                share *= share
                take[x] = share
                power[x] += share
        for x in range(width):
            gain[x] = _ONE / max(gain[x], weakest * total[x])
            power[x] = _ONE / max(power[x], np.float32(1e-12))
        for z in range(frames):
            a, b, to, mix = smooth[z], chosen[z], energy[z, y], layered[y]
            for x in range(width):
                blend = a[x] * gain[x]
                to[x] = blend + mix[x] * (b[x] * power[x] - blend)


@compiled
def base_weights(near: np.ndarray, width_z: np.float32, out: np.ndarray) -> None:
    """Gaussian weights (z, y, x) about a frame, which sum to 1."""
    frames, height, width = out.shape
    total = np.empty(width, np.float32)
    for y in range(height):
        total[:] = 0
        for z in range(frames):
            to, here = out[z, y], near[y]
            for x in range(width):
                off = (np.float32(z) - here[x]) / width_z
                to[x] = exp32(np.float32(-0.5) * off * off)
                total[x] += to[x]
        for z in range(frames):
            to = out[z, y]
            for x in range(width):
                to[x] /= total[x]


@compiled
def add_band(low: np.ndarray, up: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Add ``(low - up) * weight`` to an image."""
    height, width = low.shape
    for y in range(height):
        a, b, w, to = low[y], up[y], weight[y], out[y]
        for x in range(width):
            to[x] += (a[x] - b[x]) * w[x]


@compiled
def add_low(low: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Add ``low * weight`` to an image."""
    height, width = low.shape
    for y in range(height):
        a, w, to = low[y], weight[y], out[y]
        for x in range(width):
            to[x] += a[x] * w[x]


@compiled
def squares_in_cells(weights: np.ndarray, level: int, out: np.ndarray) -> None:
    """Root of the sum over z of squared weights, the mean over cells (y, x) of 8 pixels of level 0."""
    frames, height, width = weights.shape
    side = max(8 >> level, 1)
    shift = max(level - 3, 0)
    for i in range(out.shape[0]):
        top = min((i >> shift) * side, height - 1)
        bottom = min(top + side, height)
        for j in range(out.shape[1]):
            left = min((j >> shift) * side, width - 1)
            right = min(left + side, width)
            total = _ZERO
            for z in range(frames):
                for y in range(top, bottom):
                    for x in range(left, right):
                        total += weights[z, y, x] * weights[z, y, x]
            out[i, j] = np.sqrt(total / np.float32((bottom - top) * (right - left)))

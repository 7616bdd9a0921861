"""What noise a blend of frames leaves, taken from the fused image: weak waves of small blocks are dropped.

Sliding DCT shrinkage (Yu and Sapiro 2011, doi:10.5201/ipol.2011.ys-dct). The noise that is left is known:
that of a frame, times what the weights of each level of the pyramid make of it.
"""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled, inlined

SIDE = 8
"""Pixels a side of the blocks."""
_HALF = SIDE // 2
_STRIDE = 3  # rows from block to block; along x there is one at every pixel
_RUN = 64  # blocks that are worked on at a time
_TURN = np.array([[3**-0.5] * 3, [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]], np.float32)
_PLACES = np.arange(SIDE)
_WAVES = (np.cos(np.pi * np.outer(_PLACES, 2 * _PLACES + 1) / (2 * SIDE)) * (2 / SIDE) ** 0.5).astype(
    np.float32
)
_WAVES[0] *= np.float32(2**-0.5)


def band_gains(levels: int) -> np.ndarray:
    """Amplitude (level, SIDE, SIDE) float32 that a pyramid's bands and base have at the waves of a block."""
    found = np.zeros((levels + 1, SIDE, SIDE))
    offsets = np.linspace(-0.5, 0.5, 9) / (2 * SIDE)
    for down in offsets:
        for along in offsets:
            y, x = (np.abs(np.arange(SIDE) / (2 * SIDE) + off) for off in (down, along))
            passed = np.ones((SIDE, SIDE))  # of what reaches a level and comes back up
            for level in range(levels):
                smooth = np.outer(_low_pass(y * 2**level), _low_pass(x * 2**level)) ** 2
                found[level] += (passed * (1 - smooth)) ** 2
                passed = passed * smooth
            found[levels] += passed**2
    return np.sqrt(found / len(offsets) ** 2).astype(np.float32)


def _low_pass(frequency: np.ndarray) -> np.ndarray:
    return (6 + 8 * np.cos(2 * np.pi * frequency) + 2 * np.cos(4 * np.pi * frequency)) / 16


def shrink_noise(image: np.ndarray, noise: np.ndarray, threshold: float) -> np.ndarray:
    """Return an image (channel, y, x) float32 without the waves that noise can explain.

    Parameters
    ----------
    image
        float32; three channels are taken for colours and decorrelated.
    noise
        Standard deviation (level, y / 8, x / 8) float32 of the noise of a pixel of the frames, times what
        the blend leaves of it at each level and at the base.
    threshold
        Standard deviations up to which a wave counts as noise.
    """
    channels, height, width = image.shape
    if min(height, width) < SIDE:
        return image
    turned = np.tensordot(_TURN, image, 1) if channels == 3 else image
    gains = np.ascontiguousarray(band_gains(len(noise) - 1).reshape(len(noise), -1) * np.float32(threshold))
    found = np.zeros_like(turned)
    total = np.empty((height, width), np.float32)
    for plane, out in zip(turned, found, strict=True):
        _shrink(np.ascontiguousarray(plane), noise, gains, _WAVES, total, out)
    return np.tensordot(_TURN.T, found, 1) if channels == 3 else found


@compiled
def _shrink(
    image: np.ndarray,
    noise: np.ndarray,
    gains: np.ndarray,
    waves: np.ndarray,
    total: np.ndarray,
    out: np.ndarray,
) -> None:
    """Drop waves below their threshold; blocks that keep less noise count more where they overlap."""
    height, width = image.shape
    down = np.zeros((SIDE, _RUN + SIDE - 1), np.float32)
    kept = np.empty((SIDE, SIDE, _RUN), np.float32)
    along = np.empty((SIDE, _RUN + SIDE - 1), np.float32)
    weights = np.empty(_RUN, np.float32)
    limit = np.empty((SIDE, _RUN), np.float32)
    sums = np.zeros((SIDE, _RUN + SIDE - 1), np.float32)
    total[:] = 0
    last = height - SIDE
    for start in range(0, last + _STRIDE, _STRIDE):
        top = min(start, last)
        cell = min((top + SIDE // 2) // SIDE, noise.shape[1] - 1)
        for left in range(0, width - SIDE + 1, _RUN):
            count = min(_RUN, width - SIDE + 1 - left)
            span = count + SIDE - 1
            _waves_down(image, top, left, span, waves, sums, down)
            weights[:] = np.float32(1e-3)
            for k in range(SIDE):
                _limits(noise[:, cell], gains[:, k * SIDE : (k + 1) * SIDE], left // SIDE, limit)
                _drop_weak(down[k], waves, k, limit, sums, kept[k], weights)
            for x in range(count):
                weights[x] = np.float32(1) / weights[x]
            weights[count:] = 0
            _back_along(kept, waves, weights, along)
            _add_blocks(along, waves, out, top, left, span)
            _add_weights(weights, total, top, left, span)
    for y in range(height):
        for x in range(width):
            out[y, x] /= total[y, x]


@compiled
def _waves_down(
    image: np.ndarray,
    top: int,
    left: int,
    span: int,
    waves: np.ndarray,
    sums: np.ndarray,
    down: np.ndarray,
) -> None:
    """Cosine transform of `span` columns of SIDE rows; of the whole image, as slices of slices are slower."""
    for i in range(_HALF):
        above = image[top + i, left : left + span]
        below = image[top + SIDE - 1 - i, left : left + span]
        even, odd = sums[i], sums[_HALF + i]
        for x in range(span):
            even[x] = above[x] + below[x]
            odd[x] = above[x] - below[x]
    for k in range(SIDE):
        first = _HALF * (k % 2)
        a, b, c, d = sums[first], sums[first + 1], sums[first + 2], sums[first + 3]
        w0, w1, w2, w3 = waves[k, 0], waves[k, 1], waves[k, 2], waves[k, 3]
        to = down[k]
        for x in range(span):
            to[x] = (w0 * a[x] + w1 * b[x]) + (w2 * c[x] + w3 * d[x])


@inlined
def _limits(noise: np.ndarray, gains: np.ndarray, first: int, limit: np.ndarray) -> None:
    """Squared threshold (SIDE, _RUN) of each wave along, from the noise (level, x / 8) at the blocks."""
    for c in range(_RUN // SIDE):
        at = min(first + c, noise.shape[1] - 1)
        for j in range(SIDE):
            amplitude = np.float32(0)
            for level in range(noise.shape[0]):
                amplitude += noise[level, at] * gains[level, j]
            for x in range(c * SIDE, c * SIDE + SIDE):
                limit[j, x] = amplitude * amplitude


@inlined
def _drop_weak(
    row: np.ndarray,
    waves: np.ndarray,
    k: int,
    limit: np.ndarray,
    sums: np.ndarray,
    kept: np.ndarray,
    left_over: np.ndarray,
) -> None:
    """Cosine transform along a row of transformed columns; what is above the limit, and its noise."""
    for i in range(_HALF):
        even, odd = sums[i], sums[_HALF + i]
        for x in range(_RUN):
            even[x] = row[x + i] + row[x + SIDE - 1 - i]
            odd[x] = row[x + i] - row[x + SIDE - 1 - i]
    for j in range(SIDE):
        first = _HALF * (j % 2)
        a, b, c, d = sums[first], sums[first + 1], sums[first + 2], sums[first + 3]
        w0, w1, w2, w3 = waves[j, 0], waves[j, 1], waves[j, 2], waves[j, 3]
        to, bound = kept[j], limit[j]
        least = np.float32(1) if k + j > 0 else np.float32(0)
        for x in range(_RUN):
            wave = (w0 * a[x] + w1 * b[x]) + (w2 * c[x] + w3 * d[x])
            strong = wave * wave >= least * bound[x]
            to[x] = wave if strong else np.float32(0)
            left_over[x] += bound[x] if strong else np.float32(0)


@inlined
def _back_along(kept: np.ndarray, waves: np.ndarray, weights: np.ndarray, along: np.ndarray) -> None:
    """Weighted blocks, transformed back along the rows and added up where they overlap."""
    mirrored = np.empty(_RUN, np.float32)
    for k in range(SIDE):
        to = along[k]
        to[:] = 0
        for i in range(_HALF):
            w0, w1, w2, w3 = waves[0, i], waves[2, i], waves[4, i], waves[6, i]
            v0, v1, v2, v3 = waves[1, i], waves[3, i], waves[5, i], waves[7, i]
            a, b, c, d = kept[k, 0], kept[k, 2], kept[k, 4], kept[k, 6]
            e, f, g, h = kept[k, 1], kept[k, 3], kept[k, 5], kept[k, 7]
            left_part, right_part = to[i : i + _RUN], to[SIDE - 1 - i : SIDE - 1 - i + _RUN]
            for x in range(_RUN):
                even = (w0 * a[x] + w1 * b[x]) + (w2 * c[x] + w3 * d[x])
                odd = (v0 * e[x] + v1 * f[x]) + (v2 * g[x] + v3 * h[x])
                mirrored[x] = (even - odd) * weights[x]
                left_part[x] += (even + odd) * weights[x]
            for x in range(_RUN):
                right_part[x] += mirrored[x]


@compiled
def _add_blocks(
    along: np.ndarray, waves: np.ndarray, out: np.ndarray, top: int, left: int, span: int
) -> None:
    """Transform the columns back, and add them to the image."""
    for i in range(SIDE):
        to = out[top + i, left : left + span]
        for k in range(0, SIDE, 2):
            w0, w1, a, b = waves[k, i], waves[k + 1, i], along[k], along[k + 1]
            for x in range(span):
                to[x] += w0 * a[x] + w1 * b[x]


@compiled
def _add_weights(weights: np.ndarray, total: np.ndarray, top: int, left: int, span: int) -> None:
    """Add every block's weight to the pixels that it covers."""
    blocks = np.zeros(_RUN + SIDE - 1, np.float32)
    for j in range(SIDE):
        part = blocks[j : j + _RUN]
        for x in range(_RUN):
            part[x] += weights[x]
    for i in range(SIDE):
        row = total[top + i, left : left + span]
        for x in range(span):
            row[x] += blocks[x]

"""Gaussians along x and y, compiled: every pixel is summed in the same order, so tiles agree to the bit."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled

ROWS = 4
"""Rows that `_smooth_down` makes at a time; it takes as many less one zeros before and after its taps."""


def smooth_columns(rows: np.ndarray, taps: np.ndarray, first: int, out: np.ndarray) -> None:
    """Correlate columns with all of some taps, zero outside; `out` begins at row `first`; float32."""
    _smooth_down(rows, np.pad(taps, ROWS - 1), first, out)


@compiled
def smooth_across(marks: np.ndarray, taps: np.ndarray, out: np.ndarray) -> None:
    """Correlate rows with symmetric taps, given from the middle outwards, float32.

    `marks` are as wide as `out` and zero outside, or wider by the taps' reach on either side.
    """
    reach = taps.shape[0] - 1
    width = out.shape[1]
    start = (width + 2 * reach - marks.shape[1]) // 2
    line = np.zeros(width + 2 * reach, np.float32)
    for y in range(marks.shape[0]):
        source, row = marks[y], out[y]
        for x in range(marks.shape[1]):
            line[start + x] = source[x]
        for x in range(width):
            row[x] = line[reach + x] * taps[0]
        # Four pairs of taps in one go: the row is read and written a fourth as often.
        k = 1
        while k + 3 <= reach:
            a0, b0 = line[reach - k :], line[reach + k :]
            a1, b1 = line[reach - k - 1 :], line[reach + k + 1 :]
            a2, b2 = line[reach - k - 2 :], line[reach + k + 2 :]
            a3, b3 = line[reach - k - 3 :], line[reach + k + 3 :]
            t0, t1, t2, t3 = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
            for x in range(width):
                row[x] = (((row[x] + (a0[x] + b0[x]) * t0) + (a1[x] + b1[x]) * t1) + (a2[x] + b2[x]) * t2) + (
                    a3[x] + b3[x]
                ) * t3
            k += 4
        while k <= reach:
            a0, b0, t0 = line[reach - k :], line[reach + k :], taps[k]
            for x in range(width):
                row[x] += (a0[x] + b0[x]) * t0
            k += 1


@compiled
def _smooth_down(rows: np.ndarray, taps: np.ndarray, first: int, out: np.ndarray) -> None:
    """`smooth_columns` with taps that have zeros around them."""
    height, width = out.shape
    reach = (taps.shape[0] - 2 * ROWS + 1) // 2
    nothing, aside = np.zeros(width, np.float32), np.empty((ROWS, width), np.float32)
    for y in range(0, height, ROWS):
        o0 = out[y]
        o1 = out[y + 1] if y + 1 < height else aside[1]
        o2 = out[y + 2] if y + 2 < height else aside[2]
        o3 = out[y + 3] if y + 3 < height else aside[3]
        for x in range(width):
            o0[x] = o1[x] = o2[x] = o3[x] = 0
        # Two rows read in one go for four written, an even number of them in all.
        for k in range(0, 2 * reach + ROWS, 2):
            at = first + y - reach + k
            if at + 1 < 0 or at >= rows.shape[0]:
                continue
            a = rows[at] if at >= 0 else nothing
            b = rows[at + 1] if at + 1 < rows.shape[0] else nothing
            t0, t1, t2, t3, t4 = taps[k + 4], taps[k + 3], taps[k + 2], taps[k + 1], taps[k]
            for x in range(width):
                p, q = a[x], b[x]
                o0[x] = (o0[x] + p * t1) + q * t0
                o1[x] = (o1[x] + p * t2) + q * t1
                o2[x] = (o2[x] + p * t3) + q * t2
                o3[x] = (o3[x] + p * t4) + q * t3

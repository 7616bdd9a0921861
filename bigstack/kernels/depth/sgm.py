"""Semi-global regularisation of labels: paths from eight sides, small and large jumps at two prices.

Hirschmueller 2008, doi:10.1109/TPAMI.2007.1166. Costs are whole numbers, so sums are exact.
"""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled

SCALE = 32
"""Steps of a cost of 1."""
_MOST = 180.0  # costs beyond it cannot be told from it: eight paths' sum must fit uint16
STEP, JUMP = 4.0, 24.0
MOST_JUMP = 50.0
"""Prices up to here leave eight paths' sums in uint16."""
_ROWS = 32  # rows that go along x side by side
_NEVER = np.float32(1e9)


def regularise(log: np.ndarray, step: float = STEP, jump: float = JUMP) -> np.ndarray:
    """Return the cost (z, y, x) uint16 of every label, of all paths together; the least is best.

    Parameters
    ----------
    log
        Log posterior (z, y, x) float32.
    step
        Price of a neighbour one frame away.
    jump
        Price of a neighbour any number of frames away.

    Examples
    --------
    >>> log = np.zeros((3, 5, 5), np.float32)
    >>> log[1] = 9
    >>> regularise(log).argmin(axis=0).min()
    np.int64(1)
    """
    frames, height, width = log.shape
    costs = np.empty((height, frames, width), np.uint16)
    _whole(log, costs, np.float32(_MOST), np.float32(SCALE))
    # Whole numbers up to 2**16 in float32: exact, and vectors of half the width of numba's integers.
    prices = np.float32(int(step * SCALE)), np.float32(int(jump * SCALE))
    total = np.empty_like(costs)
    _across(costs, total, *prices)
    _down(costs, total, *prices, False)
    _down(costs, total, *prices, True)
    return total.transpose(1, 0, 2)


def best_label(total: np.ndarray) -> np.ndarray:
    """Return the label (y, x) int64 of the least cost (z, y, x), the first of equal ones.

    Examples
    --------
    >>> best_label(np.array([3, 1, 2], np.uint16)[:, None, None]).item()
    1
    """
    found = np.empty(total.shape[1:], np.intp)
    _least(total.transpose(1, 0, 2), found)
    return found


@compiled
def _whole(log: np.ndarray, costs: np.ndarray, most: np.float32, scale: np.float32) -> None:
    """Costs (y, z, x) as whole numbers, the best label's 0."""
    frames, height, width = log.shape
    best = np.empty(width, np.float32)
    for y in range(height):
        best[:] = log[0, y]
        for z in range(1, frames):
            row = log[z, y]
            for x in range(width):
                best[x] = max(best[x], row[x])
        for z in range(frames):
            row, out = log[z, y], costs[y, z]
            for x in range(width):
                out[x] = np.int32(min(best[x] - row[x], most) * scale)


@compiled
def _across(costs: np.ndarray, total: np.ndarray, step: np.float32, jump: np.float32) -> None:
    """Set the costs of the paths along x, from both sides."""
    height, frames, width = costs.shape
    turned = np.zeros((width, frames, _ROWS), np.uint16)
    sums = np.empty((width, frames, _ROWS), np.uint16)
    before = np.full((frames + 2, _ROWS), _NEVER, np.float32)
    now = np.empty((frames, _ROWS), np.float32)
    least = np.empty(_ROWS, np.float32)
    for top in range(0, height, _ROWS):
        count = min(_ROWS, height - top)
        for left in range(0, width, _ROWS):
            right = min(left + _ROWS, width)
            for z in range(frames):
                for r in range(count):
                    for x in range(left, right):
                        turned[x, z, r] = costs[top + r, z, x]
        for back in range(2):
            for i in range(width):
                x = width - 1 - i if back else i
                if i == 0:
                    least[:] = 0
                    before[1:-1] = 0
                else:
                    for r in range(_ROWS):
                        least[r] = before[1, r]
                    for z in range(1, frames):
                        for r in range(_ROWS):
                            least[r] = min(least[r], before[z + 1, r])
                for z in range(frames):
                    for r in range(_ROWS):
                        near = min(before[z, r], before[z + 2, r]) + step
                        near = min(near, before[z + 1, r]) - least[r]
                        now[z, r] = min(near, jump) + turned[x, z, r]
                for z in range(frames):
                    for r in range(_ROWS):
                        before[z + 1, r] = now[z, r]
                    if back:
                        for r in range(_ROWS):
                            sums[x, z, r] = np.int32(now[z, r] + sums[x, z, r])
                    else:
                        for r in range(_ROWS):
                            sums[x, z, r] = np.int32(now[z, r])
        for left in range(0, width, _ROWS):
            right = min(left + _ROWS, width)
            for z in range(frames):
                for r in range(count):
                    for x in range(left, right):
                        total[top + r, z, x] = sums[x, z, r]


@compiled
def _down(costs: np.ndarray, total: np.ndarray, step: np.float32, jump: np.float32, up: bool) -> None:
    """Add the costs of the paths that come from the row before, straight and from its sides."""
    height, frames, width = costs.shape
    # Path, label with one never taken on both sides, pixel with its edge repeated.
    before = np.full((3, frames + 2, width + 2), _NEVER, np.float32)
    now = np.full((3, frames + 2, width + 2), _NEVER, np.float32)
    least = np.empty((3, width + 2), np.float32)
    sums = np.empty(width, np.float32)
    for i in range(height):
        y = height - 1 - i if up else i
        if i == 0:
            before[:, 1:-1] = 0
        for side in range(3):
            low = least[side]
            low[:] = before[side, 1]
            for z in range(2, frames + 1):
                row = before[side, z]
                for x in range(width + 2):
                    low[x] = min(low[x], row[x])
        for z in range(frames):
            cost, out = costs[y, z], total[y, z]
            sums[:] = 0
            for side in range(3):
                low = least[side, side : side + width]
                one = before[side, z, side : side + width]
                two = before[side, z + 1, side : side + width]
                three = before[side, z + 2, side : side + width]
                path = now[side, z + 1, 1 : width + 1]
                for x in range(width):
                    near = min(min(one[x], three[x]) + step, two[x]) - low[x]
                    value = min(near, jump) + cost[x]
                    path[x] = value
                    sums[x] += value
            for x in range(width):
                out[x] = np.int32(out[x] + sums[x])
            for side in range(3):
                edges = now[side, z + 1]
                edges[0], edges[width + 1] = edges[1], edges[width]
        before, now = now, before


@compiled
def _least(total: np.ndarray, found: np.ndarray) -> None:
    height, frames, width = total.shape
    best, at = np.empty(width, np.int32), np.empty(width, np.int32)
    for y in range(height):
        best[:] = total[y, 0]
        at[:] = 0
        for z in range(1, frames):
            row = total[y, z]
            for x in range(width):
                value = np.int32(row[x])
                at[x] = np.int32(z) if value < best[x] else at[x]
                best[x] = min(value, best[x])
        found[y] = at

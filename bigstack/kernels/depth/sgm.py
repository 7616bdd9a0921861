"""Semi-global regularisation of labels: paths from eight sides, small and large jumps at two prices.

Hirschmueller 2008, doi:10.1109/TPAMI.2007.1166. Costs are whole numbers, so sums are exact.
"""

from __future__ import annotations

import numpy as np

SCALE = 32
"""Steps of a cost of 1."""
_MOST = 180.0  # costs beyond it cannot be told from it: eight paths' sum must fit uint16
STEP, JUMP = 4.0, 24.0
MOST_JUMP = 50.0
"""Prices up to here leave eight paths' sums in uint16."""


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
    whole = _whole(log)
    prices = np.uint16(step * SCALE), np.uint16(jump * SCALE)
    columns = np.ascontiguousarray(whole.transpose(2, 0, 1))
    across = np.zeros_like(columns)
    _sweep(columns, across, prices, (0,))
    _sweep(columns[::-1], across[::-1], prices, (0,))
    rows = np.ascontiguousarray(whole.transpose(1, 0, 2))
    del whole, columns
    total = np.ascontiguousarray(across.transpose(2, 1, 0))
    del across
    _sweep(rows, total, prices, (-1, 0, 1))
    _sweep(rows[::-1], total[::-1], prices, (-1, 0, 1))
    return total.transpose(1, 0, 2)


def _whole(log: np.ndarray) -> np.ndarray:
    """Costs as whole numbers, the best label's 0."""
    best = log.max(axis=0)
    found = np.empty(log.shape, np.uint16)
    for z, layer in enumerate(log):
        cost = best - layer
        np.minimum(cost, np.float32(_MOST), out=cost)
        found[z] = np.multiply(cost, np.float32(SCALE), out=cost)
    return found


def _sweep(
    rows: np.ndarray, total: np.ndarray, prices: tuple[np.uint16, np.uint16], sides: tuple[int, ...]
) -> None:
    """Add the costs of paths that come from the row before, straight and from its sides."""
    step, jump = prices
    count, labels, width = len(sides), rows.shape[1], rows.shape[2]
    # Rows of labels -1 and `labels`, at infinite cost, stand on both sides.
    before = np.zeros((count, labels + 2, width), np.uint16)
    before[:, [0, -1]] = 60000
    now = np.empty((count, labels, width), np.uint16)
    near = np.empty_like(now)
    least = np.empty((count, 1, width), np.uint16)
    for y in range(len(rows)):
        if y == 0:
            now[:] = rows[0]
        else:
            np.minimum(before[:, :-2], before[:, 2:], out=near)
            near += step
            np.minimum(near, before[:, 1:-1], out=near)
            np.min(before[:, 1:-1], axis=1, keepdims=True, out=least)
            near -= least
            np.minimum(near, jump, out=near)
            np.add(near, rows[y], out=now)
        for i in range(count):
            total[y] += now[i]
        for i, side in enumerate(sides):
            _shift(now[i], before[i, 1:-1], side)


def _shift(values: np.ndarray, out: np.ndarray, side: int) -> None:
    """Values one pixel further along x; what enters at the edge repeats the outermost pixel."""
    if side == 0:
        out[:] = values
    elif side > 0:
        out[:, 1:], out[:, 0] = values[:, :-1], values[:, 0]
    else:
        out[:, :-1], out[:, -1] = values[:, 1:], values[:, -1]

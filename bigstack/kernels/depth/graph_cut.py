"""Labels of least energy by graph cuts: expansion moves, each a maximum flow."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

SCALE = 16
"""Steps of a cost of 1: flows are whole numbers."""
ROUNDS = 2
"""Times that every frame is tried."""
_MOST = 180.0


def graph_cut(
    log: np.ndarray, start: np.ndarray, *, step: float = 4.0, jump: float = 24.0, rounds: int = ROUNDS
) -> np.ndarray:
    """Return the labels (y, x) that alpha-expansion finds from `start`.

    The least of the sum over pixels of the evidence's cost, and over their four neighbours of
    ``min(step * |difference of labels|, jump)`` (Boykov, Veksler and Zabih 2001, doi:10.1109/34.969114; graph
    by Kolmogorov and Zabih 2004, doi:10.1109/TPAMI.2004.1262177; flow by scipy). Pixels that could not gain
    by a move, whatever their neighbours do, are left out of its graph, which changes nothing.

    Parameters
    ----------
    log
        Log evidence (z, y, x) float32.
    start
        Labels (y, x) to begin with.
    step, jump
        Price of one frame between neighbours, and the most that any difference costs.
    rounds
        Times that every frame is tried; it ends before when nothing changes.

    Examples
    --------
    >>> log = np.zeros((2, 6, 6), np.float32)
    >>> log[0], log[0, 3, 3] = 5, -5
    >>> int(graph_cut(log, log.argmax(axis=0), step=4, jump=4).max())
    0
    """
    cost = np.minimum(log.max(axis=0) - log, np.float32(_MOST))
    whole = np.rint(cost * SCALE).astype(np.int32)
    apart = np.abs(np.subtract.outer(np.arange(len(log)), np.arange(len(log))))
    price = np.rint(np.minimum(step * apart, jump) * SCALE).astype(np.int32)
    label = start.astype(np.intp)
    for _ in range(rounds):
        changed = False
        for alpha in range(len(log)):
            switch = _expand(whole, label, alpha, price)
            changed |= bool(switch.any())
            label = np.where(switch, alpha, label)
        if not changed:
            break
    return label


def energy(log: np.ndarray, label: np.ndarray, *, step: float = 4.0, jump: float = 24.0) -> float:
    """Energy of labels (y, x): what `graph_cut` makes small."""
    cost = np.minimum(log.max(axis=0) - log, np.float32(_MOST))
    total = float(np.take_along_axis(cost, label[None], axis=0).sum(dtype=np.float64))
    for axis in (0, 1):
        total += float(np.minimum(step * np.abs(np.diff(label.astype(np.int64), axis=axis)), jump).sum())
    return total


def _expand(cost: np.ndarray, label: np.ndarray, alpha: int, price: np.ndarray) -> np.ndarray:
    """Pixels (y, x) bool that the best expansion of `alpha` takes."""
    gain = cost[alpha] - np.take_along_axis(cost, label[None], axis=0)[0]
    # Four neighbours cannot pay more than this for a move.
    free = (label != alpha) & (gain <= 4 * int(price.max()))
    count = int(np.count_nonzero(free))
    if not count:
        return free
    number = np.full(label.shape, -1, np.int64)
    number[free] = np.arange(count)
    unary = gain[free].astype(np.int64)
    links = []
    for one, other in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        links.append(_pairs(number[one], number[other], (label[one], label[other]), alpha, price, unary))
    taken = _cut(count, unary, np.concatenate(links, axis=1))
    found = np.zeros(label.shape, bool)
    found[free] = taken
    return found


def _pairs(
    p: np.ndarray,
    q: np.ndarray,
    labels: tuple[np.ndarray, np.ndarray],
    alpha: int,
    price: np.ndarray,
    unary: np.ndarray,
) -> np.ndarray:
    """Arcs (from, to, capacity) of neighbours that may both move; prices of one alone go to `unary`."""
    keep = price[labels[0], labels[1]].astype(np.int64)
    first, second = price[labels[0], alpha].astype(np.int64), price[alpha, labels[1]].astype(np.int64)
    one, other, both = (p >= 0) & (q < 0), (p < 0) & (q >= 0), (p >= 0) & (q >= 0)
    # `first` is paid where only q moves, `second` where only p does.
    np.add.at(unary, p[one], (second - keep)[one])
    np.add.at(unary, q[other], (first - keep)[other])
    np.add.at(unary, p[both], (second - keep)[both])
    np.add.at(unary, q[both], -second[both])
    capacity = (first + second - keep)[both]
    return np.stack([p[both], q[both], capacity])


def _cut(count: int, unary: np.ndarray, arcs: np.ndarray) -> np.ndarray:
    """Nodes bool on the sink's side of the least cut: those that move."""
    source, sink = count, count + 1
    nodes = np.arange(count)
    loses, wins = unary > 0, unary < 0
    start = np.concatenate([arcs[0], np.full(np.count_nonzero(loses), source), nodes[wins]])
    stop = np.concatenate([arcs[1], nodes[loses], np.full(np.count_nonzero(wins), sink)])
    capacity = np.concatenate([arcs[2], unary[loses], -unary[wins]]).astype(np.int32)
    keep = capacity > 0
    graph = csr_array((capacity[keep], (start[keep], stop[keep])), shape=(count + 2, count + 2))
    flow = maximum_flow(graph, source, sink, method="dinic").flow
    left = graph - flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    moves = np.ones(count + 2, bool)
    moves[reached] = False
    return moves[:count]

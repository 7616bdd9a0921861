"""Guided filter of the volume of evidence: each frame's costs averaged within what has one colour."""

from __future__ import annotations

import cv2
import numpy as np

RADIUS, EPSILON = 9, 0.01
"""Pixels that the window reaches, and variance of colours (of a range of 1) that counts as flat."""
_MOST = 12.0
"""Costs beyond it count as this: an average must not follow one hopeless pixel."""


def guided_costs(log: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Return log evidence (z, y, x) float32 whose frames are filtered along the edges of `guide`.

    Cost-volume filtering (Hosni et al. 2013, doi:10.1109/TPAMI.2012.156) by the guided filter (He, Sun and
    Tang 2013, doi:10.1109/TPAMI.2012.213). The best frame has evidence 0, others less.

    Parameters
    ----------
    log
        Log evidence (z, y, x) float32.
    guide
        Image (y, x, channel) uint8 of 1 or 3 channels, in focus.

    Examples
    --------
    >>> log = np.random.default_rng(0).normal(size=(3, 24, 24)).astype(np.float32)
    >>> log[1] += 2
    >>> found = guided_costs(log, np.full((24, 24, 1), 9, np.uint8))
    >>> bool((found.argmax(axis=0) == 1).all())
    True
    """
    small = guide.astype(np.float32) / np.float32(255)
    filtering = cv2.ximgproc.createGuidedFilter(small, RADIUS, EPSILON)
    best = log.max(axis=0)
    found = np.empty_like(log)
    for z, layer in enumerate(log):
        cost = np.minimum(best - layer, np.float32(_MOST))
        found[z] = -filtering.filter(cost)
    return found

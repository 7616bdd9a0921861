"""Fringes of defocus: the blurred disc of a strong edge has an edge of its own, which looks like focus.

Where a place has no texture to speak of, such a fringe would be its sharpest sight: black before a bright
window is given the depth at which the window's blur just reaches it. What strong edges nearby can have made
of themselves in a frame is therefore taken off the energy there, before it counts as evidence.
"""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.jit import compiled

_STRONG = np.float32(20.0)  # energy over noise of edges whose fringes are looked for
_SHARE = 0.5  # of the growth of the blur: fringes reach half as far, but count for several times as much
_WIDTH, _FALL = 2.0, 1.43  # of a straight edge blurred by a disc: energy (1 + (radius / 1.3)**2)**-1.43
_LEAST = 0.6  # radius, pixels of a level, from which on blur can be told from focus there
_CELL = 2  # pixels a side of a level in which only the largest energy is looked at
_APART = ((2, 2), (3, 3), (4, 5), (6, 8), (9, 12), (13, 17), (18, 24), (25, 34), (35, 48))
"""Ranges of frames between an edge and its fringe that are taken as one."""


def without_fringes(energy: np.ndarray, level: int, blur: float) -> None:
    """Take the fringes of strong edges off a level's energy over noise (z, y, x), in place.

    Parameters
    ----------
    energy
        Pooled squared Laplacian over that of noise: 1 where there is only noise.
    level
        Of the pyramid; every one has half the pixels a side of that before.
    blur
        Growth of the blur's radius, pixels of the image a frame.

    Examples
    --------
    >>> energy = np.ones((6, 8, 8), np.float32)
    >>> energy[0, :, 2], energy[5, :, 3] = 1000, 20
    >>> without_fringes(energy, 1, 1.2)
    >>> energy[0, 0, 2], energy[5, 0, 3]
    (np.float32(1000.0), np.float32(1.0))
    """
    radii = [(first, last, _SHARE * blur * (first + last) / 2 / 2**level) for first, last in _APART]
    radii = [(a, b, radius) for a, b, radius in radii if a < len(energy) and radius >= _LEAST]
    if not radii:
        return
    strong = np.zeros((len(energy), *(-(-side // _CELL) for side in energy.shape[1:])), np.float32)
    _strong_cells(energy, strong)
    fringe = np.zeros_like(strong)
    strongest = float(strong.max())
    for first, last, radius in radii:
        share = float((1 + (radius / _WIDTH) ** 2) ** -_FALL)
        if share * strongest < 1:
            break
        reach = round(radius / _CELL)
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
        spread = np.stack([cv2.dilate(layer, around) for layer in strong])
        _most(spread, first, last, np.float32(share), fringe)
    _take_off(energy, fringe)


@compiled
def _strong_cells(energy: np.ndarray, out: np.ndarray) -> None:
    """Largest energy of each cell, of those that are strong and in focus: no frame beside has more."""
    frames, height, width = energy.shape
    for z in range(frames):
        for y in range(height):
            row, to = energy[z, y], out[z, y // _CELL]
            before, after = energy[max(z - 1, 0), y], energy[min(z + 1, frames - 1), y]
            for x in range(width):
                if row[x] > _STRONG and row[x] >= before[x] and row[x] >= after[x]:
                    to[x // _CELL] = max(to[x // _CELL], row[x])


@compiled
def _most(spread: np.ndarray, first: int, last: int, share: np.float32, out: np.ndarray) -> None:
    """Raise `out` to a share of what the frames so far from each have."""
    frames, height, width = spread.shape
    for y in range(height):
        for z in range(frames):
            to = out[z, y]
            for other in range(max(0, z - last), min(frames, z + last + 1)):
                if abs(other - z) < first:
                    continue
                row = spread[other, y]
                for x in range(width):
                    to[x] = max(to[x], share * row[x])


@compiled
def _take_off(energy: np.ndarray, fringe: np.ndarray) -> None:
    """Energy beyond the noise's, less the fringe of its cell."""
    frames, height, width = energy.shape
    one = np.float32(1)
    for z in range(frames):
        for y in range(height):
            row, off = energy[z, y], fringe[z, y // _CELL]
            for x in range(width):
                least = min(row[x], one)
                row[x] = max(row[x] - off[x // _CELL], least)

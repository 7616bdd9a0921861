"""Two surfaces at one pixel: through glass or fur, or at the edge of a near one, focus has two peaks."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.jit import compiled
from bigstack.names import Priority

_EVIDENT = np.float32(4.0)  # energy over noise of a peak that counts
_SHARE = np.float32(0.15)  # of the best peak's energy
_DIP = np.float32(0.6)  # of the lower peak: there is as little between two of them
_APART = 3  # frames


def other_surface(label: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the frame (y, x) of the second best peak of focus; -1 where there is none.

    A peak is a frame with more energy than both its neighbours, well above the noise, with a share of the
    best peak's energy, three frames or more from `label`, and a dip between.

    Parameters
    ----------
    label
        Frame (y, x) of the best surface.
    energy
        Focus over that of noise (z, y, x) float32.

    Examples
    --------
    >>> curve = np.array([1, 9, 1, 1, 1, 20, 1], np.float32)[:, None, None]
    >>> other_surface(np.array([[5]]), curve).tolist()
    [[1]]
    """
    found = np.full(label.shape, -1, np.int64)
    _second(np.ascontiguousarray(label, np.int64), np.ascontiguousarray(energy), found)
    return found


def by_priority(label: np.ndarray, energy: np.ndarray, priority: Priority) -> np.ndarray:
    """Label (y, x) of the surface asked for: of two that are seen the lower frame is the near one."""
    if priority == "best":
        return label
    other = other_surface(label, energy)
    choose = np.minimum if priority == "near" else np.maximum
    return np.where(other >= 0, choose(label, other), label)


@compiled
def _second(label: np.ndarray, energy: np.ndarray, out: np.ndarray) -> None:
    frames, height, width = energy.shape
    for y in range(height):
        for x in range(width):
            at = label[y, x]
            top = energy[at, y, x]
            best = max(_EVIDENT, _SHARE * top)
            for z in range(frames):
                here = energy[z, y, x]
                if abs(z - at) < _APART or here <= best:
                    continue
                if (z and energy[z - 1, y, x] > here) or (z + 1 < frames and energy[z + 1, y, x] > here):
                    continue
                lowest = here
                for k in range(min(z, at) + 1, max(z, at)):
                    lowest = min(lowest, energy[k, y, x])
                if lowest <= _DIP * min(here, top):
                    best = here
                    out[y, x] = z

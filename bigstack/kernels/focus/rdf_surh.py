"""Ring difference filter as its authors' own program has it."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.focus._measure import noise_level, pool, window_radius
from bigstack.kernels.focus._rings import check_radii, disk_size, ring_sums
from bigstack.kernels.focus.rdf import SOURCE as SOURCE

COLOUR = True


def rdf_surh(
    grey: np.ndarray,
    *,
    inner: int = 2,
    outer: int = 4,
    power: float = 1.0,
    window: int = 1,
    noise: float = 0.0,
) -> np.ndarray:
    """Centre pixel times the ring's pixel count, minus the ring's sum, with a gap between the two.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32; of (y, x, channel) the channels' root of summed squares is
        taken.
    inner, outer
        The ring is ``inner² < x² + y² <= outer²``.
    power
        Exponent of the magnitude.
    window
        Side of the square that is averaged over, pixels; 1 for none.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted; of one channel
        only.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> rdf_surh(np.full((9, 9), 77, np.uint8)).max()
    np.float32(0.0)
    """
    check_radii(inner, outer)
    if grey.ndim == 3 and noise:
        raise InputError("noise can be subtracted from one channel only, not from all of a colour image")
    channels = [grey] if grey.ndim == 2 else [grey[..., i] for i in range(grey.shape[2])]
    squares = np.zeros(grey.shape[:2], np.float64)
    count = disk_size(outer) - disk_size(inner)
    for channel in channels:
        centre = channel.astype(np.float64)
        squares += (centre * count - ring_sums(channel, inner, outer)) ** 2
    energy = squares if power == 2 else np.sqrt(squares) if power == 1 else squares ** (power / 2)
    level = noise_level(count**2 + count, noise, power)
    return pool(energy.astype(np.float32), window, level)


def rdf_surh_halo(*, inner: int = 2, outer: int = 4, window: int = 1) -> int:
    """Pixels around a pixel that its value depends on."""
    check_radii(inner, outer)
    return outer + window_radius(window)

"""Energy of the Laplacian of the Gaussian in a large window."""

from __future__ import annotations

import numpy as np

from bigstack.kernels.focus.log import log, log_halo

SOURCE = "Marr, Hildreth 1980, Theory of edge detection, Proc. R. Soc. B 207, doi:10.1098/rspb.1980.0020"


def energy(
    grey: np.ndarray, *, blur: int = 5, kernel: int = 5, window: int = 64, noise: float = 0.0
) -> np.ndarray:
    """Square of the Laplacian of the Gaussian, averaged over a large window, for smooth surfaces.

    Parameters
    ----------
    grey
        Image (y, x), uint8, uint16 or float32.
    blur
        Taps of OpenCV's Gaussian: 1 (none), 3, 5, 7 or 9.
    kernel
        Aperture of OpenCV's Laplacian: 1 (five points), 3, 5 or 7 pixels.
    window
        Side of the square that is averaged over, pixels; an even one reaches one pixel further up and left.
    noise
        Standard deviation of white noise in grey levels, whose expectation is subtracted.

    Returns
    -------
    float32 (y, x), at least 0.

    Examples
    --------
    >>> energy(np.eye(9, dtype=np.uint8), window=4).shape
    (9, 9)
    """
    return log(grey, blur=blur, kernel=kernel, window=window, power=2, noise=noise)


def energy_halo(*, blur: int = 5, kernel: int = 5, window: int = 64) -> int:
    """Pixels around a pixel that its value depends on."""
    return log_halo(blur=blur, kernel=kernel, window=window)

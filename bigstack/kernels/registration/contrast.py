"""What frames of different focus and exposure have in common: structure, brought to one local contrast."""

from __future__ import annotations

import cv2
import numpy as np


def equalised(image: np.ndarray, *, fine: float = 1.0, coarse: float = 8.0) -> np.ndarray:
    """Band-passed image (y, x) float32 with about the same local energy everywhere.

    Exposure, flicker and vignetting fall out, and a place that is a little out of focus counts as much as a
    sharp one. Places with less than a tenth of the image's own energy stay weak, so that noise is not raised.

    Parameters
    ----------
    image
        Grey (y, x) of any dtype.
    fine, coarse
        Standard deviations in pixels between which structure is kept.
    """
    image = np.asarray(image, dtype=np.float32)
    band = cv2.GaussianBlur(image, (0, 0), fine) - cv2.GaussianBlur(image, (0, 0), coarse)
    energy = cv2.GaussianBlur(band * band, (0, 0), 2 * coarse)
    weak = 0.01 * float(energy.mean(dtype=np.float64))
    return band / np.sqrt(energy + max(weak, 1e-20))

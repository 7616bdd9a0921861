"""Phase correlation: the shift, or shift, scale and rotation, between two images without any guess.

Kuglin and Hines 1975; scale and rotation by the log-polar spectrum, Reddy and Chatterji 1996,
doi:10.1109/83.506761.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from bigstack.kernels.registration.contrast import equalised
from bigstack.kernels.registration.models import inverse, normalised

_CUT = 0.18
"""Standard deviation, in cycles a pixel, of the low-pass on the correlation: defocus empties the rest."""


@dataclass(frozen=True)
class Phase:
    """A transform found by phase correlation."""

    matrix: np.ndarray
    """3x3, first image to second."""
    response: float
    """Height of the peak in standard deviations of the correlation surface; chance gives about 5."""


def phase_shift(first: np.ndarray, second: np.ndarray) -> Phase:
    """Find the shift between two grey images (y, x) of equal shape, to about a tenth of a pixel.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> phase_shift(image, np.roll(image, (3, -5), axis=(0, 1))).matrix[:2, 2].round().tolist()
    [-5.0, 3.0]
    """
    x, y, response = _peak(_windowed(equalised(first)), _windowed(equalised(second)))
    return Phase(np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]]), response)


def phase_similarity(first: np.ndarray, second: np.ndarray) -> Phase:
    """Find shift, scale (within a factor of 2) and rotation (within 90 degrees) between two grey images."""
    first, second = equalised(first), equalised(second)
    scale, turn = _scale_and_turn(_windowed(first), _windowed(second))
    height, width = first.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    around = np.vstack([cv2.getRotationMatrix2D(centre, -turn, scale), [0, 0, 1]])
    back = cv2.warpPerspective(second, around, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    x, y, response = _peak(_windowed(first), _windowed(back))
    shift = np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])
    return Phase(normalised(around @ shift), response)


def _windowed(image: np.ndarray) -> np.ndarray:
    return image * np.outer(*(np.hanning(size) for size in image.shape)).astype(np.float32)


def _peak(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Shift (x, y) from first to second and the height of its peak."""
    shape = [fft.next_fast_len(n, real=True) for n in first.shape]
    cross = np.conj(fft.rfft2(first, shape)) * fft.rfft2(second, shape)
    fy, fx = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None]
    low = np.exp(-(fx**2 + fy**2) / (2 * _CUT**2))
    surface = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-12) * low, shape)
    y, x = (int(n) for n in np.unravel_index(int(np.argmax(surface)), surface.shape))
    response = float(surface[y, x] / max(float(surface.std()), 1e-12))
    dy = _vertex(surface[[y - 1, y, (y + 1) % shape[0]], x])
    dx = _vertex(surface[y, [x - 1, x, (x + 1) % shape[1]]])
    return _signed(x, shape[1]) + dx, _signed(y, shape[0]) + dy, response


def _signed(index: int, size: int) -> float:
    return float(index - size if index > size // 2 else index)


def _vertex(values: np.ndarray) -> float:
    """Place of the top of the parabola through three values, the middle one the largest."""
    curve = 2 * values[1] - values[0] - values[2]
    return float((values[2] - values[0]) / 2 / curve) if curve > 0 else 0.0


def _scale_and_turn(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Scale and rotation in degrees (x to y) from first to second, from their spectra alone."""
    side = 256
    polar = [_polar_spectrum(image, side) for image in (first, second)]
    radial, angular, _ = _peak(*(p * np.hanning(side)[None].astype(np.float32) for p in polar))
    # A larger image has a smaller spectrum.
    return float(np.exp(-radial * np.log(side / 2) / side)), float(angular * 180 / side)


def _polar_spectrum(image: np.ndarray, side: int) -> np.ndarray:
    """Half of the log-polar log-magnitude spectrum (side, side): rows are angles, columns log radii."""
    square = cv2.copyMakeBorder(
        image,
        0,
        max(0, image.shape[1] - image.shape[0]),
        0,
        max(0, image.shape[0] - image.shape[1]),
        cv2.BORDER_CONSTANT,
    )
    spectrum = np.abs(fft.fftshift(fft.fft2(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA))))
    log = np.log1p(spectrum).astype(np.float32)
    polar = cv2.warpPolar(
        log, (side, 2 * side), (side / 2, side / 2), side / 2, cv2.INTER_LINEAR | cv2.WARP_POLAR_LOG
    )[:side]
    return polar - cv2.blur(polar, (31, 31))


def inverse_of(found: Phase) -> Phase:
    """The same finding from the second image to the first."""
    return Phase(inverse(found.matrix), found.response)

"""Balance in CIELAB (1976) of sRGB under D65: lightness and the two colour axes.

a and b are counted from -128 up, as 8-bit CIELAB is stored: so a factor near 1 shifts them, and gamma and
histograms have no negative values to meet.
"""

from __future__ import annotations

import numpy as np

from bigstack.kernels.correction.curves import evaluate

_TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.950456, 1.0, 1.088754])  # a constant image of grey has a = b = 0
_FORWARD = _TO_XYZ / _WHITE[:, None]
_BACK = np.linalg.inv(_FORWARD)
_DELTA = 6 / 29
OFFSET = 128.0


def lab_levels(pixels: np.ndarray, top: float) -> list[np.ndarray]:
    """L (0 to 100), a + 128 and b + 128 (0 to 255), (y, x) float32."""
    return list(_to_lab(pixels.astype(np.float32, copy=False), top))


def lab_scales(channels: int) -> tuple[float, ...]:
    """Full scale of L, a + 128 and b + 128."""
    return 100.0, 255.0, 255.0


def lab_apply(
    pixels: np.ndarray, curve: str, parameters: tuple[tuple[float, ...], ...], top: float
) -> np.ndarray:
    """Put L, a + 128 and b + 128 of float32 RGB through a curve each."""
    planes = [
        evaluate(plane, curve, own, full)
        for plane, own, full in zip(_to_lab(pixels, top), parameters, lab_scales(3), strict=True)
    ]
    return _from_lab(planes[0], planes[1], planes[2], top)


def _to_lab(pixels: np.ndarray, top: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    linear = _linear(pixels * np.float32(1 / top))
    x, y, z = (_cube_root(plane) for plane in _mix(_FORWARD, linear))
    shift = np.float32(OFFSET)
    return (
        y * np.float32(116) - np.float32(16),
        (x - y) * np.float32(500) + shift,
        (y - z) * np.float32(200) + shift,
    )


def _from_lab(light: np.ndarray, a: np.ndarray, b: np.ndarray, top: float) -> np.ndarray:
    shift = np.float32(OFFSET)
    y = (light + np.float32(16)) * np.float32(1 / 116)
    x = y + (a - shift) * np.float32(1 / 500)
    z = y - (b - shift) * np.float32(1 / 200)
    planes = _mix(_BACK, np.stack([_cube(x), _cube(y), _cube(z)], axis=-1))
    return _encode(np.stack(planes, axis=-1)) * np.float32(top)


def _mix(matrix: np.ndarray, pixels: np.ndarray) -> list[np.ndarray]:
    """Matrix product element by element: BLAS would add in an order that depends on the window."""
    rows = matrix.astype(np.float32)
    planes = [np.ascontiguousarray(pixels[..., channel]) for channel in range(3)]
    return [planes[0] * row[0] + planes[1] * row[1] + planes[2] * row[2] for row in rows]


def _linear(encoded: np.ndarray) -> np.ndarray:
    """Light from sRGB values."""
    power = np.power(np.maximum((encoded + np.float32(0.055)) * np.float32(1 / 1.055), 0), np.float32(2.4))
    return np.where(encoded <= np.float32(0.04045), encoded * np.float32(1 / 12.92), power)


def _encode(linear: np.ndarray) -> np.ndarray:
    """sRGB values from light."""
    power = np.power(np.maximum(linear, 0), np.float32(1 / 2.4)) * np.float32(1.055) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), linear * np.float32(12.92), power)


def _cube_root(share: np.ndarray) -> np.ndarray:
    """CIELAB's f: the cube root, a straight line near 0."""
    line = share * np.float32(1 / (3 * _DELTA**2)) + np.float32(4 / 29)
    return np.where(share > np.float32(_DELTA**3), np.cbrt(share), line)


def _cube(root: np.ndarray) -> np.ndarray:
    line = (root - np.float32(4 / 29)) * np.float32(3 * _DELTA**2)
    return np.where(root > np.float32(_DELTA), root * root * root, line)

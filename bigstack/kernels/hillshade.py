"""A height map as a surface in slanting light; the same to the bit in any window with one pixel around it."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, radians, sin

import numpy as np

HILLSHADE_HALO = 1
AMBIENT = 0.35
"""Light in the shade of a coloured relief."""


def slopes(heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rise a pixel down and to the right, float32, from 3 x 3 pixels.

    Horn 1981, doi:10.1109/PROC.1981.11918. The border is repeated; a neighbour without a height (NaN) counts
    as level with the pixel, and a pixel without one has no slope.

    Examples
    --------
    >>> down, right = slopes(np.array([[0, 2, 4], [0, 2, 4], [0, 2, 4]], np.float32))
    >>> down[1].tolist(), right[1].tolist()
    ([0.0, 0.0, 0.0], [1.0, 2.0, 1.0])
    """
    height, width = heights.shape
    around = np.pad(heights, 1, mode="edge")
    return slopes_of({(j, i): around[j : j + height, i : i + width] for j in range(3) for i in range(3)})


def slopes_of(parts: Mapping[tuple[int, int], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """`slopes` of pixels from their 3 x 3 neighbours, given as nine arrays by row and column."""
    middle = parts[1, 1]
    parts = {at: np.where(np.isnan(part), middle, part) for at, part in parts.items()}
    eighth = np.where(np.isnan(middle), np.float32(np.nan), np.float32(0.125))
    lower = parts[2, 0] + parts[2, 1] * 2 + parts[2, 2]
    upper = parts[0, 0] + parts[0, 1] * 2 + parts[0, 2]
    after = parts[0, 2] + parts[1, 2] * 2 + parts[2, 2]
    before = parts[0, 0] + parts[1, 0] * 2 + parts[2, 0]
    return (lower - upper) * eighth, (after - before) * eighth


def steepness_of(parts: Mapping[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Rise a pixel, whatever its direction, from 3 x 3 neighbours as `slopes_of` takes them."""
    down, right = slopes_of(parts)
    return np.sqrt(down * down + right * right)


def hillshade(
    heights: np.ndarray, factor_y: float, factor_x: float, azimuth: float, altitude: float
) -> np.ndarray:
    """Share of the light that pixels (y, x) give back, float32 from 0 to 1, NaN where there is no height.

    Parameters
    ----------
    heights
        float32 (y, x), growing towards the viewer.
    factor_y, factor_x
        What a slope of one unit of height a pixel is, as height by length.
    azimuth, altitude
        Where light comes from, in degrees: clockwise from the top of the picture, and above its plane.

    Examples
    --------
    >>> plane = np.array([[0, 1, 2]], np.float32)
    >>> (100 * hillshade(plane, 1, 1, 270, 45)).round().astype(int).tolist()
    [[95, 100, 95]]
    """
    down, right = slopes(heights)
    up, right = down * np.float32(-factor_y), right * np.float32(factor_x)
    flat = cos(radians(altitude))
    light = [np.float32(v * flat) for v in (sin(radians(azimuth)), cos(radians(azimuth)))]
    facing = np.float32(sin(radians(altitude))) - right * light[0] - up * light[1]
    length = np.sqrt(right * right + up * up + np.float32(1))
    return np.clip(facing / length, 0, 1)


def shaded(colours: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Colours (y, x, 3), uint8, in the light (y, x) that `hillshade` gives.

    Examples
    --------
    >>> shaded(np.full((1, 2, 3), 200, np.uint8), np.array([[1.0, 0.0]]))[0, :, 0].tolist()
    [200, 70]
    """
    share = np.float32(AMBIENT) + np.float32(1 - AMBIENT) * np.nan_to_num(light, nan=0.0)
    return np.floor(colours * share[..., None] + np.float32(0.5)).astype(np.uint8)

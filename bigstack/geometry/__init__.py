"""Frozen values of geometry: tiles, pixel sizes, transforms. No arrays of pixels, no dask."""

from bigstack.geometry.pixels import PixelSize
from bigstack.geometry.tile import Tile, tiles_of

__all__ = ["PixelSize", "Tile", "tiles_of"]

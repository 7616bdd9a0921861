"""A rectangle of pixels in y and x, and the rows and columns of them that cover an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bigstack.errors import InputError


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Pixels ``y0 <= y < y1`` and ``x0 <= x < x1`` of an image, in absolute pixel coordinates.

    Examples
    --------
    >>> Tile(0, 4, 8, 16).pad(2, within=(100, 17), grid=4)
    Tile(y0=0, y1=8, x0=4, x1=17)
    """

    y0: int
    y1: int
    x0: int
    x1: int

    def __post_init__(self) -> None:
        if not (0 <= self.y0 < self.y1 and 0 <= self.x0 < self.x1):
            raise InputError(f"a tile needs 0 <= start < stop in y and x, got {self}")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def size(self) -> int:
        """Number of pixels."""
        return (self.y1 - self.y0) * (self.x1 - self.x0)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The tile as an index of the whole image."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def pad(self, halo: int, *, within: tuple[int, int], grid: int = 1) -> Tile:
        """Grow by `halo` on every side, outwards to multiples of `grid`, cut at the image's border."""
        height, width = within
        return Tile(
            max(0, (self.y0 - halo) // grid * grid),
            min(height, -(-(self.y1 + halo) // grid) * grid),
            max(0, (self.x0 - halo) // grid * grid),
            min(width, -(-(self.x1 + halo) // grid) * grid),
        )

    def inside(self, outer: Tile) -> tuple[slice, slice]:
        """The tile as an index of an array that holds `outer`."""
        return (
            slice(self.y0 - outer.y0, self.y1 - outer.y0),
            slice(self.x0 - outer.x0, self.x1 - outer.x0),
        )

    def reduce(self, factor: int) -> Tile:
        """The tile in an image that keeps every `factor`-th pixel, the first one included."""
        return Tile(
            -(-self.y0 // factor), -(-self.y1 // factor), -(-self.x0 // factor), -(-self.x1 // factor)
        )

    def split(self, height: int, width: int) -> Iterator[Tile]:
        """Cut into tiles of at most `height` x `width`, row by row."""
        for y in range(self.y0, self.y1, height):
            for x in range(self.x0, self.x1, width):
                yield Tile(y, min(y + height, self.y1), x, min(x + width, self.x1))


def tiles_of(shape: tuple[int, int], height: int, width: int) -> Iterator[Tile]:
    """Cover an image with tiles, row by row; the last of a row or column may be smaller.

    Parameters
    ----------
    shape
        Height and width of the image in pixels.
    height, width
        Those of a tile.

    Returns
    -------
    iterator of Tile
        In absolute pixel coordinates.

    Examples
    --------
    >>> [tile.shape for tile in tiles_of((5, 4), 3, 4)]
    [(3, 4), (2, 4)]
    """
    return Tile(0, shape[0], 0, shape[1]).split(height, width)

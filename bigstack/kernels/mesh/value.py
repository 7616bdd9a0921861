"""A triangle mesh as a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles in space: x to the right and y up in the picture, z towards whoever looks at it.

    Counter-clockwise triangles face the viewer. The origin is the centre of the first pixel, at depth 0.
    """

    vertices: np.ndarray
    """float32 (vertex, 3), in `unit`."""
    faces: np.ndarray
    """int32 (triangle, 3), numbers of vertices."""
    normals: np.ndarray
    """float32 (vertex, 3), of length 1."""
    positions: np.ndarray
    """float32 (vertex, 2): x and y in the picture, as shares of its width and height from the top left."""
    unit: str
    """What `vertices` are in: micrometer, or pixel."""
    picture: np.ndarray | None = None
    """uint8 (y, x, 3), RGB, the picture on the surface."""
    grid: int = 1
    """Pixels a side that were averaged before the mesh was made."""
    error: float = 0.0
    """Root mean square of the heights that the mesh misses the averaged pixels by, in `unit`."""
    largest_error: float = 0.0
    """The largest of them."""

    def colours(self) -> np.ndarray | None:
        """RGB uint8 (vertex, 3) of the picture at the vertices, None without a picture."""
        if self.picture is None:
            return None
        height, width = self.picture.shape[:2]
        x = np.minimum((self.positions[:, 0] * width).astype(np.int64), width - 1)
        y = np.minimum((self.positions[:, 1] * height).astype(np.int64), height - 1)
        return np.ascontiguousarray(self.picture[y, x])

"""A transform between two images.

**Convention.** A `Transform` is a 3x3 matrix T of homogeneous pixel coordinates (x, y, 1): x grows to the
right, y downwards, the centre of the top left pixel is (0, 0), and coordinates are absolute, in pixels of
whole frames, never relative to a tile. The transform of a frame takes a place in the *output* (the
reference frame) to the place in the *frame* that it is read from::

    frame(T_z @ (x, y, 1))  ->  output(x, y)

so that it says directly what a warp has to sample, and the reference frame's is the identity.

**Algebra.** ``(A @ B).apply(p) == A.apply(B.apply(p))``. From frame i to frame j: ``T_j @ T_i.inverse()``.
With another frame r as the reference: ``T_z @ T_r.inverse()``. Cropping the output by (x0, y0) needs no new
transform: the output is asked for at x0 + column, y0 + row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.registration.models import (
    corner_distance,
    decompose,
    inverse,
    map_points,
    normalised,
)


@dataclass(frozen=True, slots=True)
class Transform:
    """A 3x3 matrix, row by row, its last element 1.

    Examples
    --------
    >>> move = Transform.of([[1, 0, 5], [0, 1, -2], [0, 0, 1]])
    >>> (move @ move.inverse()).is_identity
    True
    >>> move.apply([(0, 0)]).tolist()
    [[5.0, -2.0]]
    """

    elements: tuple[float, float, float, float, float, float, float, float, float]

    @classmethod
    def of(cls, matrix: object) -> Transform:
        """Take anything that makes a 3x3 array of finite numbers with an inverse."""
        try:
            array = np.asarray(matrix, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputError(f"a transform is a 3x3 matrix of numbers, got {matrix!r}") from error
        if array.shape != (3, 3) or not np.isfinite(array).all():
            raise InputError(f"a transform is a 3x3 matrix of finite numbers, got {array.tolist()!r}")
        if array[2, 2] == 0 or abs(np.linalg.det(array / array[2, 2])) < 1e-12:
            raise InputError(
                f"a transform has an inverse and its last element is not 0, got {array.tolist()!r}"
            )
        return cls(tuple(float(value) + 0.0 for value in normalised(array).ravel()))  # type: ignore[arg-type]

    @classmethod
    def identity(cls) -> Transform:
        """The transform that moves nothing."""
        return IDENTITY

    @classmethod
    def similarity(
        cls,
        shape: tuple[int, int],
        *,
        shift: tuple[float, float] = (0.0, 0.0),
        scale: float = 1.0,
        rotation: float = 0.0,
    ) -> Transform:
        """Scale and rotate (degrees, x towards y) about the centre of a frame (y, x), then shift (x, y)."""
        turn = np.radians(rotation)
        about = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
        matrix = np.eye(3)
        matrix[:2, :2] = about
        matrix[:2, 2] = centre + shift - about @ centre
        return cls.of(matrix)

    @property
    def matrix(self) -> np.ndarray:
        """The matrix (3, 3) float64."""
        return np.array(self.elements).reshape(3, 3)

    @property
    def is_identity(self) -> bool:
        """True when it moves nothing, exactly."""
        return self == IDENTITY

    @property
    def is_affine(self) -> bool:
        """True when straight parallel lines stay parallel: the last row is (0, 0, 1)."""
        return self.elements[6:] == (0.0, 0.0, 1.0)

    def __matmul__(self, other: Transform) -> Transform:
        """First `other`, then this one."""
        return Transform.of(self.matrix @ other.matrix)

    def inverse(self) -> Transform:
        """The way back."""
        return self if self.is_identity else Transform.of(inverse(self.matrix))

    def apply(self, points: object) -> np.ndarray:
        """Move points (..., 2), x before y."""
        return map_points(self.matrix, np.asarray(points, dtype=float))

    def decompose(self, shape: tuple[int, int]) -> dict[str, float]:
        """Shift, scale, rotation, shear and perspective at the centre of a frame of `shape` (y, x)."""
        return decompose(self.matrix, shape)

    def corner_distance(self, other: Transform, shape: tuple[int, int]) -> float:
        """Largest distance in pixels between where two transforms put the corners of a frame (y, x)."""
        return corner_distance(self.matrix, other.matrix, shape)


IDENTITY = Transform((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
"""The transform that moves nothing."""

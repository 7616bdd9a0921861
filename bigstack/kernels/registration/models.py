"""What a transform between two frames may do: the models, their parameters and their algebra.

A model is a list of generators. Each is one way to move, and its parameter is measured in pixels at a
corner of the frame, so that a shift, a scale and a rotation of 0.1 all move a corner by about 0.1 px.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from bigstack.errors import choose

Model = Literal["translation", "similarity", "affine", "homography"]
MODELS: tuple[str, ...] = get_args(Model)

_GENERATORS = {
    "shift_x": [[0, 0, 1], [0, 0, 0], [0, 0, 0]],
    "shift_y": [[0, 0, 0], [0, 0, 1], [0, 0, 0]],
    "scale": [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
    "rotation": [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
    "stretch": [[1, 0, 0], [0, -1, 0], [0, 0, 0]],
    "shear": [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
    "tilt_x": [[0, 0, 0], [0, 0, 0], [-1, 0, 0]],
    "tilt_y": [[0, 0, 0], [0, 0, 0], [0, -1, 0]],
}
_COUNT = {"translation": 2, "similarity": 4, "affine": 6, "homography": 8}


def motions_of(model: str, fixed: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names of the motions that `model` allows, without those in `fixed`.

    Examples
    --------
    >>> motions_of("similarity", fixed=("rotation",))
    ('shift_x', 'shift_y', 'scale')
    """
    names = tuple(_GENERATORS)[: _COUNT[choose(model, MODELS, "model")]]
    return tuple(name for name in names if name not in fixed)


def frame_units(shape: tuple[int, int]) -> np.ndarray:
    """Matrix from pixels of a frame of `shape` (y, x) to units: centre (0, 0), corners at distance 1."""
    height, width = shape
    radius = max(np.hypot(height - 1, width - 1) / 2, 1.0)
    return np.array(
        [[1 / radius, 0, (1 - width) / 2 / radius], [0, 1 / radius, (1 - height) / 2 / radius], [0, 0, 1]]
    )


def corner_radius(shape: tuple[int, int]) -> float:
    """Distance in pixels from the centre of a frame of `shape` (y, x) to the centre of its corner pixel."""
    return float(max(np.hypot(shape[0] - 1, shape[1] - 1) / 2, 1.0))


def corners(shape: tuple[int, int]) -> np.ndarray:
    """Coordinates (4, 2), x before y, of the four corner pixels, clockwise from the top left."""
    bottom, right = shape[0] - 1.0, shape[1] - 1.0
    return np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])


def map_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (..., 2), x before y, by a 3x3 matrix."""
    moved = points @ matrix[:2, :2].T + matrix[:2, 2]
    if matrix[2, 0] == 0 and matrix[2, 1] == 0:
        return moved / matrix[2, 2]
    return moved / (points @ matrix[2, :2] + matrix[2, 2])[..., None]


def jacobian(points: np.ndarray, motions: tuple[str, ...], shape: tuple[int, int]) -> np.ndarray:
    """Pixels that points (n, 2) move by, a unit of each motion: (n, 2, motions)."""
    units = frame_units(shape)
    u, v = map_points(units, points).T
    one, nil = np.ones_like(u), np.zeros_like(u)
    columns = {
        "shift_x": (one, nil),
        "shift_y": (nil, one),
        "scale": (u, v),
        "rotation": (-v, u),
        "stretch": (u, -v),
        "shear": (v, u),
        "tilt_x": (u * u, u * v),
        "tilt_y": (u * v, v * v),
    }
    return np.stack([np.stack(columns[name], axis=-1) for name in motions], axis=-1)


def step(parameters: np.ndarray, motions: tuple[str, ...], shape: tuple[int, int]) -> np.ndarray:
    """3x3 matrix of a motion given by its parameters, in pixels at a corner of a frame of `shape` (y, x).

    Examples
    --------
    >>> step(np.array([2.0, -1.0]), ("shift_x", "shift_y"), (64, 64)).tolist()
    [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [0.0, 0.0, 1.0]]
    """
    units = frame_units(shape)
    generator = np.tensordot(np.asarray(parameters) * units[0, 0], _stacked(motions), axes=1)
    return normalised(inverse(units) @ _exponential(generator) @ units)


def logarithm(matrix: np.ndarray, motions: tuple[str, ...], shape: tuple[int, int]) -> np.ndarray:
    """Parameters whose `step` moves the corners of a frame as a transform near the identity does."""
    places = corners(shape)
    columns = jacobian(places, motions, shape).reshape(8, len(motions))
    return np.linalg.lstsq(columns, (map_points(matrix, places) - places).ravel(), rcond=None)[0]


def _exponential(generator: np.ndarray) -> np.ndarray:
    # scipy.linalg.expm takes 8 ms here: its BLAS starts threads for 3x3 matrices.
    halvings = max(0, int(np.ceil(np.log2(max(np.abs(generator).sum(axis=1).max(), 1e-300)))) + 2)
    small = generator / 2**halvings
    total = term = np.eye(3)
    for k in range(1, 13):
        term = term @ small / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


@lru_cache
def _stacked(motions: tuple[str, ...]) -> np.ndarray:
    return np.array([_GENERATORS[name] for name in motions], dtype=float).reshape(-1, 3, 3)


def normalised(matrix: np.ndarray) -> np.ndarray:
    """The same transform with 1 as its last element, and an exactly affine last row when it is affine."""
    scaled = matrix / matrix[2, 2]
    if matrix[2, 0] == 0 and matrix[2, 1] == 0:
        scaled[2] = 0, 0, 1
    return scaled


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a 3x3 matrix, normalised."""
    return normalised(np.linalg.inv(matrix))


def rescaled(matrix: np.ndarray, factor: float) -> np.ndarray:
    """The transform between two images reduced by area by `factor`, from that between the full ones.

    A pixel of the reduced image is the mean of factor x factor pixels, so its centre lies at
    ``factor * x + (factor - 1) / 2``. A factor below 1 goes the other way.
    """
    shift = (factor - 1) / 2
    enlarge = np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], dtype=float)
    return normalised(inverse(enlarge) @ matrix @ enlarge)


def decompose(matrix: np.ndarray, shape: tuple[int, int]) -> dict[str, float]:
    """What a transform does at the centre of a frame of `shape` (y, x).

    Returns
    -------
    dict
        `shift_x`, `shift_y` in pixels; `scale`; `rotation` in degrees; `shear`, the ratio of the two singular
        values minus 1; `perspective`, the relative change of scale from the centre to a corner.
    """
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    moved = map_points(matrix, centre)
    weight = matrix[2, :2] @ centre + matrix[2, 2]
    linear = (matrix[:2, :2] - np.outer(moved, matrix[2, :2])) / weight
    u, singular, vt = np.linalg.svd(linear)
    turn = u @ vt
    return {
        "shift_x": float(moved[0] - centre[0]),
        "shift_y": float(moved[1] - centre[1]),
        "scale": float(np.sqrt(abs(np.linalg.det(linear)))),
        "rotation": float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))),
        "shear": float(singular[0] / max(singular[1], 1e-12) - 1),
        "perspective": float(np.hypot(*matrix[2, :2]) * corner_radius(shape) / abs(weight)),
    }


def held_still(matrix: np.ndarray, fixed: tuple[str, ...], shape: tuple[int, int]) -> np.ndarray:
    """The transform without some of `shift_x`, `shift_y`, `scale` and `rotation` about the frame's centre."""
    if not fixed:
        return matrix
    parts = decompose(matrix, shape)
    radius = corner_radius(shape)
    undo = {"scale": -np.log(parts["scale"]) * radius, "rotation": -np.radians(parts["rotation"]) * radius}
    names = tuple(name for name in ("scale", "rotation") if name in fixed)
    if names:
        centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
        moved = map_points(matrix, centre)
        matrix = step(np.array([undo[name] for name in names]), names, shape) @ matrix
        matrix = _shift(moved - map_points(matrix, centre)) @ matrix
    still = [-parts[name] if name in fixed else 0.0 for name in ("shift_x", "shift_y")]
    return normalised(_shift(np.array(still)) @ matrix)


def _shift(by: np.ndarray) -> np.ndarray:
    return np.array([[1, 0, by[0]], [0, 1, by[1]], [0, 0, 1.0]])


def corner_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> float:
    """Largest distance in pixels between where two transforms put the corners of a frame (y, x)."""
    places = corners(shape)
    return float(np.hypot(*(map_points(first, places) - map_points(second, places)).T).max())

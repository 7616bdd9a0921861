"""Surfaces in space from depth maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil, sqrt

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.engine.maps import TILE, as_map, masked, scale_of
from bigstack.engine.plan import DEFAULT_LIMIT, parse_bytes
from bigstack.errors import InputError, MemoryLimitError
from bigstack.geometry import PixelSize
from bigstack.geometry.map_scale import MapScale
from bigstack.kernels.block_mean import block_mean, block_spread
from bigstack.kernels.display import display_range, rgb_picture
from bigstack.kernels.mesh.build import Cut, cut, normals
from bigstack.kernels.mesh.value import Mesh

POINTS = 4
"""Points of the grid for a triangle: more follow noise (``benchmarks/surface.py``), fewer leave no choice."""

BYTES = 60
"""Of a point of the grid while its mesh is cut out (measured), and of a triangle."""


def surface(
    depth: xr.DataArray | np.ndarray,
    *,
    texture: xr.DataArray | np.ndarray | None = None,
    valid: xr.DataArray | np.ndarray | None = None,
    triangles: int = 200_000,
    tolerance: float | None = None,
    max_step: float | None = None,
    pixel_size: float | Sequence[float] | PixelSize | None = None,
    z_scale: float | None = None,
    invert: bool = False,
    texture_size: int = 4096,
    memory_limit: int | str = DEFAULT_LIMIT,
) -> Mesh:
    """Make a triangle mesh of a depth map: many triangles where it is rough, few where it is flat.

    Pixels are averaged in squares, tile by tile, so that maps of any size take bounded memory, and a
    right-triangulated irregular network (Evans et al. 2001, doi:10.1007/s00453-001-0006-x) is cut out of
    the averages. It has no cracks, and no triangles over pixels without a depth.

    Parameters
    ----------
    depth
        Depth (y, x), lazy or not, such as `depth_from_focus` or `open_stack` gives; NaN where there is none.
        What it and its pixels measure is taken from its attributes.
    texture
        Image (y, x, channel) of the same size, the picture on the surface.
    valid
        Mask (y, x): no surface where it is 0.
    triangles
        How many there may be.
    tolerance
        Differences, in units of the depth, that need no triangles of their own. With it pixels are only
        averaged where memory asks for that, and what the budget leaves out has the smallest largest error.
    max_step
        Largest difference of neighbouring depths (of averaged pixels, where the budget asks for that) that is
        a surface: none is made across larger steps, nor within squares of pixels that differ by more. None
        makes walls there.
    pixel_size
        Micrometres of a pixel, one number or (y, x), instead of what the map says.
    z_scale
        What one unit of depth is, in micrometres, or in pixels where these have no known size; for a depth
        in micrometres, how much heights are exaggerated.
    invert
        Larger depths are nearer to the viewer; they are farther away when not set.
    texture_size
        Most pixels a side of the picture.
    memory_limit
        Memory of the process, bytes or a text such as ``"2GB"``.

    Returns
    -------
    Mesh
        x to the right, y up, z towards the viewer, in micrometres, or in pixels where these have no known
        size; `write_mesh` writes it.

    Raises
    ------
    InputError
        For a map without any depth, images of other sizes, or heights that nothing relates to pixels.

    Examples
    --------
    >>> hill = np.fromfunction(lambda y, x: -np.hypot(y - 32, x - 32), (64, 64))
    >>> mesh = surface(hill, z_scale=1.0, triangles=1000)
    >>> 500 < len(mesh.faces) <= 1000, mesh.unit
    (True, 'pixel')
    """
    height_map = as_map(depth)
    scale = scale_of(height_map, pixel_size=pixel_size, z_scale=z_scale)
    _check(height_map, triangles, tolerance, max_step, texture_size)
    picture = None if texture is None else _picture(texture, height_map.shape, texture_size)
    values = masked(height_map, valid)
    side = _side(values.shape, triangles, tolerance, parse_bytes(memory_limit))
    found = None
    while found is None:
        grid = _averaged(values, side, max_step)
        if not np.isfinite(grid).any():
            raise InputError(_empty(values, side))
        if min(grid.shape) < 2:
            raise InputError(
                f"the outlines of the holes alone need more than {triangles} triangles; ask for more of them"
            )
        found = cut(grid, triangles, tolerance=tolerance, max_step=max_step)
        if found is not None and not len(found.faces):
            raise InputError("no three neighbouring pixels have a depth, so there is no surface")
        side *= 2 if found is None else 1
    return _mesh(found, grid, side, height_map.shape, scale, invert, picture)


def _check(
    depth: xr.DataArray, triangles: int, tolerance: float | None, max_step: float | None, texture_size: int
) -> None:
    if min(depth.shape) < 2:
        raise InputError(f"a surface needs at least 2 x 2 pixels, got {depth.shape}")
    if triangles < 2:
        raise InputError(f"triangles must be at least 2, got {triangles}")
    for name, value in (("tolerance", tolerance), ("max_step", max_step)):
        if value is not None and not value >= 0:
            raise InputError(f"{name} must be 0 or more, got {value!r}")
    if texture_size < 16:
        raise InputError(f"texture_size must be at least 16 pixels, got {texture_size}")


def _side(shape: tuple[int, ...], triangles: int, tolerance: float | None, limit: int) -> int:
    """Side of the squares of pixels that are averaged."""
    most = (limit / 2 - BYTES * triangles) / BYTES
    if most < 2 * triangles:
        raise MemoryLimitError(
            f"a mesh of {triangles} triangles needs {6 * BYTES * triangles / 1e9:.3g} GB, the limit is "
            f"{limit / 1e9:.3g} GB; ask for fewer, or raise memory_limit (--memory-limit)"
        )
    pixels = shape[0] * shape[1]
    needed = max(1, ceil(sqrt(pixels / most)))
    wanted = 1 if tolerance is not None else int(sqrt(pixels / (POINTS * triangles)))
    return min(max(needed, wanted), (min(shape) + 1) // 2)


def _averaged(values: da.Array, side: int, max_step: float | None) -> np.ndarray:
    """Means of squares of pixels, no depth where they differ too much to be one surface."""
    if side == 1:
        return np.asarray(values.compute())
    reduced = _reduced(values, side, partial(_mean_of_surface, side=side, max_step=max_step))
    return np.asarray(reduced.compute())


def _mean_of_surface(block: np.ndarray, side: int, max_step: float | None) -> np.ndarray:
    mean = block_mean(block, side)
    if max_step is not None:
        mean[block_spread(block, side) > max_step] = np.nan
    return mean


def _reduced(values: da.Array, side: int, function: partial) -> da.Array:
    tile = max(1, TILE // side) * side
    whole = values.rechunk((tile, tile, *values.shape[2:]))
    sizes = tuple(tuple(-(-n // side) for n in sizes) for sizes in whole.chunks[:2])
    return whole.map_blocks(function, dtype=np.float32, chunks=(*sizes, *whole.chunks[2:]))


def _empty(values: da.Array, side: int) -> str:
    known = int(da.isfinite(values).sum().compute())
    if not known:
        return "no pixel of the depth map has a depth (all are NaN, or not valid), so there is no surface"
    return (
        f"only {known} of {values.size} pixels have a depth, and squares of {side} pixels, which so few "
        "triangles can show, are without one for the most part; ask for more triangles"
    )


def _picture(texture: xr.DataArray | np.ndarray, shape: tuple[int, ...], most: int) -> np.ndarray:
    """The texture, no larger than `most`, as RGB."""
    if isinstance(texture, np.ndarray):
        texture = xr.DataArray(texture, dims=("y", "x", "channel")[: texture.ndim])
    if isinstance(texture, xr.DataArray) and texture.dims == ("y", "x"):
        texture = texture.expand_dims("channel", 2)
    if not isinstance(texture, xr.DataArray) or texture.dims != ("y", "x", "channel"):
        found = getattr(texture, "dims", type(texture).__name__)
        raise InputError(f"a texture is an image (y, x, channel), got {found}")
    if texture.shape[:2] != shape:
        raise InputError(
            f"the texture is {texture.shape[0]} x {texture.shape[1]} pixels and the depth map "
            f"{shape[0]} x {shape[1]}; give the image that was fused with that depth"
        )
    side = ceil(max(shape) / most)
    array = texture.data if isinstance(texture.data, da.Array) else da.from_array(texture.data, chunks=TILE)
    small = array if side == 1 else _reduced(array, side, partial(block_mean, side=side))
    pixels = np.asarray(small.compute())
    low, high = (0.0, 255.0) if texture.dtype == np.uint8 else display_range(pixels)
    return rgb_picture(pixels, low, high)


def _mesh(
    found: Cut,
    grid: np.ndarray,
    side: int,
    shape: tuple[int, ...],
    scale: MapScale,
    invert: bool,
    picture: np.ndarray | None,
) -> Mesh:
    rows, columns = found.points.T
    y, x = (_centres(size, side)[index] for size, index in zip(shape, (rows, columns), strict=True))
    z = grid[rows, columns].astype(np.float64) * (scale.z if invert else -scale.z)
    vertices = np.stack([x * scale.x, -y * scale.y, z + 0.0], axis=1).astype(np.float32)
    positions = np.stack([(x + 0.5) / shape[1], (y + 0.5) / shape[0]], axis=1).astype(np.float32)
    return Mesh(
        vertices,
        found.faces,
        normals(vertices, found.faces),
        positions,
        scale.unit,
        picture,
        grid=side,
        error=found.error * scale.z,
        largest_error=found.largest_error * scale.z,
    )


def _centres(size: int, side: int) -> np.ndarray:
    """Where the squares' centres lie, in pixels; the last square may be smaller."""
    starts = np.arange(0, size, side)
    return (starts + np.minimum(starts + side, size) - 1) / 2

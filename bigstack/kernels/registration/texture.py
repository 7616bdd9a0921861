"""Where a frame has structure to align by, and which patches two frames have it in together."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.kernels.registration.models import map_points

BLOCK = 16
"""Side in pixels of the blocks that texture is measured on."""


def texture_blocks(image: np.ndarray) -> np.ndarray:
    """Mean absolute difference of pixels two apart, in x plus in y, a block of 16 x 16.

    Parameters
    ----------
    image
        Grey (y, x) uint8, uint16 or float32. Rows and columns beyond the last whole block do not count.

    Returns
    -------
    ndarray
        float32 (y // 16, x // 16), but at least one block; an image with no room for a block has none.
    """
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    texture = np.zeros((max(rows, 1), max(columns, 1)), np.float32)
    if not columns:
        return texture
    for row in range(rows):
        # Strip by strip, so that what is between stays in the cache.
        strip = image[row * BLOCK : (row + 1) * BLOCK, : columns * BLOCK]
        across = cv2.absdiff(strip[:, 2:], strip[:, :-2])
        down = cv2.absdiff(strip[2:], strip[:-2])
        total = _column_sums(down) / (BLOCK - 2)
        total[1:-1] += _column_sums(across) / BLOCK
        texture[row] = total.reshape(columns, BLOCK).mean(axis=1)
    return texture


def _column_sums(strip: np.ndarray) -> np.ndarray:
    kind = cv2.CV_32S if strip.dtype == np.uint8 else cv2.CV_64F
    return cv2.reduce(strip, 0, cv2.REDUCE_SUM, dtype=kind)[0].astype(float)


def reduce_blocks(texture: np.ndarray, factor: int) -> np.ndarray:
    """Mean of factor x factor blocks, the last ones smaller."""
    if factor == 1:
        return texture
    starts = [np.arange(0, size, factor) for size in texture.shape]
    counts = [np.diff(np.append(s, size)) for s, size in zip(starts, texture.shape, strict=True)]
    total = np.add.reduceat(np.add.reduceat(texture, starts[0], axis=0), starts[1], axis=1)
    return total / np.outer(*counts)


def choose_patches(
    first: np.ndarray,
    second: np.ndarray,
    block: float,
    matrix: np.ndarray,
    shape: tuple[int, int],
    *,
    size: int,
    margin: int,
    count: int,
    focus: np.ndarray | None = None,
) -> np.ndarray:
    """Choose patches that have texture in two frames at once: half spread evenly, half where there is most.

    Parameters
    ----------
    first, second
        Texture of the two frames in blocks (rows, columns).
    block
        Side of a block in pixels.
    matrix
        3x3, first frame to second.
    shape
        Height and width of the frames in pixels.
    size
        Side of a patch in pixels.
    margin
        Pixels around a patch that must lie inside both frames.
    count
        Most patches to choose.
    focus
        Share (rows, columns) of the texture that the first frame's blocks have at best in the whole stack.

    Returns
    -------
    ndarray
        Top left pixels (n, 2), x before y, int, of patches with their margin.
    """
    common = _common(first, second, block, matrix)
    if focus is not None:
        common *= focus
    y, x = np.mgrid[: common.shape[0], : common.shape[1]]
    centres = (np.stack([x, y], axis=-1) + 0.5) * block - 0.5
    reach = size / 2 + margin
    common[~(_inside(centres, shape, reach) & _inside(map_points(matrix, centres), shape, reach))] = 0
    spacing = max(1, round(0.75 * size / block))
    taken: list[tuple[int, int]] = []
    for cell in _cells(common.shape, max(1, count // 2)):
        _take(common, cell, spacing, taken)
    values = common.ravel().copy()
    for flat in np.argsort(-values, kind="stable"):
        if len(taken) >= count or values[flat] <= 0:
            break
        row, column = divmod(int(flat), common.shape[1])
        _take(common, (slice(row, row + 1), slice(column, column + 1)), spacing, taken)
    if not taken:
        return np.zeros((0, 2), dtype=int)
    chosen = np.array([centres[at] for at in taken])
    return np.floor(chosen - reach + 1).astype(int)


def focus_shares(textures: list[np.ndarray], matrices: np.ndarray, block: float) -> list[np.ndarray]:
    """How near every block of every frame comes to the most texture that any frame has at that place.

    Parameters
    ----------
    textures
        Texture (rows, columns) of the frames.
    matrices
        (frames, 3, 3), from a common plane to the frames, good to about a block; NaN leaves a frame out.
    block
        Side of a block in pixels.

    Returns
    -------
    list of ndarray
        float32 (rows, columns), 0 to 1; ones for a frame left out.
    """
    rows, columns = textures[0].shape
    known = [z for z in range(len(textures)) if np.isfinite(matrices[z]).all()]
    border = (max(1, rows // 4), max(1, columns // 4))
    y, x = np.mgrid[-border[0] : rows + border[0], -border[1] : columns + border[1]]
    plane = (np.stack([x, y], axis=-1) + 0.5) * block - 0.5
    best = np.zeros(plane.shape[:2], np.float32)
    least = np.full(plane.shape[:2], np.inf, np.float32)
    for z in known:
        seen, inside = at_blocks(textures[z], map_points(matrices[z], plane), block)
        np.maximum(best, seen, out=best, where=inside)
        np.minimum(least, seen, out=least, where=inside)
    noise = float(np.percentile(least[np.isfinite(least)], 2))
    shares = []
    for z, texture in enumerate(textures):
        if z not in known:
            shares.append(np.ones_like(texture))
            continue
        y, x = np.mgrid[:rows, :columns]
        centres = (np.stack([x, y], axis=-1) + 0.5) * block - 0.5
        places = map_points(np.linalg.inv(matrices[z]), centres) + np.array(border[::-1]) * block
        most = np.maximum(at_blocks(best, places, block)[0], texture)
        little = 0.25 * noise + 1e-6
        shares.append(
            ((np.maximum(texture - noise, 0) + little) / (np.maximum(most - noise, 0) + little)).astype(
                np.float32
            )
        )
    return shares


def at_blocks(texture: np.ndarray, places: np.ndarray, block: float) -> tuple[np.ndarray, np.ndarray]:
    """Texture of the nearest block to each place, and which places are inside."""
    at = np.rint((places + 0.5) / block - 0.5).astype(int)
    size = (texture.shape[1], texture.shape[0])
    inside = ((at >= 0) & (at < size)).all(axis=-1)
    at = np.clip(at, 0, np.subtract(size, 1))
    return texture[at[..., 1], at[..., 0]], np.asarray(inside)


def _common(first: np.ndarray, second: np.ndarray, block: float, matrix: np.ndarray) -> np.ndarray:
    """The lesser texture of both frames at each block of the first."""
    y, x = np.mgrid[: first.shape[0], : first.shape[1]]
    centres = (np.stack([x, y], axis=-1) + 0.5) * block - 0.5
    typical = [max(float(np.median(t)), 1e-12) for t in (first, second)]
    there, _ = at_blocks(second, map_points(matrix, centres), block)
    return np.minimum(first / typical[0], there / typical[1]).astype(float)


def _inside(points: np.ndarray, shape: tuple[int, int], reach: float) -> np.ndarray:
    low, high = reach, (shape[1] - 1 - reach, shape[0] - 1 - reach)
    return np.asarray(((points >= low - 1) & (points <= np.add(high, 1))).all(axis=-1))


def _cells(shape: tuple[int, int], count: int) -> list[tuple[slice, slice]]:
    """About `count` cells of a grid, about square."""
    rows = max(1, min(shape[0], round(np.sqrt(count * shape[0] / shape[1]))))
    columns = max(1, min(shape[1], count // rows))
    edges = [
        np.linspace(0, size, pieces + 1).astype(int)
        for size, pieces in zip(shape, (rows, columns), strict=True)
    ]
    return [
        (slice(a, b), slice(c, d))
        for a, b in zip(edges[0], edges[0][1:], strict=False)
        for c, d in zip(edges[1], edges[1][1:], strict=False)
    ]


def _take(common: np.ndarray, cell: tuple[slice, slice], spacing: int, taken: list[tuple[int, int]]) -> None:
    """Take the best block of a cell and rule out its surroundings."""
    part = common[cell]
    if part.size == 0 or part.max() <= 0:
        return
    row, column = np.unravel_index(int(np.argmax(part)), part.shape)
    at = int(row) + cell[0].start, int(column) + cell[1].start
    taken.append(at)
    near = (
        slice(max(0, at[0] - spacing + 1), at[0] + spacing),
        slice(max(0, at[1] - spacing + 1), at[1] + spacing),
    )
    common[near] = np.minimum(common[near], 0)

"""A photograph with a depth map as layers that hide one another."""

from __future__ import annotations

import numpy as np

from bigstack.errors import InputError
from bigstack.synthetic.depths import DepthImage
from bigstack.synthetic.layers import Layer
from bigstack.synthetic.masks import MaskImage
from bigstack.synthetic.textures import Picture


def layers_from_depth(image: np.ndarray, depth: np.ndarray, *, cuts: int = 6) -> list[Layer]:
    """Cut a picture with known depth into layers, so that its near parts hide its far parts.

    Each layer shows a range of depths and goes on under all that is nearer: where what is nearer belongs to
    the same surface (less than one range away) with the picture's own colours, so that no seam shows where a
    surface runs through several ranges, elsewhere with its own colours mirrored at the edge, which stand for
    what the picture cannot show. All in focus, the layers are the picture.

    Parameters
    ----------
    image
        Picture (y, x) or (y, x, channel) of any dtype that `render_stack` takes as a texture.
    depth
        Depth (y, x) in frames, all finite, 0 nearest.
    cuts
        Number of ranges that the depth is cut into. Jumps of less than a range do not hide anything.

    Returns
    -------
    list of Layer
        Farthest first, for `render_stack(depth=...)`.

    Raises
    ------
    InputError
        When the shapes differ or a depth is not finite.

    Examples
    --------
    >>> depth = np.where(np.arange(64) < 30, 1.0, 8.0)[None, :].repeat(48, axis=0)
    >>> len(layers_from_depth(np.full((48, 64), 100, np.uint8), depth, cuts=2))
    2
    """
    if image.shape[:2] != depth.shape:
        raise InputError(f"picture and depth must have equal sizes, got {image.shape[:2]} and {depth.shape}")
    if cuts < 1 or not np.isfinite(depth).all():
        raise InputError(f"a cut needs finite depths and at least one range, got cuts={cuts}")
    edges = np.linspace(depth.min(), depth.max(), cuts + 1)
    step = edges[1] - edges[0]
    layers: list[Layer] = []
    for near, far in zip(edges[-2::-1], edges[:0:-1], strict=True):
        cover = (depth < far) | (far == edges[-1])
        if (cover & (depth >= near)).any():
            mask = MaskImage(cover) if layers else None
            layers.append(_layer(image, depth, mask, cover & (depth >= near - step)))
    return layers


def _layer(image: np.ndarray, depth: np.ndarray, mask: MaskImage | None, own: np.ndarray) -> Layer:
    """The layer whose colours and depths are the picture's where `own`, and made up elsewhere."""
    row, column, edge_row, edge_column = _made_up(own)
    colours, depths = image.copy(), depth.copy()
    colours[~own] = image[row, column]
    depths[~own] = depth[edge_row, edge_column]
    return Layer(Picture(colours), DepthImage(depths), mask)


def _made_up(own: np.ndarray) -> tuple[np.ndarray, ...]:
    """For pixels that are not `own`: the pixel mirrored at the nearest own one, and that one."""
    from scipy import ndimage

    place = np.stack(np.nonzero(~own))
    nearest = ndimage.distance_transform_edt(~own, return_distances=False, return_indices=True)[:, ~own]
    limit = np.array(own.shape)[:, None] - 1
    mirrored = np.clip(2 * nearest - place, 0, limit)
    usable = own[mirrored[0], mirrored[1]]
    row, column = np.where(usable, mirrored, nearest)
    return row, column, nearest[0], nearest[1]


def motorcycle(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The Middlebury motorcycle of scikit-image's package: picture (500, 741, 3), depth in frames.

    Scharstein et al. 2014 (doi:10.1007/978-3-319-11752-2_3). A lens blurs in proportion to the difference of
    inverse distances, which is what a disparity is, so depth in frames is linear in it.
    """
    import skimage.data
    from scipy import ndimage

    left, _, disparity = skimage.data.stereo_motorcycle()
    known = np.isfinite(disparity)
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    filled = ndimage.median_filter(disparity[tuple(nearest)], 5)
    low, high = np.percentile(filled, (0.5, 99.5))
    depth = (high - np.clip(filled, low, high)) / (high - low) * (frames - 1)
    return left, depth.astype(np.float32)

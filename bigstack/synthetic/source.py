"""A rendered stack as a source: any region of any frame, or of the truth, drawn when it is asked for."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import normalize_token, tokenize
from dask.blockwise import blockwise
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep

from bigstack.io.source import Source
from bigstack.synthetic.cache import ByteCache
from bigstack.synthetic.camera import Camera
from bigstack.synthetic.layers import Layer
from bigstack.synthetic.optics import Optics
from bigstack.synthetic.plane import BlockGrid, Box

TRUTH: dict[str, tuple[str, type]] = {
    "image": ("yxc", np.float32),
    "depth": ("yx", np.float32),
    "unobserved": ("yx", np.bool_),
    "vignetting": ("yx", np.float32),
    "hot": ("yxc", np.bool_),
}
"""Dims and dtypes of what `SyntheticSource.truth` draws."""


class SyntheticSource(Source):
    """A scene seen by a camera, rendered region by region.

    What `read` gives depends on nothing but the scene, the camera and the position: a region equals the
    crop of the whole bit for bit, noise included, however often and in whatever order it is read. Rendered
    blocks are kept for the next read up to `cache_bytes`; a pickled source goes without them.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        camera: Camera,
        *,
        frames: int,
        channels: int,
        blur_per_frame: float,
        psf: str,
        cache_bytes: int,
    ) -> None:
        self.shape = (frames, *camera.shape, channels)
        self.dtype = np.dtype(camera.dtype)
        self.layers, self.camera = layers, camera
        self.blur_per_frame, self.psf = blur_per_frame, psf
        self.cache_bytes = cache_bytes
        self._start()

    def _start(self) -> None:
        frames, height, width, channels = self.shape
        self._grid = BlockGrid(Box(0, height, 0, width))
        self.chunks = self._grid.block
        self._cache = ByteCache(self.cache_bytes)
        self._optics = Optics(
            self.layers,
            frames=frames,
            channels=channels,
            blur_per_frame=self.blur_per_frame,
            psf=self.psf,
            grid=BlockGrid(self.camera.canvas()),
            cache=self._cache,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_cache", "_optics")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __dask_tokenize__(self) -> object:
        """Equal for sources that render equal pixels."""
        camera = vars(self.camera)
        return (
            "SyntheticSource",
            normalize_token((self.layers, camera, self.shape, self.blur_per_frame, self.psf)),
        )

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        """Return pixels (y, x, channel) of frame `z`; the caller must not write into them."""
        return self._grid.gather(
            Box(y.start, y.stop, x.start, x.stop),
            lambda block: self._cache.get(("frame", z, block), lambda: self._frame(z, block)),
        )

    def _frame(self, z: int, block: Box) -> np.ndarray:
        camera = self.camera
        if not camera.moves(z):
            return camera.expose(z, block, self._ideal(z, block), self._hot(block))
        around = camera.seen(z, block)
        return camera.expose(
            z, block, camera.warp(z, block, self._ideal(z, around), around), self._hot(block)
        )

    def _ideal(self, z: int, box: Box) -> np.ndarray:
        return self._optics.frame(z, box)

    def _hot(self, block: Box) -> np.ndarray | None:
        if not self.camera.hot_pixels:
            return None
        return self._cache.get(("hot", block), lambda: self.camera.hot(block, self.shape[3]))

    def truth(self, name: str, y: slice, x: slice) -> np.ndarray:
        """Return a region of the truth called `name`, one of `TRUTH`: (y, x) or (y, x, channel)."""
        box = Box(y.start, y.stop, x.start, x.stop)
        if name == "depth":
            return self._optics.depth(box)
        if name == "unobserved":
            return self._optics.unobserved(box)
        if name == "vignetting":
            return self.camera.vignette(box)
        if name == "hot":
            return self._grid.gather(box, lambda block: self.camera.hot(block, self.shape[3]) > 0)
        image = self._optics.image(box) * np.float32(self.camera.full_scale)
        return image if self.dtype == np.float32 else np.minimum(image, np.float32(self.camera.full_scale))


def _truth_block(where: tuple[slice, ...], source: SyntheticSource, truth: str) -> np.ndarray:
    region = source.truth(truth, where[0], where[1])
    return region if len(where) == 2 else region[..., where[2]]


def lazy_truth(source: SyntheticSource, name: str, tile: int) -> da.Array:
    """The truth called `name` as a lazy dask array, in chunks of about `tile` pixels a side."""
    dims, dtype = TRUTH[name]
    _, height, width, channels = source.shape
    sides = [min(n, max(1, round(tile / c)) * c) for n, c in zip((height, width), source.chunks, strict=True)]
    shape = (height, width, channels)[: len(dims)]
    chunks = da.core.normalize_chunks((*sides, channels)[: len(dims)], shape=shape, dtype=dtype)
    key = f"truth-{name}-{tokenize(source, name, tile)}"
    layer: Any = blockwise(
        _truth_block, key, dims, ArraySliceDep(chunks), dims, numblocks={}, source=source, truth=name
    )
    return da.Array(HighLevelGraph({key: layer}, {key: set()}), key, chunks=chunks, dtype=dtype)

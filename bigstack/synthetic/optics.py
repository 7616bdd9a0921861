"""What an ideal lens makes of a scene: noise-free frames, and the truth about them.

Each surface is blurred as a whole, hidden parts included: a smooth surface by interpolating, at every
pixel, between images blurred by neighbouring radii of a table (so that nothing leaks between its parts),
and surfaces are laid over one another, far to near, with their outlines blurred alike. Work is done on a
fixed grid of blocks, each padded by the largest blur, so that a pixel has the same bits whatever region it
is read with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from bigstack.synthetic.cache import ByteCache
from bigstack.synthetic.layers import Layer
from bigstack.synthetic.plane import BlockGrid, Box
from bigstack.synthetic.psf import radius_table, support, transfer
from bigstack.synthetic.textures import Flat

CONTAMINATED = 0.02
"""Share of a pixel's light from nearer objects' defocus above which a frame does not see the pixel clean."""


class Optics:
    """Frames and truth of a scene on a canvas, block by block.

    Parameters
    ----------
    layers
        Surfaces, farthest first; the first without a mask, so that no pixel is empty.
    grid
        The blocks that work is done in; reads stay inside its canvas.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        frames: int,
        channels: int,
        blur_per_frame: float,
        psf: str,
        grid: BlockGrid,
        cache: ByteCache,
    ) -> None:
        self.layers = tuple(layers)
        self.frames, self.channels, self.psf = frames, channels, psf
        self.blur = blur_per_frame
        self.grid = grid
        self._cache = cache
        self._largest = [self._largest_radius(layer) for layer in self.layers]

    def _largest_radius(self, layer: Layer) -> float:
        near, far = layer.depth.bounds
        return self.blur * max(abs(near), abs(far), abs(self.frames - 1 - near), abs(self.frames - 1 - far))

    # Reads of any box of the canvas.

    def frame(self, z: int, box: Box) -> np.ndarray:
        """Colours (h, w, channel) float32 of frame `z`, 1.0 being full scale."""
        return self.grid.gather(box, lambda block: self._frame_block(z, block))

    def image(self, box: Box) -> np.ndarray:
        """All-in-focus colours (h, w, channel) float32."""
        return self.grid.gather(box, self._image_block)

    def depth(self, box: Box) -> np.ndarray:
        """Depth of the foremost surface (h, w) float32, in frames."""
        return self.grid.gather(box, self._depth_block)

    def unobserved(self, box: Box) -> np.ndarray:
        """Pixels (h, w) bool that nearer objects' defocus covers in every frame that has them in focus."""
        return self.grid.gather(box, self._unobserved_block)

    # One block.

    def _frame_block(self, z: int, block: Box) -> np.ndarray:
        return self._composite(block, functools.partial(self._defocused, z=z, block=block))

    def _image_block(self, block: Box) -> np.ndarray:
        return self._composite(block, lambda n, seen: self._level(n, block, 0.0))

    def _composite(self, block: Box, planes_of: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
        """Colours (h, w, channel) of all layers, nearest first, until nothing behind shows through.

        `planes_of` gives a layer's planes, right where its second argument (h, w) is true.
        """
        out = np.zeros((*block.shape, self.channels), np.float32)
        clear = np.ones((*block.shape, 1), np.float32)
        for n in reversed(range(len(self.layers))):
            planes = planes_of(n, clear[..., 0] > 0)
            if not planes.size:
                continue
            out += clear * self._colours(n, planes)
            if self.layers[n].mask is None:
                break
            clear *= 1 - planes[..., -1:]
            if not clear.any():
                break
        return out

    def _colours(self, n: int, planes: np.ndarray) -> np.ndarray:
        """Colour times cover of a layer: its planes, or its one colour times its only plane."""
        texture = self.layers[n].texture
        if isinstance(texture, Flat):
            return planes[..., -1:] * texture.values(self.channels)
        return planes[..., : self.channels]

    def _visible(self, block: Box) -> np.ndarray:
        """Number of the foremost layer that covers at least half of the pixel (h, w)."""
        visible = np.zeros(block.shape, np.intp)
        for n in range(1, len(self.layers)):
            cover = self._cover(n, self._level(n, block, 0.0))
            visible[cover >= 0.5] = n
        return visible

    def _depth_block(self, block: Box) -> np.ndarray:
        visible = self._visible(block)
        depth = np.empty(block.shape, np.float32)
        for n in np.unique(visible):
            where = visible == n
            depth[where] = self._layer_depth(int(n), block)[where]
        return depth

    def _unobserved_block(self, block: Box) -> np.ndarray:
        unobserved = np.zeros(block.shape, bool)
        if len(self.layers) == 1:
            return unobserved
        visible, depth = self._visible(block), self._depth_block(block)
        # What is less than a frame nearer is about as sharp as the pixel itself.
        nearer = [
            (visible < n) & (self._layer_depth(n, block) < depth - 1) for n in range(1, len(self.layers))
        ]
        sharp = self._shade(nearer, lambda n, seen: self._level(n, block, 0.0))
        unobserved |= np.any(nearer, axis=0)
        for z in range(self.frames):
            focused = unobserved & (np.abs(depth - z) <= 1)
            if focused.any():
                blurred = self._shade(nearer, functools.partial(self._defocused, z=z, block=block))
                unobserved &= ~(focused & (blurred - sharp <= CONTAMINATED))
        # A surface out of the frames' reach is badly focused, which is another matter.
        return unobserved & (depth >= -1) & (depth <= self.frames)

    def _shade(
        self, nearer: list[np.ndarray], planes_of: Callable[[int, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Share of each pixel (h, w) covered by the layers 1, 2, ... where `nearer` says they count."""
        clear = np.ones(nearer[0].shape, np.float32)
        for n, counts in enumerate(nearer, start=1):
            if counts.any():
                clear *= np.where(counts, 1 - self._cover(n, planes_of(n, counts)), np.float32(1))
        return 1 - clear

    def _cover(self, n: int, planes: np.ndarray) -> np.ndarray | np.float32:
        """Cover (h, w) of layer `n` by its planes."""
        if self.layers[n].mask is None:
            return np.float32(1)
        return planes[..., -1] if planes.size else np.float32(0)

    # One layer of one block.

    def _defocused(self, n: int, seen: np.ndarray, z: int, block: Box) -> np.ndarray:
        """Planes (h, w, p) of layer `n` in frame `z`, 0 where not `seen`; of size 0 if it is nowhere near."""
        near, far = self.layers[n].depth.bounds
        if near == far:
            return self._level(n, block, self.blur * abs(z - near))
        sharpest = self._level(n, block, 0.0)
        if not sharpest.size:
            return sharpest
        table = radius_table(self._largest[n])
        radius = np.float32(self.blur) * np.abs(self._layer_depth(n, block) - np.float32(z)).ravel()
        step = np.minimum(np.searchsorted(table, radius, side="right") - 1, len(table) - 2).astype(np.uint8)
        planes = sharpest.shape[2]
        step[~seen.ravel()] = 255  # a table has fewer than 60 radii, even for blur of 10000 px
        out = np.zeros((radius.size, planes), np.float32)
        for k in np.flatnonzero(np.bincount(step, minlength=256)[:255]):
            where = np.flatnonzero(step == k)
            small, large = table[k], table[k + 1]
            # Linear in the square: the mixture's variance is exactly that of the radius between.
            share = ((radius[where].astype(np.float64) ** 2 - small**2) / (large**2 - small**2)).astype(
                np.float32
            )
            mixed = self._level(n, block, small).reshape(-1, planes)[where]
            higher = self._level(n, block, large).reshape(-1, planes)[where]
            higher -= mixed
            higher *= share[:, None]
            mixed += higher
            out[where] = mixed
        return out.reshape(sharpest.shape)

    def _layer_depth(self, n: int, block: Box) -> np.ndarray:
        return self._cache.get(("depth", n, block), lambda: self.layers[n].depth.sample(block))

    def _level(self, n: int, block: Box, radius: float) -> np.ndarray:
        """Planes (h, w, p) float32 of layer `n` blurred by one radius: colours times cover, then cover."""
        return self._cache.get(("level", n, block, radius), lambda: self._blur(n, block, radius))

    def _blur(self, n: int, block: Box, radius: float) -> np.ndarray:
        planes = self._planes(n, block)
        inside = block.inside(self._padded(n, block))
        if radius <= 0 or not planes.size:
            return np.ascontiguousarray(planes.transpose(1, 2, 0)[inside]) if planes.size else planes
        from scipy import fft

        spectrum = self._cache.get(("spectrum", n, block), lambda: fft.rfft2(planes))
        shape = planes.shape[1:]
        blurred = fft.irfft2(spectrum * transfer(self.psf, radius, shape), shape, overwrite_x=True)
        if self.layers[n].mask is not None:
            np.clip(blurred[-1], 0, 1, out=blurred[-1])  # the transform rounds 1 to 1.0000001
        return np.ascontiguousarray(blurred.transpose(1, 2, 0)[inside])

    def _planes(self, n: int, block: Box) -> np.ndarray:
        """Sharp planes (p, h, w) float32 of the padded block; of size 0 where the mask is empty."""
        return self._cache.get(("planes", n, block), lambda: self._draw(n, self._padded(n, block)))

    def _draw(self, n: int, box: Box) -> np.ndarray:
        layer = self.layers[n]
        cover = None if layer.mask is None else layer.mask.sample(box)
        if cover is not None and not cover.any():
            return np.zeros((0, *box.shape), np.float32)
        if isinstance(layer.texture, Flat):
            return np.ones((1, *box.shape), np.float32) if cover is None else cover[None]
        colours = layer.texture.sample(box, self.channels).transpose(2, 0, 1)
        if cover is None:
            return np.ascontiguousarray(colours, np.float32)
        return np.concatenate([colours * cover, cover[None]])

    def _padded(self, n: int, block: Box) -> Box:
        """The block and all that blurs into it, enlarged to a size that is quick to transform."""
        from scipy import fft

        pad = support(self.psf, self._largest[n])
        height, width = (fft.next_fast_len(s + 2 * pad, real=True) for s in block.shape)
        y0, x0 = block.y0 - pad, block.x0 - pad
        return Box(y0, y0 + height, x0, x0 + width)

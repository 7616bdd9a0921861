"""A TIFF of Photoshop layers, written layer by layer; programs that know none see the picture they make."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.errors import FormatError, InputError
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import psd_blocks
from bigstack.io.writers import tiff_file as t
from bigstack.io.writers.spec import human
from bigstack.io.writers.tiff import TiffSink

MAX_SIDE = 300_000
"""The largest document of Photoshop."""
MAX_LAYERS = 8000
LIMIT = 2**32 - 2**20
"""Bytes of a TIFF with layers: their offsets and lengths have 32 bits. The margin is for the directory."""
BAND = 512
THUMBNAIL = 160
WAY_OUT = (
    "use fewer layers (--every 2, or bunches), 8 bits (--bits 8), several files, or keep the frames in an "
    "OME-Zarr (bigstack convert), which has no limit"
)

Read = Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class Layer:
    """One layer: its name and how to read rows of it."""

    name: str
    read: Read
    """Gives the pixels (y, x, channel) of some rows, all columns, in the file's dtype and channels."""
    alpha: Read | None = None
    """Gives their opacity (y, x) in the file's dtype; None for an opaque layer."""
    visible: bool = True


class LayeredTiff(TiffSink):
    """Writes layers of one size, bottom to top, with a composite and a thumbnail, band by band.

    Memory holds a band of rows and the compressed data of one layer.

    Parameters
    ----------
    spec
        Of the composite: uint8 or uint16, with 1 or 3 channels, and 1 more when even the lowest layer is
        transparent in places.
    level
        Effort of zlib, 1 to 9.
    """

    def __init__(
        self, path: str | os.PathLike[str], spec: ImageSpec, *, overwrite: bool = False, level: int = 1
    ) -> None:
        if not 1 <= level <= 9:
            raise InputError(f"level of layers is 1 to 9, got {level}")
        if not os.fspath(path).lower().endswith((".tif", ".tiff")):
            raise FormatError(f"layers are written as .tif, got {os.fspath(path)!r}")
        problem = self.problem(spec)
        if problem is not None:
            raise FormatError(f"{os.fspath(path)}: {problem}")
        super().__init__(path, spec, overwrite=overwrite)
        self.effort = level

    @classmethod
    def problem(cls, spec: ImageSpec) -> str | None:
        """Say why layers cannot be of this kind, None when they can."""
        if spec.dtype not in psd_blocks.KEYS:
            return f"layers are uint8 or uint16, not {spec.dtype}; convert them first"
        if spec.shape[2] not in (1, 2, 3, 4):
            return f"layers are grey or RGB, not {spec.shape[2]} channels; choose some (--channel)"
        if max(spec.shape[:2]) > MAX_SIDE:
            return f"Photoshop opens at most {MAX_SIDE} pixels a side, not {max(spec.shape[:2])}"
        return None

    def write(self, layers: Sequence[Layer], *, done: Callable[[float], None] = lambda share: None) -> None:
        """Write all layers, bottom first, and what they look like together.

        Raises
        ------
        FormatError
            When they do not fit a TIFF, found out by compressing some rows of some layers, or at the latest
            when the file has grown to its limit; nothing is left behind.
        """
        if not 1 <= len(layers) <= MAX_LAYERS:
            raise FormatError(f"a TIFF takes 1 to {MAX_LAYERS} layers, got {len(layers)}")
        self._refuse_huge(layers)
        self.open()
        try:
            with self.output.writing(0):
                self._write_composite(layers)
                self._write_layers(layers, done)
            self.finish()
        except BaseException:
            self.abort()
            raise

    def _refuse_huge(self, layers: Sequence[Layer]) -> None:
        """Estimate the size from three bands of up to five layers."""
        height = self.spec.shape[0]
        chosen = [layers[i] for i in sorted({round(i) for i in np.linspace(0, len(layers) - 1, 5)})]
        starts = sorted({0, height // 2, max(0, height - 64)})
        raw = packed = 0
        if self._raw_bytes(len(layers)) < LIMIT // 2:
            return
        for layer in chosen:
            for y in starts:
                for plane in self._planes(layer, slice(y, min(y + 64, height))):
                    raw += plane.nbytes
                    packed += len(zlib.compress(plane.tobytes(), self.effort))
        estimate = self._raw_bytes(len(layers) + 1) * packed / raw
        if estimate > 1.1 * LIMIT:
            raise FormatError(self._too_large(f"would need about {human(estimate)}", len(layers)))

    def _raw_bytes(self, layers: int) -> int:
        height, width, channels = self.spec.shape
        return layers * height * width * channels * np.dtype(self.spec.dtype).itemsize

    def _too_large(self, what: str, layers: int) -> str:
        return f"{self.path}: {layers} layers {what}, a TIFF holds {human(2**32)}; {WAY_OUT}"

    def _bands(self) -> Iterator[slice]:
        height = self.spec.shape[0]
        for y in range(0, height, BAND):
            yield slice(y, min(y + BAND, height))

    def _write_composite(self, layers: Sequence[Layer]) -> None:
        seen = [layer for layer in layers if layer.visible] or list(layers)
        height, width, channels = self.spec.shape
        step = max(1, -(-max(height, width) // THUMBNAIL))
        small = []
        for rows in self._bands():
            pixels = composite(seen, rows, np.dtype(self.spec.dtype), channels)
            tile = Tile(rows.start, rows.stop, 0, width)
            self.put(tile, self.encode(tile, pixels))
            small.append(pixels[-rows.start % step :: step, ::step])
        self._pages[0].fields.append(t.blob(psd_blocks.RESOURCES, _thumbnail(np.concatenate(small))))

    def _write_layers(self, layers: Sequence[Layer], done: Callable[[float], None]) -> None:
        assert self._container is not None
        assert self._file is not None
        file, start = self._file, self._container.append(psd_blocks.block_head(self.spec.dtype))
        body = file.tell()
        # Transparency of the lowest layer is that of the whole: Photoshop is told by the sign.
        sign = -1 if self.spec.shape[2] in (2, 4) else 1
        sizes = [[(number, 0) for number in self._numbers(layer)] for layer in layers]
        file.write(struct.pack("<h", sign * len(layers)) + self._records(layers, sizes))
        for i, layer in enumerate(layers):
            data = self._compressed(layer)
            if file.tell() + sum(map(len, data)) > LIMIT:
                raise FormatError(self._too_large(f"do not fit: it was full at layer {i + 1}", len(layers)))
            sizes[i] = [(number, len(each)) for number, each in zip(self._numbers(layer), data, strict=True)]
            for each in data:
                file.write(each)
            done((i + 1) / len(layers))
        length = file.tell() - body
        file.write(bytes(-length % 4))
        file.write(psd_blocks.user_mask())
        end = file.tell()
        file.seek(body - 4)
        file.write(struct.pack("<Ih", length, sign * len(layers)) + self._records(layers, sizes))
        file.seek(end)
        self._pages[0].fields.append(t.placed(psd_blocks.LAYERS, start, end - start))

    def _records(self, layers: Sequence[Layer], sizes: list[list[tuple[int, int]]]) -> bytes:
        shape = self.spec.shape[0], self.spec.shape[1]
        return b"".join(
            psd_blocks.record(layer.name, shape, lengths, visible=layer.visible)
            for layer, lengths in zip(layers, sizes, strict=True)
        )

    def _numbers(self, layer: Layer) -> list[int]:
        colours = 1 if self.spec.shape[2] < 3 else 3
        return [*([psd_blocks.ALPHA] if layer.alpha is not None else []), *range(colours)]

    def _planes(self, layer: Layer, rows: slice) -> list[np.ndarray]:
        """Rows of each channel of a layer, in the order of `_numbers`, as they are compressed."""
        pixels = layer.read(rows)
        planes = [pixels[..., c] for c in range(pixels.shape[2])]
        if layer.alpha is not None:
            planes.insert(0, layer.alpha(rows))
        return [_differences(plane) for plane in planes]

    def _compressed(self, layer: Layer) -> list[bytes]:
        """Data of each channel: two bytes that name the compression, then one zlib stream."""
        packers = [zlib.compressobj(self.effort) for _ in self._numbers(layer)]
        parts: list[list[bytes]] = [[struct.pack("<H", psd_blocks.ZIP)] for _ in packers]
        for rows in self._bands():
            for packer, part, plane in zip(packers, parts, self._planes(layer, rows), strict=True):
                part.append(packer.compress(plane.tobytes()))
        return [b"".join((*part, packer.flush())) for packer, part in zip(packers, parts, strict=True)]


def composite(layers: Sequence[Layer], rows: slice, dtype: np.dtype, channels: int) -> np.ndarray:
    """What layers, bottom to top, look like together: each over those below it, by its opacity.

    With 2 or 4 `channels` the last one is the opacity of the whole.
    """
    lowest = max((i for i, layer in enumerate(layers) if layer.alpha is None), default=0)
    result = layers[lowest].read(rows)
    opacity = None
    if channels in (2, 4):
        bottom = layers[lowest].alpha
        opacity = np.full(result.shape[:2], _full(dtype), dtype) if bottom is None else bottom(rows)
    for layer in layers[lowest + 1 :]:
        assert layer.alpha is not None
        result, opacity = _over(layer.read(rows), layer.alpha(rows), result, opacity, dtype)
    if opacity is None:
        return np.ascontiguousarray(result)
    return np.concatenate([result, opacity[..., None]], axis=2)


def _over(
    top: np.ndarray, alpha: np.ndarray, below: np.ndarray, opacity: np.ndarray | None, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray | None]:
    full = float(_full(dtype))
    share = (alpha / full)[..., None]
    under = np.float64(1.0) if opacity is None else (opacity / full)[..., None]
    whole = share + under * (1 - share)
    mixed = (top * share + below * (under * (1 - share))) / np.where(whole > 0, whole, 1.0)
    result = np.rint(mixed).astype(dtype)
    return result, None if opacity is None else np.rint(whole[..., 0] * full).astype(dtype)


def _differences(plane: np.ndarray) -> np.ndarray:
    found = np.array(plane, plane.dtype.newbyteorder(">"))
    np.subtract(plane[:, 1:], plane[:, :-1], out=found[:, 1:])
    return found


def _full(dtype: np.dtype) -> int:
    return int(np.iinfo(dtype).max)


def _thumbnail(pixels: np.ndarray) -> bytes:
    import imagecodecs

    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    colours = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1].repeat(3, axis=2)
    jpeg: Any = imagecodecs.jpeg8_encode(np.ascontiguousarray(colours), level=85)
    return psd_blocks.resources(bytes(jpeg), (pixels.shape[0], pixels.shape[1]))

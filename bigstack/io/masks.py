"""Hot pixels as black and white PNGs, one for all channels together and one for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bigstack.errors import InputError, StackError
from bigstack.geometry.correction import Fill, HotPixels
from bigstack.io.corrections import put_files

TOGETHER = "hot-rgb.png"


def mask_names(channels: int) -> tuple[str, ...]:
    """File names of the single channels' masks; none of a grey stack.

    Examples
    --------
    >>> mask_names(3)
    ('hot-r.png', 'hot-g.png', 'hot-b.png')
    """
    if channels == 1:
        return ()
    if channels == 3:
        return ("hot-r.png", "hot-g.png", "hot-b.png")
    return tuple(f"hot-{channel}.png" for channel in range(channels))


def write_masks(hot_pixels: HotPixels, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write ``hot-rgb.png``, what is hot in any channel, and ``hot-r.png``, ``hot-g.png``, ``hot-b.png``.

    Masks are 8 bit grey, 255 where hot. The folder is made when it isn't there.

    Raises
    ------
    OutputExistsError
        When one of them is there with other content and `overwrite` is not set.
    """
    folder = Path(folder)
    height, width, channels = hot_pixels.shape
    paths = [folder / name for name in (TOGETHER, *mask_names(channels))]
    y, x, channel = np.array(hot_pixels.positions, np.int64).reshape(-1, 3).T
    files = {}
    for number, path in enumerate(paths, -1):
        mask = np.zeros((height, width), np.uint8)
        chosen = slice(None) if number < 0 else channel == number
        mask[y[chosen], x[chosen]] = 255
        files[path] = _encode(mask)
    put_files(files, overwrite=overwrite)
    return paths


def read_masks(path: Path, *, channels: int, fill: Fill = "mean") -> HotPixels:
    """Read a folder of masks that `write_masks` wrote, or one PNG whose pixels are hot in all channels.

    Anything but black is hot; so masks can be edited in an image editor.

    Raises
    ------
    StackError
        When a file is missing or cannot be read, or sizes differ.
    """
    path = Path(path)
    names = mask_names(channels) or (TOGETHER,)
    files: Sequence[Path] = [path / name for name in names] if path.is_dir() else [path] * channels
    masks = [_read(file) for file in files]
    if len({mask.shape for mask in masks}) > 1:
        raise StackError(f"the masks in {path} have different sizes: {sorted({m.shape for m in masks})}")
    positions = np.argwhere(np.stack(masks, axis=-1))
    shape = (*masks[0].shape, channels)
    if len(positions) > 0.1 * np.prod(shape):
        raise InputError(f"{len(positions)} of {np.prod(shape)} values are hot in {path}: is it a mask?")
    return HotPixels(shape, tuple((int(a), int(b), int(c)) for a, b, c in positions), fill)


def _encode(mask: np.ndarray) -> bytes:
    done, encoded = cv2.imencode(".png", mask)
    assert done
    return bytes(encoded.tobytes())


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise StackError(f"{path} is not there; masks are PNG files")
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise StackError(f"{path} cannot be read as an image; masks are PNG files")
    if image.ndim == 3:  # an editor may have added colour, and an opaque alpha channel
        image = image[..., :3].max(axis=2)
    return np.asarray(image > 0)

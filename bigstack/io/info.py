"""What a stack on disk is, as plain values for `bigstack info`."""

from __future__ import annotations

from typing import Any

import numpy as np

from bigstack.io.formats.header import FrameHeader
from bigstack.io.open import Paths, open_any, stack_of
from bigstack.io.opened import MAX_PIXELS, Opened, ReadOptions


def describe(
    paths: Paths,
    *,
    scene: int | str | None = None,
    level: int | None = None,
    time: int | None = None,
    axes: str | None = None,
    skip_bad: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> dict[str, Any]:
    """Describe what `open_stack` would open, without reading pixels; the result can be written as JSON.

    Bad frames are named under `audit`, not raised, unless `skip_bad` is False or no good frame is left.

    Parameters
    ----------
    paths, scene, level, time, axes, skip_bad, max_pixels
        As for `bigstack.open_stack`.

    Returns
    -------
    dict
        source, kind, axes (name -> size), dtype, bytes, units (of the axes), unit (of a map's values),
        pixel_size ([z, y, x] or None), z, channels, alpha, chunks, storage, scenes, scene, levels
        ([height, width] each), level, metadata, audit.

    Examples
    --------
    >>> import cv2, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for i in range(3):
    ...     written = cv2.imwrite(f"{folder}/f{i}.png", np.full((4, 6), i, np.uint8))
    >>> describe(folder)["axes"]
    {'z': 3, 'y': 4, 'x': 6, 'channel': 1}
    """
    options = ReadOptions(scene, level, time, axes, "float32", skip_bad, max_pixels)
    opened = open_any(paths, options)
    stored = opened.source.dtype
    stack = stack_of(opened, ReadOptions(dtype=None if stored.name in ("uint8", "uint16") else "float32"))
    return {
        "source": opened.name,
        "kind": opened.kind,
        "axes": {str(dim): int(size) for dim, size in stack.sizes.items()},
        "dtype": stored.name,
        "bytes": int(np.prod(stack.shape)) * stored.itemsize,
        "units": stack.attrs["units"],
        "unit": stack.attrs.get("unit"),
        "pixel_size": stack.attrs["pixel_size"],
        "z": [float(value) for value in stack.z.values],
        "channels": [str(name) for name in stack.channel.values],
        "alpha": opened.alpha,
        "chunks": list(opened.source.chunks),
        "storage": opened.storage,
        "scenes": list(opened.scenes),
        "scene": opened.scene,
        "levels": [list(size) for size in opened.levels],
        "level": opened.level,
        "metadata": _metadata(opened),
        "audit": stack.attrs["audit"],
    }


def _metadata(opened: Opened) -> dict[str, int]:
    """Bytes of each kind of metadata that the frames carry."""
    header = opened.header or FrameHeader("", 0, 0, 0, "")
    found = {"icc_profile": header.icc_profile, "exif": header.exif, "xmp": header.xmp}
    return {name: len(data) for name, data in found.items() if data}

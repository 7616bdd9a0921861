"""Writing an image as a run does it: encoded in other processes' copies of the sink, put in order."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from bigstack.geometry import tiles_of
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink


def fill(sink, image, side=None):
    """Everything between `open` and `finish`, with tiles encoded last to first."""
    height, width = image.shape[:2]
    down, across = sink.multiple
    high = -(-(side or height) // down) * down
    wide = width if sink.full_width else -(-(side or width) // across) * across
    worker = pickle.loads(pickle.dumps(sink))
    tiles = [tile for tile in tiles_of((height, width), high, wide) if tile not in sink.done_tiles()]
    encoded = {tile: worker.encode(tile, image[tile.slices]) for tile in reversed(tiles)}
    for tile in tiles:
        sink.put(tile, encoded[tile])
    for level in range(1, sink.levels):
        for tile in reversed(sink.level_tasks(level)):
            worker.build_level(level, tile)


def write_image(path, image, *, side=None, overwrite=False, record=None, options=None, **metadata):
    spec = replace(ImageSpec(image.shape, image.dtype.name), **metadata)
    sink = create_sink(path, spec, overwrite=overwrite, record=record, **(options or {}))
    sink.open()
    fill(sink, image, side)
    sink.finish()
    return path


@pytest.fixture
def write():
    return write_image


def random_image(shape, dtype="uint8", seed=0):
    """Smooth in parts, noisy in others, full range."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, max(1, shape[0] * shape[1])).reshape(*shape[:2], 1)
    unit = np.where(ramp < 0.5, ramp, random.random(shape))
    if np.dtype(dtype).kind == "f":
        return ((unit - 0.5) * 1e3).astype(dtype)
    info = np.iinfo(dtype)
    return (unit * (float(info.max) - info.min) + info.min).astype(dtype)


@pytest.fixture
def picture():
    return random_image

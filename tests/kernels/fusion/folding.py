"""Runs folds on whole images, as the engine does on tiles."""

from itertools import pairwise
from typing import Any

import numpy as np

from bigstack.kernels.fold import Output, Window
from bigstack.kernels.fusion.base import Base
from bigstack.kernels.fusion.pyramid import Chain, Collapse, PyramidSelect, pyramid_levels

DTYPES = ("uint8", "uint16", "float32")


def random_frames(seed: int, shape: tuple[int, int, int, int], dtype: str) -> np.ndarray:
    """Noise of the full range in which extremes are common; floats of both signs."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return (rng.normal(size=shape) * 1000).astype(dtype)
    top = np.iinfo(dtype).max
    noise = rng.integers(0, top + 1, shape, dtype)
    return np.where(rng.random(shape) < 0.3, rng.choice(np.array([0, top], dtype), shape), noise)


def random_valid(seed: int, shape: tuple[int, int, int]) -> list[np.ndarray | None]:
    """Masks of frames: some whole, some with a corner or side made up."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray | None] = []
    for _ in range(shape[0]):
        mask = np.ones(shape[1:], bool)
        mask[: rng.integers(0, shape[1] + 1), : rng.integers(0, shape[2] + 1)] = False
        found.append(None if rng.random() < 0.3 else mask)
    return found


def run(fold: Any, frames: np.ndarray, valid: Any = None, cuts: tuple[int, ...] = ()) -> dict[str, Any]:
    """Results of a fold over frames, in blocks of z that end at `cuts` and are merged in order."""
    edges = [0, *sorted(set(cuts) - {0, len(frames)}), len(frames)]
    whole = tuple(slice(0, side) for side in frames.shape[1:3])
    state, tall = None, []
    for start, stop in pairwise(edges):
        window = Window(frames.shape[1:3], whole, range(start, stop), frames.shape[3], frames.dtype)
        out = {
            name: np.empty((stop - start, *reduced_shape(frames, output)), output.dtype)
            for name, output in fold.outputs.items()
            if "z" in output.dims
        }
        part, work = fold.start(window, out), {}
        for number in range(getattr(fold, "rounds", 1)):
            if number:
                fold.turn(part)
            for z in range(start, stop):
                fold.add(part, frames[z], z, None if valid is None else valid[z], work)
        state = part if state is None else fold.merge(state, part)
        tall.append(out)
    return fold.finish(state) | {name: np.concatenate([out[name] for out in tall]) for name in tall[0]}


def reduced_shape(frames: np.ndarray, output: Output) -> tuple[int, ...]:
    height, width, channels = frames.shape[1:]
    sides = -(-height // output.factor), -(-width // output.factor)
    return (*sides, channels) if "channel" in output.dims else sides


def fuse_whole(
    frames: np.ndarray,
    *,
    levels: int | None = None,
    window: int | None = 5,
    base: str = "average",
    a: float = 0.375,
    channels: tuple[int, ...] = (),
    valid: list[np.ndarray | None] | None = None,
    cuts: tuple[int, ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Image and index of pyramid fusion, all levels in one fold."""
    chain = Chain.of(frames.dtype, a)
    levels = levels or pyramid_levels(frames.shape[1:3])
    fold = PyramidSelect(chain, levels, window, channels, index_level=0, with_valid=valid is not None)
    found = run(fold, frames, valid, cuts)
    top = run(Base(chain, base, 5, channels), found["reduced"], found.get("valid"))["base"]
    image = Collapse(chain, last=True)(found["bands"], top)
    return image.reshape(frames.shape[1:]), found["index"]

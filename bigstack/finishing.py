"""Options of `bigstack.fuse` that suit every method: what is done to an image once it is fused."""

from __future__ import annotations

from collections.abc import Mapping

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from bigstack.engine.photometry import NoiseProbe
from bigstack.engine.prune import unpruned
from bigstack.engine.sources import as_source
from bigstack.engine.tiles import map_overlap
from bigstack.errors import InputError
from bigstack.io.source import Source
from bigstack.kernels.fusion.finish import Denoise, Limit, Reassign

NOISE_FRAMES = 4
"""Frames that noise is measured in."""


def finish(
    stack: da.Array,
    arrays: Mapping[str, da.Array],
    *,
    limit_halos: bool = False,
    reassign_colors: bool = False,
    denoise: float = 0.0,
) -> dict[str, da.Array]:
    """Do to a fused image what was asked for, in this order; the first two read the stack once more each.

    Parameters
    ----------
    stack
        The frames (z, y, x, channel), lazy.
    arrays
        What was fused of them: ``image`` (y, x, channel) and other variables, which stay as they are.
    limit_halos
        Keep every pixel within the range of what the frames have there: cuts off the rims at hard edges that
        are brighter or darker than all frames. Over scenes of ``benchmarks/quality.py`` the PSNR of
        ``pyramid`` changes by -0.2 (discs) to +0.2 dB (steps); a range of the frames next to the sharpest
        one alone would cost 0.5 to 3 dB.
    reassign_colors
        Give every pixel the colour nearest to its own that a frame has there (Forster et al. 2004,
        doi:10.1002/jemt.20092): no colour is made up, and noise that was averaged comes back.
    denoise
        Strength of non-local means against the noise that one frame has, measured in a few frames: 1 suits
        methods that select, 0.5 those that average; 0 for none.

    Returns
    -------
    dict
        The same variables, lazy.

    Raises
    ------
    InputError
        For an impossible strength.

    Examples
    --------
    >>> frames = da.concatenate([da.zeros((1, 32, 32, 1)), da.ones((1, 32, 32, 1))]).astype("float32")
    >>> rim = da.full((32, 32, 1), 1.25, dtype="float32")
    >>> float(finish(frames, {"image": rim}, limit_halos=True)["image"].max())
    1.0
    """
    found = dict(arrays)
    if limit_halos:
        found["image"] = _look_again(Limit(), stack, found["image"])
    if reassign_colors:
        found["image"] = _look_again(Reassign(), stack, found["image"])
    if not 0 <= denoise <= 10:
        raise InputError(f"denoise is a strength from 0 to 10, got {denoise!r}")
    if denoise:
        found["image"] = _denoised(stack, found["image"], denoise)
    return found


def _look_again(fold: Limit | Reassign, stack: da.Array, image: da.Array) -> da.Array:
    return map_overlap(fold, stack, tile=image.chunks[:2], given={"image": image}).output("image")


def _denoised(stack: da.Array, image: da.Array, strength: float) -> da.Array:
    # Copies that stand in for frames have no noise.
    noise = _noise(unpruned(as_source(stack)))
    fold = Denoise(float(strength))
    tiles = map_overlap(fold, image[None], tile=image.chunks[:2], depend=True, known=noise)
    return tiles.output("image")


def _noise(source: Source) -> da.Array:
    """Noise of each channel (0-d, of a tuple), measured when it is computed."""
    name = f"noise-{tokenize(source)}"
    graph = HighLevelGraph({name: {(name,): (_measure, _Opaque(source))}}, {name: set()})
    return da.Array(graph, name, chunks=(), dtype=object)


class _Opaque:
    """Keeps dask from looking into a source."""

    def __init__(self, source: Source) -> None:
        self.source = source


def _measure(opaque: _Opaque) -> tuple[float, ...]:
    source = opaque.source
    count = min(NOISE_FRAMES, source.shape[0])
    frames = np.linspace(0, source.shape[0] - 1, count).round().astype(int)
    table = np.array([NoiseProbe()(source, int(z)) for z in frames])
    medians = [
        np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0 for column in table.T
    ]
    return tuple(float(median) for median in medians)

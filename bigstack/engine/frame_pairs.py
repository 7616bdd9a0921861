"""Frames looked at, and pairs of them measured: tasks of dask's current scheduler.

Every frame is read once and reduced, and small stacks are kept as grey frames besides; of large ones,
patches are read again where they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed, delayed

from bigstack.engine.watch import measuring
from bigstack.io.source import Source
from bigstack.kernels.luminance import luminance
from bigstack.kernels.registration.coarse import PairFit, PairOptions, coarse_pair
from bigstack.kernels.registration.matched import distant_pair
from bigstack.kernels.registration.models import held_still
from bigstack.kernels.registration.plausible import implausible
from bigstack.kernels.registration.refine import fine_pair, levels_of
from bigstack.kernels.registration.texture import focus_shares
from bigstack.kernels.registration.view import View, view_of

if TYPE_CHECKING:
    from bigstack.engine.register import RegisterOptions

_SMALL = 1_600_000
"""Most pixels of a reduced frame."""
_STRIP = 1 << 22
"""Pixels of a frame that are read at a time, about."""


class PairWork:
    """Frames looked at, and the tasks on them."""

    def __init__(self, source: Source, options: RegisterOptions) -> None:
        self.source, self.options = source, options
        frames, height, width = source.shape[:3]
        self.shape = height, width
        grey = frames * height * width * source.dtype.itemsize
        self.keep = options.pair.refine and grey <= options.memory
        self.factor = _factor(frames, height * width, options.memory)
        self.levels = levels_of(self.shape, self.factor, full=True) if options.pair.refine else [self.factor]
        self.opaque = delayed(_Opaque(source), name=f"source-{tokenize(source)}", traverse=False)
        token = tokenize(source, options.channels, self.factor, self.keep)
        looked = [
            delayed(_look, pure=True)(
                self.opaque, z, options.channels, self.factor, self.keep, dask_key_name=f"look-{token}-{z}"
            )
            for z in range(frames)
        ]
        with measuring("aligning: reading frames"):
            self.views: list[Delayed] = list(dask.persist(*looked))
            maps = dask.compute(*[delayed(_textures)(view, self.levels) for view in self.views])
        self.textures = {level: [m[level][0] for m in maps] for level in self.levels}
        self.blocks = {level: maps[0][level][1] * level for level in self.levels}
        self.sharpness = min(self.levels)
        self._focus: list[Any] = [None] * frames
        self.refused: dict[tuple[int, int], str] = {}

    def coarse(self, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], PairFit]:
        """Pairs by the method, from nothing."""
        tasks = {
            (i, j): delayed(_coarse)(self.views[i], self.views[j], _Opaque(self.options.pair))
            for i, j in wanted
        }
        return self._computed(tasks, "aligning: finding neighbours")

    def share_focus(self, chain: np.ndarray) -> None:
        """Find out how near each place of each frame is to its sharpest in the stack."""
        shares = {
            level: focus_shares(self.textures[level], chain, self.blocks[level]) for level in self.levels
        }
        frames = range(self.source.shape[0])
        self._focus = [delayed(_Opaque({level: shares[level][z] for level in self.levels})) for z in frames]

    def fine(self, near: dict[tuple[int, int], np.ndarray], *, full: bool) -> dict[tuple[int, int], PairFit]:
        """Pairs of which something is known: by patches, or by the method again."""
        options = self.options
        tasks = {}
        for (i, j), matrix in near.items():
            if not options.pair.refine:
                tasks[i, j] = delayed(_again)(self.views[i], self.views[j], matrix, _Opaque(options.pair))
                continue
            source = self.opaque if full and not self.keep else None
            tasks[i, j] = delayed(_fine)(
                self.views[i], self.views[j], self._focus[i], self._focus[j], matrix, _Opaque(options.pair),
                source, (i, j), options.channels, full,
            )  # fmt: skip
        step = "aligning: measuring neighbours" if full else "aligning: measuring distant pairs"
        return self._computed(tasks, step)

    def matched(self, near: dict[tuple[int, int], np.ndarray]) -> dict[tuple[int, int], PairFit]:
        """Pairs of frames of very different focus."""
        pair = _Opaque(self.options.pair)
        tasks = {
            (i, j): delayed(_matched)(self.views[i], self.views[j], matrix, pair)
            for (i, j), matrix in near.items()
        }
        return self._computed(tasks, "aligning: measuring distant pairs")

    def _computed(self, tasks: dict[tuple[int, int], Delayed], step: str) -> dict[tuple[int, int], PairFit]:
        """Results of the tasks; pairs that are beyond the limits are not to be trusted."""
        with measuring(step):
            found = dict(zip(tasks, dask.compute(*tasks.values()), strict=True))
        for pair, fit in found.items():
            # Steps of a fit that are composed leave a trace of what none of them does.
            matrix = held_still(fit.matrix, self.options.pair.fixed, self.shape)
            reasons = implausible(matrix, self.shape, self.options.limits)
            found[pair] = replace(fit, matrix=matrix, trusted=fit.trusted and not reasons)
            if reasons and fit.trusted:
                self.refused[pair] = ", ".join(reasons)
        return found


def measure_pair(
    source: Source,
    first: int,
    second: int,
    near: np.ndarray,
    pair: PairOptions,
    channels: tuple[int, ...] = (),
) -> PairFit:
    """Measure two frames by patches, from a transform that is about right: what agrees, and where.

    Parameters
    ----------
    source
        The frames.
    first, second
        Numbers of two of them.
    near
        3x3, first frame to second.
    pair
        Model and patches.
    channels
        Channels that are measured by, all when empty.
    """
    opaque, factor = _Opaque(source), _factor(2, source.shape[1] * source.shape[2], 1 << 29)
    one, other = (_look(opaque, z, channels, factor, False) for z in (first, second))
    alone, wrapped = _Opaque({}), _Opaque(pair)
    return _fine(one, other, alone, alone, near, wrapped, opaque, (first, second), channels, True)


def _factor(frames: int, pixels: int, memory: int) -> int:
    """How much to reduce frames: a power of two."""
    most = min(_SMALL, memory / (2 * frames))
    factor = 1
    while pixels / factor**2 > most and pixels / factor**2 > 1 << 16:
        factor *= 2
    return factor


class _Opaque:
    """Keeps dask from taking a value apart."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __dask_tokenize__(self) -> object:
        return tokenize(self.value)


def _reader(source: Source, z: int, channels: tuple[int, ...]) -> Any:
    def read(y: slice, x: slice) -> np.ndarray:
        return luminance(source.read(z, y, x), channels)

    return read


def _look(opaque: _Opaque, z: int, channels: tuple[int, ...], factor: int, keep: bool) -> View:
    """Read a frame once."""
    source: Source = opaque.value
    height, width = source.shape[1:3]
    read = _reader(source, z, channels)
    if keep or source.whole_frames:
        frame = read(slice(0, height), slice(0, width))
        view = view_of(lambda y, x: frame[y, x], (height, width), factor)
        view.grey = frame if keep else None
        return view
    chunk = source.chunks[0]
    rows = max(chunk, _STRIP // width // chunk * chunk)
    return view_of(read, (height, width), factor, rows=rows)


def _textures(view: View, levels: list[int]) -> dict[int, tuple[np.ndarray, float]]:
    return {level: (view.texture_at(level), view.block_at(level)) for level in levels}


def _coarse(first: View, second: View, options: _Opaque) -> PairFit:
    return coarse_pair(first, second, options.value)


def _again(first: View, second: View, near: np.ndarray, options: _Opaque) -> PairFit:
    return coarse_pair(first, second, options.value, [near])


def _fine(
    first: View,
    second: View,
    focus_first: _Opaque,
    focus_second: _Opaque,
    near: np.ndarray,
    options: _Opaque,
    opaque: _Opaque | None,
    pair: tuple[int, int],
    channels: tuple[int, ...],
    full: bool,
) -> PairFit:
    views = []
    for view, focus, z in zip((first, second), (focus_first, focus_second), pair, strict=True):
        pixels = None
        if full:
            pixels = view.read_grey if opaque is None else _patches(opaque.value, z, channels)
        views.append(replace(view, focus=focus.value, pixels=pixels))
    return fine_pair(views[0], views[1], near, options.value)


def _matched(first: View, second: View, near: np.ndarray, options: _Opaque) -> PairFit:
    return distant_pair(first, second, near, options.value)


def _patches(source: Source, z: int, channels: tuple[int, ...]) -> Any:
    if not source.whole_frames:
        return _reader(source, z, channels)
    height, width = source.shape[1:3]
    frame = luminance(source.read(z, slice(0, height), slice(0, width)), channels)
    return lambda y, x: frame[y, x]

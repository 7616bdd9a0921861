"""From a source of frames to an alignment: what is read, and which pairs are measured.

Every frame is read once and reduced, and small stacks are kept as grey frames besides; of large ones,
patches are read again where they are needed. All that work is tasks of dask's current scheduler; none of it
depends on how a frame is stored or on how many workers there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import dask
import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed, delayed

from bigstack.engine.settle import settle
from bigstack.engine.watch import measuring
from bigstack.geometry.alignment import Alignment
from bigstack.io.source import Source
from bigstack.kernels.luminance import luminance
from bigstack.kernels.registration.coarse import PairFit, PairOptions, coarse_pair
from bigstack.kernels.registration.models import corner_distance, corner_radius, inverse
from bigstack.kernels.registration.plausible import Limits, blurred_frames, empty_frames, implausible
from bigstack.kernels.registration.refine import fine_pair, levels_of
from bigstack.kernels.registration.solve import Pair, solve_chain, solve_global
from bigstack.kernels.registration.texture import focus_shares
from bigstack.kernels.registration.view import View, view_of

Mode = Literal["global", "chain", "direct"]
Misaligned = Literal["error", "interpolate", "drop"]
MODES: tuple[str, ...] = get_args(Mode)
MISALIGNED: tuple[str, ...] = get_args(Misaligned)

_SMALL = 1_600_000
"""Most pixels of a reduced frame."""
_STRIP = 1 << 22
"""Pixels of a frame that are read at a time, about."""
_FARTHEST_LINK = 8
"""Frames in a row that may be unusable before the stack falls apart."""
_LEAP, _LEAP_USUAL = 0.15, 6.0
"""Share of half the diagonal, and multiple of what is usual, beyond which a motion of neighbours is a leap:
leap: it ties a frame down only if nothing else does, lest one wrong pair put all frames behind it out of
place."""
_DISTANCES = (4, 8, 16, 32, 64, 128)
"""How far apart frames are that are measured beside neighbours and next neighbours."""


@dataclass(frozen=True)
class RegisterOptions:
    """How a stack is registered."""

    reference: int
    mode: Mode = "global"
    pair: PairOptions = field(default_factory=PairOptions)
    limits: Limits = field(default_factory=Limits)
    smooth_scale: bool = False
    on_misaligned: Misaligned = "error"
    channels: tuple[int, ...] = ()
    """Channels that are registered by, all when empty."""
    memory: int = 1 << 29
    """Bytes of grey frames to keep, full size or reduced, at most."""


@dataclass
class Measured:
    """All that is known of a stack before it is solved."""

    pairs: dict[tuple[int, int], PairFit]
    empty: np.ndarray
    blurred: np.ndarray
    blank: bool
    """True when no frame has any structure."""
    refused: dict[tuple[int, int], str]
    """Pairs that match, but beyond the limits, and by what."""


def register(source: Source, options: RegisterOptions, names: list[str] | None = None) -> Alignment:
    """Register the frames of a source.

    Parameters
    ----------
    source
        The frames.
    options
        How.
    names
        What to call the frames in errors; by number when not given.
    """
    frames, height, width = source.shape[:3]
    work = _Work(source, options)
    chain, pairs, empty = _link_up(work)
    blurred = blurred_frames(work.textures[work.sharpness], chain, work.blocks[work.sharpness])
    if options.pair.refine:
        work.share_focus(chain)
        pairs = {}
    pairs |= _measure_near(work, chain, pairs)
    if options.mode == "global":
        pairs |= _measure_far(work, pairs)
    blank = not any(texture.any() for texture in work.textures[work.sharpness])
    measured = Measured(pairs, empty, blurred, blank, work.refused)
    return settle(measured, frames, (height, width), options, names or [f"frame {z}" for z in range(frames)])


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


class _Work:
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

    def _computed(self, tasks: dict[tuple[int, int], Delayed], step: str) -> dict[tuple[int, int], PairFit]:
        """Results of the tasks; pairs that are beyond the limits are not to be trusted."""
        with measuring(step):
            found = dict(zip(tasks, dask.compute(*tasks.values()), strict=True))
        for pair, fit in found.items():
            reasons = implausible(fit.matrix, self.shape, self.options.limits)
            if reasons:
                found[pair] = replace(fit, trusted=False)
            if reasons and fit.trusted:
                self.refused[pair] = ", ".join(reasons)
        return found


def _link_up(work: _Work) -> tuple[np.ndarray, dict[tuple[int, int], PairFit], np.ndarray]:
    """Coarse transforms of all frames that can be tied together, their pairs, and empty frames."""
    frames, options = work.source.shape[0], work.options
    empty = empty_frames(work.textures[max(work.levels)])
    usable = [z for z in range(frames) if not empty[z]]
    pairs: dict[tuple[int, int], PairFit] = {}
    leaps: dict[tuple[int, int], PairFit] = {}
    usual = 0.0
    for distance in range(1, _FARTHEST_LINK + 1):
        group = _groups(pairs, frames)
        wanted = [
            (i, i + distance) for i in usable if i + distance in usable and group[i] != group[i + distance]
        ]
        if not wanted:
            continue
        found = {pair: fit for pair, fit in work.coarse(wanted).items() if fit.trusted}
        moves = {pair: corner_distance(fit.matrix, np.eye(3), work.shape) for pair, fit in found.items()}
        if distance == 1 and moves:
            usual = float(np.median(list(moves.values())))
        most = max(_LEAP * corner_radius(work.shape), _LEAP_USUAL * usual) * distance
        pairs |= {pair: fit for pair, fit in found.items() if moves[pair] <= most}
        leaps |= {pair: fit for pair, fit in found.items() if moves[pair] > most}
    for pair, fit in leaps.items():
        group = _groups(pairs, frames)
        if group[pair[0]] != group[pair[1]]:
            pairs[pair] = fit
    if options.mode == "direct" and not options.pair.refine:
        wanted = [(options.reference, z) for z in usable if z != options.reference]
        pairs |= {pair: fit for pair, fit in work.coarse(wanted).items() if fit.trusted}
    chain = solve_chain(_believed(pairs), frames, options.reference)
    return chain, pairs, empty


def _groups(pairs: dict[tuple[int, int], PairFit], frames: int) -> list[int]:
    """Number of the group of frames that pairs tie together, for every frame."""
    group = list(range(frames))
    for i, j in pairs:
        old, new = group[j], group[i]
        group = [new if g == old else g for g in group]
    return group


def _measure_near(
    work: _Work, chain: np.ndarray, pairs: dict[tuple[int, int], PairFit]
) -> dict[tuple[int, int], PairFit]:
    """Neighbours and next neighbours, or all frames against the reference."""
    known = np.flatnonzero(np.isfinite(chain[:, 0, 0]))
    mode, reference = work.options.mode, work.options.reference
    if mode == "direct":
        wanted = [(reference, int(z)) for z in known if z != reference]
    else:
        wanted = [(int(i), int(j)) for i, j in pairwise(known)]
        if mode == "global":
            wanted += [(int(i), int(j)) for i, j in zip(known, known[2:], strict=False)]
    wanted = [pair for pair in wanted if pair not in pairs]
    return work.fine({(i, j): chain[j] @ inverse(chain[i]) for i, j in wanted}, full=True)


def _measure_far(work: _Work, pairs: dict[tuple[int, int], PairFit]) -> dict[tuple[int, int], PairFit]:
    """Frames 4, 8, 16... apart, as long as that finds something; the nearer pairs say where to look."""
    frames, options = work.source.shape[0], work.options
    found: dict[tuple[int, int], PairFit] = {}
    for distance in _DISTANCES:
        if distance >= frames:
            break
        solved = solve_global(
            _believed(pairs | found), frames, options.reference, options.pair.motions, work.shape
        ).matrices
        near = {
            (i, i + distance): solved[i + distance] @ inverse(solved[i])
            for i in range(0, frames - distance, distance // 2)
            if np.isfinite(solved[[i, i + distance]]).all()
        }
        measured = work.fine(near, full=False)
        found |= measured
        if sum(fit.trusted for fit in measured.values()) < len(measured) / 4:
            break
    return found


def _believed(pairs: dict[tuple[int, int], PairFit]) -> list[Pair]:
    return [Pair(i, j, fit.matrix, fit.information) for (i, j), fit in pairs.items() if fit.trusted]


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


def _patches(source: Source, z: int, channels: tuple[int, ...]) -> Any:
    if not source.whole_frames:
        return _reader(source, z, channels)
    height, width = source.shape[1:3]
    frame = luminance(source.read(z, slice(0, height), slice(0, width)), channels)
    return lambda y, x: frame[y, x]

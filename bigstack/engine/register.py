"""From a source of frames to an alignment: what is read, and which pairs are measured.

None of it depends on how a frame is stored or on how many workers there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from bigstack.engine.frame_pairs import PairWork
from bigstack.engine.settle import settle
from bigstack.geometry.alignment import Alignment
from bigstack.io.source import Source
from bigstack.kernels.registration.coarse import PairFit, PairOptions
from bigstack.kernels.registration.models import corner_distance, corner_radius, inverse
from bigstack.kernels.registration.plausible import Limits, blurred_frames, empty_frames
from bigstack.kernels.registration.solve import Pair, solve_chain, solve_global

Mode = Literal["global", "chain", "direct"]
Misaligned = Literal["error", "interpolate", "drop"]
MODES: tuple[str, ...] = get_args(Mode)
MISALIGNED: tuple[str, ...] = get_args(Misaligned)

_FARTHEST_LINK = 8
"""Frames in a row that may be unusable before the stack falls apart."""
_LEAP, _LEAP_USUAL = 0.15, 6.0
"""Share of half the diagonal, and multiple of what is usual, beyond which a motion of neighbours is a leap:
it ties a frame down only if nothing else does, lest one wrong pair put all frames behind it out of
place."""
_DISTANCES = (4, 8, 16, 32, 64, 128)
"""How far apart frames are that are measured beside neighbours and next neighbours."""
_PATCHED = 32
"""Frames that are farther apart differ so much in blur that patches have to be matched in it."""
_MATCHED = (24, 48, 96, 192, 384, 768)
"""How far apart frames are that are measured by patches of equal blur."""
_STRIDE = 24
"""Frames between the firsts of two such pairs, at most."""


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
    work = PairWork(source, options)
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


def _link_up(work: PairWork) -> tuple[np.ndarray, dict[tuple[int, int], PairFit], np.ndarray]:
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
    work: PairWork, chain: np.ndarray, pairs: dict[tuple[int, int], PairFit]
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


def _measure_far(work: PairWork, pairs: dict[tuple[int, int], PairFit]) -> dict[tuple[int, int], PairFit]:
    """Frames 4, 8, 16... apart, as long as that finds something; the nearer pairs say where to look."""
    frames, refine = work.source.shape[0], work.options.pair.refine
    found: dict[tuple[int, int], PairFit] = {}
    starts: Sequence[int]
    for distance in _DISTANCES:
        if distance >= frames or (refine and distance > _PATCHED):
            break
        starts = range(0, frames - distance, distance // 2)
        measured = work.fine(_supposed(work, pairs | found, starts, distance), full=False)
        found |= measured
        if _in_vain(measured):
            break
    for distance in _MATCHED if refine else ():
        if distance >= frames:
            break
        last = frames - distance - 1
        starts = sorted({*range(0, last, min(distance // 4, _STRIDE)), last})
        measured = work.matched(_supposed(work, pairs | found, starts, distance))
        found |= measured
        if _in_vain(measured):
            break
    return found


def _supposed(
    work: PairWork, pairs: dict[tuple[int, int], PairFit], starts: Iterable[int], distance: int
) -> dict[tuple[int, int], np.ndarray]:
    """Transforms that all pairs so far give to pairs of frames `distance` apart."""
    options = work.options
    solved = solve_global(
        _believed(pairs), work.source.shape[0], options.reference, options.pair.motions, work.shape
    ).matrices
    return {
        (i, i + distance): solved[i + distance] @ inverse(solved[i])
        for i in starts
        if np.isfinite(solved[[i, i + distance]]).all()
    }


def _in_vain(measured: dict[tuple[int, int], PairFit]) -> bool:
    """True when hardly any pair so far apart can be measured."""
    return sum(fit.trusted for fit in measured.values()) < len(measured) / 4


def _believed(pairs: dict[tuple[int, int], PairFit]) -> list[Pair]:
    return [Pair(i, j, fit.matrix, fit.information) for (i, j), fit in pairs.items() if fit.trusted]

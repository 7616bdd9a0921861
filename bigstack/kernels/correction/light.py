"""From the light of all frames to one curve a frame and level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bigstack.errors import InputError
from bigstack.kernels.correction.flicker import flicker_gains
from bigstack.kernels.correction.histogram import Histogram
from bigstack.kernels.correction.solve import solve_gamma, solve_linear, solve_match, typical


@dataclass(frozen=True, eq=False)
class Light:
    """Brightness of one frame.

    Attributes
    ----------
    histograms
        Of each level.
    mixtures
        Of what a curve of each level is applied to: the same, but for luminance, where it is all channels,
        weighted, so that a mean after clipping or bending them is luminance again.
    blocks
        Means of the levels in blocks of the frame (level, block).
    """

    histograms: list[Histogram]
    mixtures: list[Histogram]
    blocks: np.ndarray


@dataclass(frozen=True)
class Level:
    """What is balanced: its name, its full scale, and what its values are clipped to, None for floats."""

    name: str
    full: float
    clip: float | None


def solve_curves(
    light: Sequence[Light], levels: Sequence[Level], curve: str, reference: int | None
) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Parameters of the curve of each frame and level; `reference` None solves all frames together.

    Raises
    ------
    InputError
        When nothing was counted in a frame, or no such curve brings it to the reference.
    """
    columns = []
    for n, level in enumerate(levels):
        for z, frame in enumerate(light):
            if frame.histograms[n].counts.size == 0:
                raise InputError(
                    f"frame {z} has no pixel to measure in {level.name}: widen mask_size or intensity"
                )
        columns.append(_curves_of(light, n, level, curve, reference))
    return tuple(zip(*columns, strict=True))


def _curves_of(
    light: Sequence[Light], n: int, level: Level, curve: str, reference: int | None
) -> list[tuple[float, ...]]:
    if curve == "match_hist":
        histograms = [frame.histograms[n] for frame in light]
        wanted = typical(histograms) if reference is None else histograms[reference]
        return [solve_match(histogram, wanted) for histogram in histograms]
    targets = _targets(light, n, reference)
    curves: list[tuple[float, ...]] = []
    for z, (frame, target) in enumerate(zip(light, targets, strict=True)):
        try:
            solved = 1.0 if z == reference else _solve(frame.mixtures[n], target, level, curve)
        except InputError as error:
            raise InputError(f"frame {z} cannot be balanced in {level.name}: {error}") from error
        curves.append((solved,))
    return curves


def _solve(histogram: Histogram, target: float, level: Level, curve: str) -> float:
    if curve == "gamma":
        return solve_gamma(histogram, target, level.full)
    return solve_linear(histogram, target, level.clip)


def _targets(light: Sequence[Light], n: int, reference: int | None) -> list[float]:
    """The mean that each frame is to get."""
    means = [frame.mixtures[n].mean for frame in light]
    if reference is not None:
        return [means[reference]] * len(means)
    gains = flicker_gains(np.array([frame.blocks[n] for frame in light]))
    return [mean / float(gain) for mean, gain in zip(means, gains, strict=True)]

"""How depth is to be found: every choice in one frozen value, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from bigstack.errors import InputError, choose
from bigstack.kernels.depth.cone import BLUR
from bigstack.kernels.depth.diamond import WINDOW
from bigstack.kernels.depth.median import RADIUS
from bigstack.kernels.depth.sgm import JUMP, MOST_JUMP, STEP
from bigstack.kernels.focus import measure as find_measure
from bigstack.names import DepthMeasure, Peak, Priority, Quality, Refinement, choices

MOST_RADIUS = 48
"""Pixels: the halo of the blocks leaves room for no wider median."""

MOST_WINDOW = 31
"""Pixels a side of the widest diamond."""

REFINE: tuple[Refinement, ...] = ("sgm", "median", "diffusion", "tv")
"""Refinement by default: the best of `benchmarks/depth.py options`."""


@dataclass(frozen=True)
class Recipe:
    """Choices of `bigstack.depth_from_focus`, which tells what they mean.

    `options` are those of the measure, as pairs. `positions` are the frames' z, where they are not evenly
    spaced; empty where they are.
    """

    channels: tuple[int, ...] = ()
    noise: float | None = None
    measure: DepthMeasure = "tree"
    options: tuple[tuple[str, Any], ...] = ()
    smoothing: float = 0.0
    peak: Peak = "mixed"
    refine: tuple[Refinement, ...] = REFINE
    radius: int = RADIUS
    step: float = STEP
    jump: float = JUMP
    blur: float = BLUR
    window: int = WINDOW
    fill: bool = False
    priority: Priority = "best"
    positions: tuple[float, ...] = ()
    quality: Quality = "full"

    def __post_init__(self) -> None:
        choose(self.measure, get_args(DepthMeasure), "measure")
        choose(self.peak, get_args(Peak), "peak")
        choose(self.priority, get_args(Priority), "priority")
        choose(self.quality, get_args(Quality), "quality")
        for name in self.refine:
            choose(name, [one for one in get_args(Refinement) if one != "none"], "refine")
        self._check_numbers()
        self._check_measure()

    def _check_numbers(self) -> None:
        if self.noise is not None and not self.noise >= 0:
            raise InputError(f"noise is a standard deviation in grey levels, from 0 up, got {self.noise!r}")
        if not 0 <= self.radius <= MOST_RADIUS:
            raise InputError(f"radius must be 0 to {MOST_RADIUS} pixels, got {self.radius!r}")
        if not (1 <= self.window <= MOST_WINDOW and self.window % 2):
            raise InputError(f"window must be an odd number from 1 to {MOST_WINDOW}, got {self.window!r}")
        if not 0 <= self.step <= self.jump <= MOST_JUMP:
            raise InputError(
                f"prices must be 0 <= step <= jump <= {MOST_JUMP}, got step {self.step}, jump {self.jump}"
            )
        if not self.blur > 0:
            raise InputError(f"blur is a growth in pixels a frame, above 0, got {self.blur!r}")
        if not 0 <= self.smoothing <= 32:
            raise InputError(f"smoothing is a Gaussian's sigma, 0 to 32 pixels, got {self.smoothing!r}")

    def _check_measure(self) -> None:
        options = dict(self.options)
        if self.measure == "tree":
            if options or self.smoothing:
                raise InputError(
                    "the tree has no options and no smoothing of its own; leave out focus_options and "
                    "smoothing, or choose another measure"
                )
            return
        if options.get("normalize", "none") != "none":
            raise InputError("depth takes focus as it is; leave normalize out of focus_options")
        find_measure(self.measure).check(options)


def recipe_of(
    *,
    refine: Refinement | Sequence[Refinement] = REFINE,
    focus_options: Mapping[str, Any] | None = None,
    **how: Any,
) -> Recipe:
    """Recipe of options as a user gives them: one refinement or several, those of the measure as a mapping.

    Examples
    --------
    >>> recipe_of(refine="none").refine
    ()
    >>> recipe_of(refine="median").refine
    ('median',)
    """
    names = (refine,) if isinstance(refine, str) else tuple(refine)
    if names == ("none",):
        names = ()
    if "none" in names:
        raise InputError(
            f"refine='none' stands alone, got {names}; choose of {', '.join(choices(Refinement))}"
        )
    pairs = tuple(sorted((name, _frozen(value)) for name, value in (focus_options or {}).items()))
    return Recipe(refine=names, options=pairs, **how)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value

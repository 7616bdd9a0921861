"""Photometric corrections as values: estimated once, looked at, saved as JSON, applied lazily."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar, Literal, get_args

from bigstack.errors import InputError, choose

Space = Literal["lumi", "rgb", "hsv", "hls", "lab"]
"""Channels that balance works on: luminance; each channel; S and V; L and S; L, a and b."""

Curve = Literal["linear", "gamma", "match_hist"]
"""Family of curves that balance chooses from: a factor, an exponent, the match of two histograms."""

Falloff = Literal["sigmoid", "cos4", "polynomial"]
"""Models of vignetting: see `bigstack.kernels.correction.vignetting`."""

Fill = Literal["mean", "median"]
"""What a hot pixel gets from its good neighbours."""

SPACES: tuple[str, ...] = get_args(Space)
CURVES: tuple[str, ...] = get_args(Curve)
FALLOFFS: tuple[str, ...] = get_args(Falloff)
FILLS: tuple[str, ...] = get_args(Fill)


_PARAMETERS = {"sigmoid": 3, "cos4": 2, "polynomial": 4}


class Correction:
    """What all corrections share: JSON there and back, and one token for equal values."""

    __slots__ = ()
    kind: ClassVar[str] = ""

    def to_json(self) -> str:
        """Write the value as JSON text; numbers survive the round trip to the bit."""
        return json.dumps({"correction": self.kind, **asdict(self)})  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, text: str) -> Any:
        """Read back what `to_json` wrote; called on `Correction` itself it takes any kind."""
        found = correction_from_json(text)
        if not isinstance(found, cls):
            raise InputError(f"expected a {cls.kind!r} correction, got a {found.kind!r} one")
        return found

    def __dask_tokenize__(self) -> object:
        return self.to_json()


@dataclass(frozen=True, slots=True)
class Balance(Correction):
    """Curves that give every frame the brightness, and the tint, of a reference.

    Attributes
    ----------
    top
        Full scale in the stack's unit: 255, 65535, or a float stack's 1 (or its largest value, if above).
    reference
        Number of the reference frame; None when all frames were solved together.
    curves
        Parameters of one curve a frame and channel of the space: (factor,) of a linear one, (exponent,) of
        a gamma curve ``top * (v / top) ** (1 / exponent)``; for matched histograms values and, in the
        second half, what they become.

    Examples
    --------
    >>> balance = Balance("lumi", "linear", 255.0, 0, (((1.0,),), ((1.25,),)))
    >>> Balance.from_json(balance.to_json()) == balance
    True
    """

    kind: ClassVar[str] = "balance"
    space: str
    curve: str
    top: float
    reference: int | None
    curves: tuple[tuple[tuple[float, ...], ...], ...]

    def __post_init__(self) -> None:
        choose(self.space, SPACES, "balance space")
        choose(self.curve, CURVES, "balance curve")
        for frame in self.curves:
            for parameters in frame:
                if not _is_curve(self.curve, parameters):
                    raise InputError(f"these are not the parameters of a {self.curve} curve: {parameters}")

    @property
    def frames(self) -> int:
        """Number of frames it is for."""
        return len(self.curves)


@dataclass(frozen=True, slots=True)
class Vignetting(Correction):
    """How light falls off from the image's centre, ``V(r) = S(r) / S(0)``, and how to undo it.

    Attributes
    ----------
    parameters
        Of `model`: sigmoid (i0, k, r0); cos4 (i0, t); polynomial (i0, a2, a4, a6). Radii in pixels.
    shape
        Height and width in pixels of the frames it was fitted to.
    max_correction
        Share of the falloff that is undone, 0 to 1.
    black_threshold
        Pixels whose darkest channel is below this, in the stack's unit, are left as they are.
    radii, intensities
        Middles of rings about the centre, and their mean luminance.
    error
        Root mean square difference of the rings and the model, relative to the centre.

    Examples
    --------
    >>> Vignetting("cos4", (200.0, 1e-6), (1000, 1500)).max_correction
    1.0
    """

    kind: ClassVar[str] = "vignetting"
    model: str
    parameters: tuple[float, ...]
    shape: tuple[int, int]
    max_correction: float = 1.0
    black_threshold: float = 0.0
    radii: tuple[float, ...] = ()
    intensities: tuple[float, ...] = ()
    error: float = 0.0

    def __post_init__(self) -> None:
        size = _PARAMETERS[choose(self.model, FALLOFFS, "vignetting model")]
        if len(self.parameters) != size:
            raise InputError(f"model {self.model!r} has {size} parameters, got {self.parameters!r}")
        if not 0 <= self.max_correction <= 1:
            raise InputError(f"max_correction is a share from 0 to 1, got {self.max_correction!r}")


@dataclass(frozen=True, slots=True)
class HotPixels(Correction):
    """Pixels of the sensor whose value cannot be trusted.

    Attributes
    ----------
    shape
        Sizes of (y, x, channel).
    positions
        (y, x, channel) of each, sorted.
    fill
        Whether such a pixel gets the mean or the median of its good neighbours.
    thresholds
        What each channel's threshold was, in the stack's unit; empty when unknown.

    Examples
    --------
    >>> HotPixels((10, 10, 3), ((2, 5, 0), (2, 5, 1))).count
    2
    """

    kind: ClassVar[str] = "hot_pixels"
    shape: tuple[int, int, int]
    positions: tuple[tuple[int, int, int], ...]
    fill: str = "mean"
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        choose(self.fill, FILLS, "fill")
        limits = self.shape
        if any(not all(0 <= i < n for i, n in zip(p, limits, strict=True)) for p in self.positions):
            raise InputError(f"hot pixels must lie inside (y, x, channel) {limits}")
        if list(self.positions) != sorted(set(self.positions)):
            object.__setattr__(self, "positions", tuple(sorted(set(self.positions))))

    @property
    def count(self) -> int:
        """Number of hot values, a pixel hot in two channels counted twice."""
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class Denoise(Correction):
    """Settings of non-local means.

    Attributes
    ----------
    noise
        Standard deviation of each channel's noise in the stack's unit.
    strength
        1 is what suits that noise best; less keeps more of both noise and detail.
    search, template
        Sides in pixels, odd, of the window that is searched and of the patches that are compared.

    Examples
    --------
    >>> Denoise((4.0,)).search
    13
    """

    kind: ClassVar[str] = "denoise"
    noise: tuple[float, ...]
    strength: float = 1.0
    search: int = 13
    template: int = 5

    def __post_init__(self) -> None:
        if not self.noise or any(not 0 <= sigma < float("inf") for sigma in self.noise):
            raise InputError(f"noise must be a positive number a channel, or 0, got {self.noise!r}")
        if not 0 <= self.strength < float("inf"):
            raise InputError(f"strength must be 0 or a positive number, got {self.strength!r}")
        for name in ("search", "template"):
            side = getattr(self, name)
            if side < 1 or side % 2 == 0:
                raise InputError(f"{name} must be an odd number of pixels, got {side!r}")


KINDS: dict[str, type[Correction]] = {kind.kind: kind for kind in (Balance, Vignetting, HotPixels, Denoise)}
"""Every correction by the name its JSON carries."""


def correction_from_json(text: str) -> Any:
    """Read any correction that `to_json` wrote.

    Examples
    --------
    >>> correction_from_json(Denoise((2.0,)).to_json())
    Denoise(noise=(2.0,), strength=1.0, search=13, template=5)
    """
    try:
        values = json.loads(text)
        kind = KINDS[choose(values.pop("correction"), KINDS, "correction")]
    except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"not the JSON of a correction ({error}); expected what to_json() writes") from error
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(values) - known:
        raise InputError(f"a {kind.kind!r} correction has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: _frozen(value) for name, value in values.items()})
    except TypeError as error:
        raise InputError(f"the JSON of a {kind.kind!r} correction is incomplete: {error}") from error


def _is_curve(curve: str, parameters: tuple[float, ...]) -> bool:
    if curve == "linear":
        return len(parameters) == 1
    if curve == "gamma":
        return len(parameters) == 1 and parameters[0] > 0
    half = len(parameters) // 2
    return half > 0 and len(parameters) == 2 * half and all(a < b for a, b in pairwise(parameters[:half]))


def _frozen(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value

"""What a focus measure is, and the steps that many of them share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from math import gamma, pi, sqrt
from typing import Any

import numpy as np

from bigstack.errors import InputError, choose
from bigstack.kernels.filters import Filter, box_sum, correlate, gaussian_radius, gaussian_taps

# Taps of a Gaussian before a derivative: 16 bits of pixel and twice 14 of taps leave 9 for the derivative.
_PRE_SMOOTHING_BITS = 14

_FARTHEST = 2048
_QUICK = 256
_REACHING = ("inner", "outer", "window", "sigma")


@dataclass(frozen=True, slots=True)
class Measure:
    """A focus measure of the registry.

    Attributes
    ----------
    function
        ``function(grey, **options)``: grey (y, x) uint8, uint16 or float32 to float32 (y, x), never negative
        and higher where the image is sharper.
    halo_function
        ``halo_function(**options)``: pixels around a pixel that its value depends on.
    source
        Paper and DOI that define it.
    grid_function
        ``grid_function(**options)``: what a window's origin has to be a multiple of; None for 1.
    colour
        Whether it takes colour images (y, x, channel) too.
    """

    name: str
    function: Callable[..., np.ndarray]
    halo_function: Callable[..., int]
    source: str
    grid_function: Callable[..., int] | None = None
    colour: bool = False

    @property
    def options(self) -> dict[str, inspect.Parameter]:
        """Name, default and type of every option, in the order of the signature."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    @property
    def summary(self) -> str:
        """First line of the measure's documentation."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return `options` as they are; raises `InputError` for a name or a value the measure can't take."""
        for name in options:
            choose(name, self.options, f"option of focus measure {self.name!r}")
        trial = dict(options)
        try:
            reach = self.halo(**options)
        except InputError:
            raise
        except (TypeError, ValueError):
            reach = 0  # what is no number at all; the function says so better
        if reach > _FARTHEST:
            raise InputError(
                f"focus measure {self.name!r} would reach {reach} pixels with these options, {_FARTHEST} is "
                "the most; make its radii, window or sigmas smaller"
            )
        if reach > _QUICK:
            # Checked by now; trying them out would take as long as an image of that size.
            trial = {name: value for name, value in options.items() if name not in _REACHING}
            trial |= {"radii": ((0, 1),) * len(options["radii"])} if "radii" in options else {}
        self.function(np.zeros((8, 8), np.uint8), **trial)
        return dict(options)

    def halo(self, **options: Any) -> int:
        """Pixels around a pixel that its value depends on, with these options."""
        return _call(self.halo_function, options)

    def grid(self, **options: Any) -> int:
        """Return what a window's origin has to be a multiple of, with these options."""
        return 1 if self.grid_function is None else _call(self.grid_function, options)

    def bind(self, **options: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function of grey alone, its options checked and set."""
        return partial(self.function, **self.check(options))


def _call(function: Callable[..., int], options: Mapping[str, Any]) -> int:
    return function(**{name: value for name, value in options.items() if name in _parameters(function)})


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., int]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def smoothed(linear: Filter, sigma: float) -> Filter:
    """Return the filter on an image smoothed by a Gaussian of `sigma` pixels before (0: not smoothed)."""
    return linear if sigma == 0 else linear.after(*gaussian_taps(sigma, bits=_PRE_SMOOTHING_BITS))


def smoothed_radius(radius: int, sigma: float) -> int:
    """Radius of a filter of `radius` after a Gaussian of `sigma` pixels."""
    return radius + gaussian_radius(sigma)


def magnitude(grey: np.ndarray, linear: Filter, power: float) -> np.ndarray:
    """``|linear * grey| ** power`` as float32."""
    response = correlate(grey, linear)
    if power == 2:
        response *= response
    else:
        np.abs(response, out=response)
        if power != 1:
            np.power(response, power, out=response)
    return response.astype(np.float32, copy=False)


def noise_level(gain: float, noise: float, power: float) -> float:
    """Mean of ``|n| ** power`` for Gaussian noise `n` of standard deviation ``noise * sqrt(gain)``."""
    if not 0 <= noise < float("inf"):
        raise InputError(f"noise must be a standard deviation in grey levels, zero or more, got {noise!r}")
    if not 0 < power < float("inf"):
        raise InputError(f"power must be a positive number, got {power!r}")
    return (noise * sqrt(2 * gain)) ** power * gamma((power + 1) / 2) / sqrt(pi) if noise else 0.0


def pool(energy: np.ndarray, window: int, level: float, *, mean: bool = True) -> np.ndarray:
    """Mean (or sum) of `energy` over a square window, less what noise alone would give, at least 0."""
    pooled = box_sum(energy, window) if window != 1 else energy
    scale = 1 if mean else window**2
    if mean and window != 1:
        pooled *= np.float32(1 / window**2)
    if level:
        pooled -= np.float32(level * scale)
        np.maximum(pooled, 0, out=pooled)
    return pooled


def window_radius(window: int) -> int:
    """Pixels that a window of this side reaches; an even one reaches further up and left."""
    return window // 2

"""Integer taps of the derivatives that focus measures are made of."""

from __future__ import annotations

from bigstack.errors import InputError
from bigstack.kernels.filters import Filter

_BINOMIAL = {1: (1,), 3: (1, 2, 1), 5: (1, 4, 6, 4, 1), 7: (1, 6, 15, 20, 15, 6, 1)}
_FIRST = {3: (-1, 0, 1), 5: (-1, -2, 0, 2, 1), 7: (-1, -4, -5, 0, 5, 4, 1)}
_SECOND = {1: (1, -2, 1), 3: (1, -2, 1), 5: (1, 0, -2, 0, 1), 7: (1, 2, -1, -4, -1, 2, 1)}


def laplacian_filter(kernel: int) -> Filter:
    """OpenCV's Laplacian of aperture 1, 3, 5 or 7, not normalised."""
    across, along = _BINOMIAL[_aperture(kernel, _SECOND)], _SECOND[kernel]
    return Filter(((along, across), (across, along)))


def sobel_filters(kernel: int) -> tuple[Filter, Filter]:
    """OpenCV's Sobel derivatives along y and along x of aperture 3, 5 or 7, not normalised."""
    across, along = _BINOMIAL[_aperture(kernel, _FIRST)], _FIRST[kernel]
    return Filter(((along, across),)), Filter(((across, along),))


def second_differences(step: int) -> tuple[Filter, Filter]:
    """``-I(-step) + 2 I(0) - I(step)`` along y and along x."""
    taps = _spaced((-1, 2, -1), step)
    return Filter(((taps, (1,)),)), Filter((((1,), taps),))


def forward_differences(step: int) -> tuple[Filter, Filter]:
    """``I(step) - I(0)`` along y and along x."""
    taps = _spaced((0, -1, 1), step)
    return Filter(((taps, (1,)),)), Filter((((1,), taps),))


def _spaced(taps: tuple[int, int, int], step: int) -> tuple[int, ...]:
    if step < 1:
        raise InputError(f"step must be at least 1 pixel, got {step!r}")
    gap = (0,) * (step - 1)
    return (taps[0], *gap, taps[1], *gap, taps[2])


def _aperture(kernel: int, known: dict[int, tuple[int, ...]]) -> int:
    if kernel not in known:
        raise InputError(f"kernel must be one of {', '.join(map(str, known))} pixels, got {kernel!r}")
    return kernel

"""The registry of focus measures: one file a measure, its halo beside it.

A measure takes a grey image (y, x) of uint8, uint16 or float32 and gives float32 (y, x), never negative,
higher where the image is sharper. On a padded window whose padding is at least the measure's halo it gives,
inside, exactly the bits of the whole image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bigstack.errors import choose
from bigstack.kernels.focus import laplacian as _laplacian
from bigstack.kernels.focus import log as _log
from bigstack.kernels.focus import modified_laplacian as _modified_laplacian
from bigstack.kernels.focus import sml as _sml
from bigstack.kernels.focus import tenengrad as _tenengrad
from bigstack.kernels.focus._measure import Measure

__all__ = ["MEASURES", "Measure", "measure"]


def _entry(function: Callable[..., np.ndarray], halo: Callable[..., int], source: str) -> Measure:
    return Measure(function.__name__, function, halo, source)


MEASURES: dict[str, Measure] = {
    entry.name: entry
    for entry in (
        _entry(_laplacian.laplacian, _laplacian.laplacian_halo, _laplacian.SOURCE),
        _entry(_log.log, _log.log_halo, _log.SOURCE),
        _entry(
            _modified_laplacian.modified_laplacian,
            _modified_laplacian.modified_laplacian_halo,
            _modified_laplacian.SOURCE,
        ),
        _entry(_sml.sml, _sml.sml_halo, _sml.SOURCE),
        _entry(_tenengrad.tenengrad, _tenengrad.tenengrad_halo, _tenengrad.SOURCE),
    )
}
"""Every focus measure by name."""


def measure(name: str) -> Measure:
    """Return the measure of this name; an unknown one raises `InputError` with the closest match.

    Examples
    --------
    >>> measure("sml").halo(window=9)
    5
    """
    return MEASURES[choose(name, MEASURES, "focus measure")]

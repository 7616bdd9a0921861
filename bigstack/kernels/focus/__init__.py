"""The registry of focus measures: one file a measure, its halo beside it.

A measure takes a grey image (y, x) of uint8, uint16 or float32 and gives float32 (y, x), never negative,
higher where the image is sharper. On a padded window whose padding is at least the measure's halo, and whose
origin is a multiple of its grid, it gives, inside, exactly the bits of the whole image.

A new measure is a module here with a function of the module's name, a ``<name>_halo`` beside it, maybe a
``<name>_grid``, a ``SOURCE``, ``COLOUR = True`` if it takes colour images, and its place in the list below.
"""

from __future__ import annotations

from types import ModuleType

from bigstack.errors import choose
from bigstack.kernels.focus import (
    brenner,
    eigenvalue,
    energy,
    laplacian,
    log,
    log_energy,
    modified_laplacian,
    rdf,
    rdf_surh,
    sml,
    sobel,
    steerable,
    structure_tensor,
    tenengrad,
    variance,
    wavelet,
)
from bigstack.kernels.focus._measure import Measure

__all__ = ["MEASURES", "Measure", "measure"]


def _entry(module: ModuleType) -> Measure:
    name = module.__name__.rpartition(".")[2]
    return Measure(
        name,
        getattr(module, name),
        getattr(module, f"{name}_halo"),
        module.SOURCE,
        getattr(module, f"{name}_grid", None),
        getattr(module, "COLOUR", False),
    )


MEASURES: dict[str, Measure] = {
    entry.name: entry
    for entry in map(
        _entry,
        (
            laplacian,
            log,
            energy,
            modified_laplacian,
            sml,
            tenengrad,
            sobel,
            brenner,
            variance,
            rdf,
            rdf_surh,
            wavelet,
            steerable,
            structure_tensor,
            eigenvalue,
            log_energy,
        ),
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

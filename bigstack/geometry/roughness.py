"""What roughness gives: numbers with their units."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

MEANINGS = {
    "Sa": "arithmetical mean height",
    "Sq": "root mean square height",
    "Ssk": "skewness",
    "Sku": "kurtosis",
    "Sp": "largest peak height",
    "Sv": "largest pit depth",
    "Sz": "maximum height",
    "Sdq": "root mean square gradient",
    "Sdr": "developed interfacial area ratio",
    "Sk": "core height",
    "Spk": "reduced peak height",
    "Svk": "reduced dale height",
    "Smr1": "material ratio of the peaks",
    "Smr2": "material ratio of the dales",
}
"""Every parameter and its name in ISO 25178-2."""

UNITLESS = {"Ssk": "", "Sku": "", "Sdq": "", "Sdr": "%", "Smr1": "%", "Smr2": "%"}


@dataclass(frozen=True, slots=True)
class Roughness:
    """Areal parameters of ISO 25178-2 of the scale-limited surface; NaN where a flat surface has none."""

    Sa: float
    Sq: float
    Ssk: float
    Sku: float
    Sp: float
    Sv: float
    Sz: float
    Sdq: float
    Sdr: float
    Sk: float
    Spk: float
    Svk: float
    Smr1: float
    Smr2: float
    unit: str
    """What heights are in."""
    pixels: int
    """Pixels with a height."""
    share: float
    """What share of all pixels these are, 0 to 1."""
    form: str
    """Form that was removed."""
    s_filter: float | None
    """Cut-off wavelength of the S-filter, in `unit`."""
    l_filter: float | None
    """Cut-off wavelength of the L-filter, in `unit`."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: NaN as None."""
        found = asdict(self)
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in found.items()
        }

    def lines(self) -> list[str]:
        """A table for people."""
        rows = [
            f"{name:5} {getattr(self, name):12.6g} {UNITLESS.get(name, self.unit):11} {meaning}"
            for name, meaning in MEANINGS.items()
        ]
        filters = [
            f"{name} {value:g} {self.unit}"
            for name, value in (("S-filter", self.s_filter), ("L-filter", self.l_filter))
            if value is not None
        ]
        of = ", ".join([f"form removed: {self.form}", *(filters or ["no filter"])])
        return [*rows, f"{self.pixels} pixels, {self.share:.1%} of the map; {of}"]

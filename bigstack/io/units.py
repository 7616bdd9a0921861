"""Lengths in files, whatever they call their unit, as micrometres."""

from __future__ import annotations

_MICROMETERS = {
    "pm": 1e-6, "picometer": 1e-6, "å": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "nanometer": 1e-3,
    "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "\\u00b5m": 1.0,
    "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4, "dm": 1e5, "decimeter": 1e5,
    "m": 1e6, "meter": 1e6, "km": 1e9, "kilometer": 1e9,
    "inch": 25400.0, "in": 25400.0, "foot": 304800.0, "ft": 304800.0, "yard": 914400.0, "mile": 1.609344e9,
}  # fmt: skip


def in_micrometers(value: float, unit: str | None) -> float | None:
    """Convert a length; None when the unit is no length or the value no positive number.

    Examples
    --------
    >>> in_micrometers(250, "nm")
    0.25
    """
    name = (unit or "").strip().lower().replace("metre", "meter")
    factor = _MICROMETERS.get(name) or _MICROMETERS.get(name.removesuffix("s"))
    if factor is None or not 0 < value < float("inf"):
        return None
    return value / 1e3 if factor == 1e-3 else value * factor

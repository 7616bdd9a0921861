"""How large a pixel of a map is, and how much a number in it."""

from __future__ import annotations

from dataclasses import dataclass

from bigstack.errors import InputError


@dataclass(frozen=True, slots=True)
class MapScale:
    """Height and width of a pixel, and the height that one unit of the values is, all in `unit`."""

    y: float
    x: float
    z: float
    unit: str = "micrometer"

    def __post_init__(self) -> None:
        for name in ("y", "x", "z"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise InputError(f"the scale of {name} must be a positive number, got {value!r}")

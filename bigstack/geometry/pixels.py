"""The physical size of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

from bigstack.errors import InputError


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Extent of a pixel in y and x and the distance of two frames in z, in `unit`.

    Examples
    --------
    >>> PixelSize.of(0.5)
    PixelSize(z=None, y=0.5, x=0.5, unit='micrometer')
    """

    z: float | None
    y: float
    x: float
    unit: str = "micrometer"

    def __post_init__(self) -> None:
        for name in ("y", "x", "z"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"pixel size in {name} must be a positive number, got {value!r}")

    @classmethod
    def of(cls, value: float | tuple[float, ...] | PixelSize) -> PixelSize:
        """Take one number (y and x alike), a pair (y, x), a triple (z, y, x) or a `PixelSize`."""
        if isinstance(value, PixelSize):
            return value
        numbers = (value,) if isinstance(value, int | float) else tuple(value)
        if len(numbers) == 1:
            return cls(None, float(numbers[0]), float(numbers[0]))
        if len(numbers) == 2:
            return cls(None, float(numbers[0]), float(numbers[1]))
        if len(numbers) == 3:
            return cls(float(numbers[0]), float(numbers[1]), float(numbers[2]))
        raise InputError(f"pixel size takes 1, 2 (y, x) or 3 (z, y, x) numbers, got {value!r}")

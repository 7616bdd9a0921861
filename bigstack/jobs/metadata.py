"""Which frame's metadata goes with a result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bigstack.errors import InputError

PLACES = ("reference", "first", "middle", "last")


def carry_metadata(
    stack: Any, wanted: str | None, corrections: Sequence[Any] = (), opened: Any = None
) -> Any:
    """Return the stack with profile, EXIF and XMP of one frame in its attributes.

    Parameters
    ----------
    stack
        As it will be fused.
    wanted
        ``reference``, ``first``, ``middle`` or ``last``, the number of a frame, or a file of any kind that is
        read. None is the alignment's reference, or the first frame where there is no alignment.
    corrections
        What was done to the stack; the alignment among them knows the reference.
    opened
        The stack as it was opened, whose frames the alignment counts; `stack` when not given.
    """
    path = _file_of(stack if opened is None else opened, wanted, corrections)
    if path is None:
        return stack
    from bigstack.io.metadata import CARRIED, read_metadata

    found = read_metadata(path)
    kept = {name: value for name, value in stack.attrs.items() if name not in CARRIED}
    result = stack.copy(deep=False)
    result.attrs = {**kept, **found}
    return result


def _file_of(stack: Any, wanted: str | None, corrections: Sequence[Any]) -> Path | str | None:
    """The file to read; None where frames have no file of their own, so that there is no choice."""
    frames = stack.sizes["z"]
    if wanted is None and "file" not in stack.coords:
        return None
    if wanted is not None and wanted not in PLACES and not wanted.lstrip("-").isdecimal():
        return Path(wanted)
    number = _number(wanted or "reference", frames, corrections)
    if not 0 <= number < frames:
        raise InputError(
            f"--metadata-from {wanted}: the stack has frames 0 to {frames - 1}; give one of them, a file, or "
            f"{', '.join(PLACES)}"
        )
    if "file" not in stack.coords:
        return None
    return str(stack.coords["file"].values[number])


def _number(wanted: str, frames: int, corrections: Sequence[Any]) -> int:
    if wanted == "reference":
        aligned = [value for value in corrections if hasattr(value, "transforms")]
        return int(aligned[0].reference) if aligned else 0
    places = {"first": 0, "middle": frames // 2, "last": frames - 1}
    return places[wanted] if wanted in places else int(wanted)

"""What a report is about: handed over by whoever ran something, never looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bigstack.io.places import AnyPath
from bigstack.io.writers.preview import Sampled


class Took(NamedTuple):
    """A step of the run: name, seconds, and the highest resident memory in bytes while it ran, or None."""

    name: str
    seconds: float
    memory: int | None


@dataclass
class Facts:
    """All that a page can show; what is empty is left out of it."""

    stack: Any
    """The stack as it was fused, a lazy DataArray (z, y, x, channel): aligned and corrected."""
    opened: Any = None
    """The stack as it was read, with the audit of its frames; `stack` when not given."""
    title: str = "focus stack"
    command: str = ""
    """The command that does it again."""
    outputs: Mapping[str, AnyPath] = field(default_factory=dict)
    """Where each variable (``image``, ``depth``, ...) was written."""
    maps: Mapping[str, Sampled] = field(default_factory=dict)
    """Samples of variables that were not written."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Unit of each variable that has one."""
    found: Sequence[tuple[Any, Any]] = ()
    """Corrections and the alignment, each with the stack it was estimated on, in order."""
    spans: Sequence[Any] = ()
    """Steps of the run: objects with `name`, `seconds` and `memory` (`Took`)."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    """What the run had to say."""

    @property
    def read(self) -> Any:
        """The stack as it was read."""
        return self.stack if self.opened is None else self.opened

    @property
    def names(self) -> list[str]:
        """What to call the frames that were fused."""
        if "file" in self.stack.coords:
            return [Path(str(name)).name for name in self.stack.coords["file"].values]
        return [f"frame {z}" for z in range(self.stack.sizes["z"])]

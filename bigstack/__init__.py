"""Focus stacking and depth from focus for image stacks that outgrow memory.

Public names are imported on first use, so that ``import bigstack`` costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bigstack import synthetic as synthetic
    from bigstack.fusion import fuse as fuse
    from bigstack.io.open import open_stack as open_stack
    from bigstack.jobs.write import write_image as write_image

_HOMES = {
    "fuse": "bigstack.fusion",
    "open_stack": "bigstack.io.open",
    "write_image": "bigstack.jobs.write",
}

__all__ = ["__version__", "fuse", "open_stack", "synthetic", "write_image"]


def __getattr__(name: str) -> Any:
    if name == "synthetic":
        return import_module("bigstack.synthetic")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bigstack' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

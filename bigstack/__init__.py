"""Focus stacking and depth from focus for image stacks that outgrow memory.

Public names are imported on first use, so that ``import bigstack`` costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bigstack import synthetic as synthetic
    from bigstack.correct import apply_correction as apply_correction
    from bigstack.correct import correct_balance as correct_balance
    from bigstack.correct import correct_hot_pixels as correct_hot_pixels
    from bigstack.correct import correct_vignetting as correct_vignetting
    from bigstack.correct import denoise as denoise
    from bigstack.correct import estimate_balance as estimate_balance
    from bigstack.correct import estimate_hot_pixels as estimate_hot_pixels
    from bigstack.correct import estimate_vignetting as estimate_vignetting
    from bigstack.fusion import fuse as fuse
    from bigstack.io.open import open_stack as open_stack
    from bigstack.jobs.write import write_image as write_image

_HOMES = {
    "apply_correction": "bigstack.correct",
    "correct_balance": "bigstack.correct",
    "correct_hot_pixels": "bigstack.correct",
    "correct_vignetting": "bigstack.correct",
    "denoise": "bigstack.correct",
    "estimate_balance": "bigstack.correct",
    "estimate_hot_pixels": "bigstack.correct",
    "estimate_vignetting": "bigstack.correct",
    "fuse": "bigstack.fusion",
    "open_stack": "bigstack.io.open",
    "write_image": "bigstack.jobs.write",
}

__all__ = [
    "__version__",
    "apply_correction",
    "correct_balance",
    "correct_hot_pixels",
    "correct_vignetting",
    "denoise",
    "estimate_balance",
    "estimate_hot_pixels",
    "estimate_vignetting",
    "fuse",
    "open_stack",
    "synthetic",
    "write_image",
]


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

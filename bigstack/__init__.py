"""Focus stacking and depth from focus for image stacks that outgrow memory.

Public names are imported on first use, so that ``import bigstack`` costs milliseconds.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bigstack import synthetic as synthetic
    from bigstack.align import apply_alignment as apply_alignment
    from bigstack.align import estimate_alignment as estimate_alignment
    from bigstack.bunches import bunch as bunch
    from bigstack.correct import apply_correction as apply_correction
    from bigstack.correct import correct_balance as correct_balance
    from bigstack.correct import correct_hot_pixels as correct_hot_pixels
    from bigstack.correct import correct_vignetting as correct_vignetting
    from bigstack.correct import denoise as denoise
    from bigstack.correct import estimate_balance as estimate_balance
    from bigstack.correct import estimate_hot_pixels as estimate_hot_pixels
    from bigstack.correct import estimate_vignetting as estimate_vignetting
    from bigstack.density import focus_density as focus_density
    from bigstack.depth import depth_from_focus as depth_from_focus
    from bigstack.focus import best_frame as best_frame
    from bigstack.focus import estimate_noise as estimate_noise
    from bigstack.focus import measure_focus as measure_focus
    from bigstack.focus import sharpness as sharpness
    from bigstack.fusion import fuse as fuse
    from bigstack.io.open import open_stack as open_stack
    from bigstack.jobs.detect import detect_focus_regions as detect_focus_regions
    from bigstack.jobs.detect_folder import detect_folder as detect_folder
    from bigstack.jobs.layers import write_layers as write_layers
    from bigstack.jobs.recipe import Job as Job
    from bigstack.jobs.surface import write_mesh as write_mesh
    from bigstack.jobs.write import write_image as write_image
    from bigstack.meshes import surface as surface
    from bigstack.notebook.viewer import view as view
    from bigstack.pictures import colorize as colorize
    from bigstack.pictures import hillshade as hillshade
    from bigstack.profiles import profile as profile
    from bigstack.topography import roughness as roughness

_HOMES = {
    "Job": "bigstack.jobs.recipe",
    "apply_alignment": "bigstack.align",
    "apply_correction": "bigstack.correct",
    "best_frame": "bigstack.focus",
    "bunch": "bigstack.bunches",
    "colorize": "bigstack.pictures",
    "correct_balance": "bigstack.correct",
    "correct_hot_pixels": "bigstack.correct",
    "correct_vignetting": "bigstack.correct",
    "denoise": "bigstack.correct",
    "detect_focus_regions": "bigstack.jobs.detect",
    "detect_folder": "bigstack.jobs.detect_folder",
    "depth_from_focus": "bigstack.depth",
    "estimate_alignment": "bigstack.align",
    "estimate_balance": "bigstack.correct",
    "estimate_hot_pixels": "bigstack.correct",
    "estimate_noise": "bigstack.focus",
    "estimate_vignetting": "bigstack.correct",
    "focus_density": "bigstack.density",
    "fuse": "bigstack.fusion",
    "hillshade": "bigstack.pictures",
    "measure_focus": "bigstack.focus",
    "open_stack": "bigstack.io.open",
    "profile": "bigstack.profiles",
    "roughness": "bigstack.topography",
    "sharpness": "bigstack.focus",
    "surface": "bigstack.meshes",
    "view": "bigstack.notebook.viewer",
    "write_image": "bigstack.jobs.write",
    "write_layers": "bigstack.jobs.layers",
    "write_mesh": "bigstack.jobs.surface",
}

__all__ = [
    "Job",
    "__version__",
    "apply_alignment",
    "apply_correction",
    "best_frame",
    "bunch",
    "colorize",
    "correct_balance",
    "correct_hot_pixels",
    "correct_vignetting",
    "denoise",
    "depth_from_focus",
    "detect_focus_regions",
    "detect_folder",
    "estimate_alignment",
    "estimate_balance",
    "estimate_hot_pixels",
    "estimate_noise",
    "estimate_vignetting",
    "focus_density",
    "fuse",
    "hillshade",
    "measure_focus",
    "open_stack",
    "profile",
    "roughness",
    "sharpness",
    "surface",
    "synthetic",
    "view",
    "write_image",
    "write_layers",
    "write_mesh",
]


class _Accessor(MetaPathFinder):
    """Gives DataArrays their accessor when xarray is loaded, which costs half a second and may come later."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "xarray":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_register(module: Any) -> None:
                load(module)
                import_module("bigstack.notebook.accessor").register()

            spec.loader.exec_module = load_and_register  # type: ignore[method-assign]
        return spec


if "xarray" in sys.modules:
    import_module("bigstack.notebook.accessor").register()
else:
    sys.meta_path.insert(0, _Accessor())


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

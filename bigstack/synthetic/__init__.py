"""Synthetic focus stacks of any size with known all-in-focus image, depth, movement and light."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bigstack.synthetic.cut import layers_from_depth
    from bigstack.synthetic.layers import Layer
    from bigstack.synthetic.render import Rendered, render_stack
    from bigstack.synthetic.scenes import SCENES, demo_stack, scene

_HOMES = {
    "Layer": "layers",
    "Rendered": "render",
    "render_stack": "render",
    "SCENES": "scenes",
    "demo_stack": "scenes",
    "layers_from_depth": "cut",
    "scene": "scenes",
}
__all__ = ["SCENES", "Layer", "Rendered", "demo_stack", "layers_from_depth", "render_stack", "scene"]


def __getattr__(name: str) -> object:
    """Import what is asked for on first use, so that importing the package costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

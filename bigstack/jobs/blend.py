"""Blend two frames in all the ways of a two-image blending script, into one folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bigstack.errors import InputError
from bigstack.io.places import AnyPath
from bigstack.jobs.stack import StackJob
from bigstack.names import BlendRule, FusionMethod

OUTPUTS = ("by_channel", "all_channels", "new_method", "blending_mask", "direct")
"""Files that a blend writes."""

_RULES: dict[str, tuple[BlendRule, bool]] = {
    "by_channel": ("by_channel", True),
    "all_channels": ("all_channels", True),
    "new_method": ("mask", True),
    "direct": ("all_channels", False),
}
"""Rule of each image, and whether it is blended scale by scale. The first needs the most memory."""


@dataclass
class BlendJob(StackJob):
    """Everything `bigstack blend` can be told: `output` is a folder, inputs are the front, then the back."""

    method: FusionMethod = "blend"
    format: str = "png"
    """Ending of the images."""

    command: ClassVar[str] = "blend"

    @property
    def outputs(self) -> dict[str, AnyPath]:
        """Path of every image, and of the mask."""
        return {name: self.output / f"{name}.{self.format}" for name in OUTPUTS}

    def check(self) -> None:
        """Refuse what cannot be, and make the folder."""
        super().check()
        if len(self.inputs) != 2:
            raise InputError(f"blend takes two frames, the back and the front; got {len(self.inputs)}")
        if self.output.exists() and not self.output.is_dir():
            raise InputError(f"{self.output} is a file; blend writes a folder of five images")
        self.output.mkdir(parents=True, exist_ok=True)

    def dataset(self, stack: Any, layout: Any) -> Any:
        """The lazy images, of which the mask says where the back was taken."""
        import xarray as xr

        from bigstack.engine.layout import Layout
        from bigstack.fusion import fuse_by

        if stack.sizes["z"] != 2:
            raise InputError(f"blend takes two frames, got a stack of {stack.sizes['z']}")
        found: dict[str, Any] = {}
        for name, (rule, scales) in _RULES.items():
            options = self.options if scales else {**self.options, "levels": 0}
            # All are cut like the first, which the plan was made for: they are written tile by tile together.
            where = layout if not found else Layout(tile=layout.plan.tile if layout.plan else layout.tile)
            fused = fuse_by(stack, where, method="blend", rule=rule, **options)
            found[name] = fused["image"]
            if name == "new_method":
                mask = (fused["index"] == 1).astype(np.uint8) * np.uint8(255)
                found["blending_mask"] = mask.assign_attrs(fused["image"].attrs)
        return xr.Dataset(found, attrs=stack.attrs)

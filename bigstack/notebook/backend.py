"""xarray's engine ``"bigstack"``: every format of `bigstack.open_stack` through `xarray.open_dataset`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint


class StackBackend(BackendEntrypoint):
    """Opens stacks as a Dataset with the variable ``image``, and the levels of a file as a DataTree.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> import numpy as np
    >>> path = tempfile.mkdtemp() + "/stack.tif"
    >>> tifffile.imwrite(path, np.zeros((3, 32, 40), np.uint8), photometric="minisblack")
    >>> dict(xr.open_dataset(path, engine="bigstack").sizes)
    {'z': 3, 'y': 32, 'x': 40, 'channel': 1}
    """

    description: ClassVar[str] = "Stacks of images in TIFF, OME-TIFF, OME-Zarr or one file a frame"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = ("filename_or_obj", "drop_variables")
    supports_groups: ClassVar[bool] = True

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, **options: Any
    ) -> xr.Dataset:
        """Open a stack lazily; options are those of `bigstack.open_stack`."""
        from bigstack.io.open import open_stack

        stack = open_stack(filename_or_obj, **options)
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return xr.Dataset({"image": stack}, attrs=_plain(stack.attrs)).drop_vars(dropped, errors="ignore")

    def open_datatree(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, **options: Any
    ) -> xr.DataTree:
        """Open all resolution levels of a file, each a child named by its number."""
        return xr.DataTree.from_dict(
            self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables, **options)
        )

    def open_groups_as_dict(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, **options: Any
    ) -> dict[str, xr.Dataset]:
        """Open all resolution levels of a file as Datasets."""
        from bigstack.io.info import describe

        known = {name: options[name] for name in ("scene", "time", "axes") if name in options}
        count = max(1, len(describe(filename_or_obj, **known)["levels"]))
        return {
            f"/{level}": self.open_dataset(
                filename_or_obj,
                drop_variables=drop_variables,
                **options,
                **({"level": level} if count > 1 else {}),
            )
            for level in range(count)
        }

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Never by itself: other engines open TIFF and Zarr as what they are."""
        return False


def _plain(attrs: dict[str, Any]) -> dict[str, Any]:
    return {name: os.fspath(value) for name, value in attrs.items() if name in ("source", "units")}

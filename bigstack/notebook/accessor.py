"""``stack.bigstack``: the package's functions on a stack, where xarray's users look for them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bigstack.names import STACK_DIMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class StackAccessor:
    """Operations on a stack (z, y, x, channel); each is the function of that name with the stack given.

    Examples
    --------
    >>> import dask.array as da
    >>> stack = xr.DataArray(da.ones((3, 64, 64, 1), dtype="uint8"), dims=("z", "y", "x", "channel"))
    >>> StackAccessor(stack).fuse(method="average").image.shape
    (64, 64, 1)
    """

    def __init__(self, stack: xr.DataArray) -> None:
        if stack.dims != STACK_DIMS:
            # xarray shows AttributeErrors of accessors as its own, which says nothing.
            raise TypeError(f"a stack has dims {STACK_DIMS}, got {stack.dims}")
        self._stack = stack

    def fuse(self, **options: Any) -> xr.Dataset:
        """Fuse into one all-in-focus image, lazily: `bigstack.fuse`."""
        from bigstack.fusion import fuse

        return fuse(self._stack, **options)

    def align(self, alignment: Any = None, **options: Any) -> xr.DataArray:
        """Align lazily: `bigstack.estimate_alignment`, unless one is given, and `bigstack.apply_alignment`.

        Options are those of either; with an alignment, those of `apply_alignment` only.
        """
        import inspect

        from bigstack.align import apply_alignment, estimate_alignment

        known = inspect.signature(apply_alignment).parameters
        apply = {name: options.pop(name) for name in list(options) if name in known}
        if alignment is None:
            alignment = estimate_alignment(self._stack, **options)
        elif options:
            raise TypeError(f"{next(iter(options))!r} belongs to the estimate of an alignment; one was given")
        return apply_alignment(self._stack, alignment, **apply)

    def measure_focus(self, **options: Any) -> xr.DataArray:
        """Focus of every pixel, lazily: `bigstack.measure_focus`."""
        from bigstack.focus import measure_focus

        return measure_focus(self._stack, **options)

    def depth(self, **options: Any) -> xr.Dataset:
        """Depth of every pixel, lazily: `bigstack.depth_from_focus`."""
        from bigstack.depth import depth_from_focus

        return depth_from_focus(self._stack, **options)

    def preview(self, max_pixels: int = 1_000_000, **options: Any) -> xr.DataArray:
        """Fuse a reduced stack at once, and give the small image; options are those of `bigstack.fuse`."""
        from bigstack.fusion import fuse
        from bigstack.notebook.reduced import reduced

        return fuse(reduced(self._stack, max_pixels), **options).image.compute()

    def plot_sharpness(self, **options: Any) -> Figure:
        """Plot how sharp each frame is, over z; options are those of `bigstack.sharpness`."""
        from bigstack.focus import sharpness
        from bigstack.report.sharpness import plot_sharpness

        curve = sharpness(self._stack, **options)
        each = curve.values.reshape(curve.shape[0], -1).mean(axis=1)
        z = self._stack.coords["z"].values if "z" in self._stack.coords else np.arange(len(each))
        return plot_sharpness(each, z, unit=str(self._stack.attrs.get("units", "frame")))

    def view(self, **options: Any) -> Any:
        """Fuse lazily and look at it, beside its frames: `bigstack.view` with an overview."""
        from bigstack.fusion import fuse
        from bigstack.notebook.viewer import view

        overview = options.pop("overview", None)
        if overview is None:
            overview = self.preview()
        return view(fuse(self._stack), before=self._stack, overview=overview, **options)

    def _repr_html_(self) -> str:
        stack = self._stack
        audit = stack.attrs.get("audit") or {}
        rows = {
            "source": stack.attrs.get("source", "in memory"),
            "frames": stack.sizes["z"],
            "size": f"{stack.sizes['x']} x {stack.sizes['y']} pixels",
            "channels": ", ".join(map(str, np.atleast_1d(stack.coords["channel"].values)))
            if "channel" in stack.coords
            else stack.sizes["channel"],
            "type": f"{stack.dtype}, {stack.nbytes / 1e9:.3g} GB",
            "pixel size (z, y, x)": f"{stack.attrs['pixel_size']} {stack.attrs.get('units', '')}"
            if stack.attrs.get("pixel_size")
            else "unknown",
        }
        if audit.get("skipped"):
            rows["left out"] = f"{len(audit['skipped'])} frames"
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
        return f"<table><caption>bigstack: a stack</caption>{cells}</table>"


def register() -> None:
    """Give every DataArray the accessor; again does nothing."""
    if not hasattr(xr.DataArray, "bigstack"):
        xr.register_dataarray_accessor("bigstack")(StackAccessor)

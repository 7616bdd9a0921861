"""A viewer of results in a notebook: pans and zooms lazy images, and computes only what is in sight."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import xarray as xr

from bigstack.errors import InputError
from bigstack.names import VARIABLES

MAX_PIXELS = 16_000_000
"""Pixels that are computed for one sight, at most: more are shown from the overview, or not at all."""

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]


def view(
    result: xr.Dataset | xr.DataArray,
    *,
    before: xr.DataArray | None = None,
    overview: xr.DataArray | None = None,
    max_pixels: int = MAX_PIXELS,
    height: int = 480,
) -> Any:
    """Look at a result in a notebook: drag to move, turn the wheel to zoom, compare with a frame.

    Regions are computed when they come into sight, so a lazy result of a terabyte can be looked at. Arrow
    keys move, + and - zoom, 0 shows all. Needs the extra ``notebook`` (anywidget); no server.

    Parameters
    ----------
    result
        What `bigstack.fuse` or `bigstack.depth_from_focus` gave, or one variable (y, x[, channel]) of it.
    before
        A stack (z, y, x, channel) or image of the same height and width, shown left of a slider.
    overview
        A small image of the whole ``image``, such as ``stack.bigstack.preview()``, shown where a sight
        covers more than `max_pixels`.
    max_pixels
        Pixels to compute for one sight, at most.
    height
        Of the viewer, in pixels of the screen.

    Returns
    -------
    anywidget.AnyWidget
        To be the last line of a cell, or to be displayed.

    Raises
    ------
    InputError
        When sizes do not fit, or the extra is missing.

    Examples
    --------
    >>> import dask.array as da
    >>> image = xr.DataArray(da.zeros((480, 640, 3), dtype="uint8"), dims=("y", "x", "channel"))
    >>> type(view(image)).__name__
    'Viewer'
    """
    try:
        import anywidget
        import traitlets
    except ModuleNotFoundError as error:
        raise InputError(
            "the viewer needs anywidget; install it with: pip install 'bigstack[notebook]'"
        ) from error

    class Viewer(anywidget.AnyWidget):
        _esm = Path(__file__).with_name("viewer.js")
        info = traitlets.Dict().tag(sync=True)

        def __init__(self, sights: Sights, **info: Any) -> None:
            super().__init__(info=info)
            self.sights = sights
            self.on_msg(lambda _, asked, buffers: self._answer(asked))

        def _answer(self, asked: dict[str, Any]) -> None:
            found, picture = self.sights.answer(asked)
            self.send(found, [picture] if picture else [])

    sights = Sights(result, before, overview, max_pixels)
    return Viewer(sights, **sights.info(), shown=height)


class Sights:
    """Pictures of regions of a result's variables, and of what they are compared with."""

    def __init__(
        self,
        result: xr.Dataset | xr.DataArray,
        before: xr.DataArray | None,
        overview: xr.DataArray | None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if isinstance(result, xr.DataArray):
            # xarray names an array after its dask graph where nobody gave it a name.
            result = result.to_dataset(name=result.name if result.name in VARIABLES else "image")
        self.layers = {str(name): value for name, value in result.items() if value.dims[:2] == ("y", "x")}
        if not self.layers:
            raise InputError(f"nothing in {list(result)} is an image (y, x) or (y, x, channel)")
        self.size = next(iter(self.layers.values())).shape[:2]
        self.before = before
        if before is not None and (before.sizes["y"], before.sizes["x"]) != self.size:
            raise InputError(
                f"before has {before.sizes['y']} x {before.sizes['x']} pixels, the result {self.size[0]} x "
                f"{self.size[1]}; crop it alike"
            )
        self.overview = overview
        self.max_pixels = max_pixels
        self._ranges: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def info(self) -> dict[str, Any]:
        """What the page has to know."""
        frames = self.before.sizes.get("z", 1) if self.before is not None else 0
        channels = {
            name: [str(c) for c in np.atleast_1d(layer.coords["channel"].values)]
            if "channel" in layer.coords
            else [str(c) for c in range(layer.shape[2] if layer.ndim == 3 else 1)]
            for name, layer in self.layers.items()
        }
        return {
            "height": self.size[0], "width": self.size[1], "layers": list(self.layers),
            "frames": frames, "channels": channels, "mostPixels": self.max_pixels,
        }  # fmt: skip

    def answer(self, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """A JPEG of the region that the page asked for, and the request that it answers."""
        found = {"id": asked.get("id"), "kind": asked.get("kind"), "region": asked.get("region")}
        try:
            with self._lock:
                return found, self._picture(asked)
        except Exception as error:  # noqa: BLE001 shown in the page, which would else wait for ever
            return {**found, "problem": f"{type(error).__name__}: {error}"}, b""

    def _picture(self, asked: dict[str, Any]) -> bytes:
        y0, x0, y1, x1 = (int(v) for v in asked["region"])
        y0, x0 = max(0, y0), max(0, x0)
        y1, x1 = min(self.size[0], max(y1, y0 + 1)), min(self.size[1], max(x1, x0 + 1))
        shape = max(1, min(4096, int(asked["shape"][0]))), max(1, min(4096, int(asked["shape"][1])))
        name = str(asked["layer"])
        source, (sy, sx) = self._source(asked, name, (y1 - y0) * (x1 - x0))
        if source is None:
            return b""
        region = source[
            {"y": slice(int(y0 * sy), max(int(y0 * sy) + 1, round(y1 * sy))),
             "x": slice(int(x0 * sx), max(int(x0 * sx) + 1, round(x1 * sx)))}
        ]  # fmt: skip
        pixels = np.asarray(region.values)
        picture = self._shown(pixels, name if asked["kind"] == "after" else "before", asked.get("channel"))
        smaller = shape[0] < picture.shape[0] or shape[1] < picture.shape[1]
        way = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
        small = cv2.resize(picture, (shape[1], shape[0]), interpolation=way)
        return bytes(cv2.imencode(".jpg", small, _JPEG)[1])

    def _source(
        self, asked: dict[str, Any], name: str, pixels: int
    ) -> tuple[xr.DataArray | None, tuple[float, float]]:
        """The array to show, and its scale: the overview where too much would have to be computed."""
        if asked["kind"] == "before":
            frame = self.before
            if frame is not None and "z" in frame.dims:
                frame = frame[{"z": int(asked.get("frame", 0))}]
            return (frame if pixels <= self.max_pixels else None), (1.0, 1.0)
        if pixels <= self.max_pixels:
            return self.layers[name], (1.0, 1.0)
        if self.overview is None or name != "image":
            return None, (1.0, 1.0)
        return self.overview, tuple(
            self.overview.sizes[dim] / size for dim, size in zip("yx", self.size, strict=True)
        )  # type: ignore[return-value]

    def _shown(self, pixels: np.ndarray, name: str, channel: Any) -> np.ndarray:
        """8-bit BGR: colours as they are, numbers of maps in colours."""
        if pixels.ndim == 3:
            if channel is not None and pixels.shape[2] > 1:
                pixels = pixels[..., int(channel)]
            elif pixels.shape[2] == 1:
                pixels = pixels[..., 0]
            else:
                return np.ascontiguousarray(self._scaled(pixels[..., :3], name)[..., ::-1])
            return cv2.cvtColor(self._scaled(pixels, name), cv2.COLOR_GRAY2BGR)
        if pixels.dtype == bool:
            return cv2.cvtColor(pixels.astype(np.uint8) * 255, cv2.COLOR_GRAY2BGR)
        shown = cv2.applyColorMap(self._scaled(pixels, name), cv2.COLORMAP_VIRIDIS)
        shown[~np.isfinite(pixels.astype(np.float32))] = 0
        return shown

    def _scaled(self, pixels: np.ndarray, name: str) -> np.ndarray:
        if pixels.dtype == np.uint8 and pixels.ndim == 3:
            return pixels
        if name not in self._ranges:
            # The first sight decides, so that grey stays grey while one moves about.
            finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
            low, high = np.percentile(finite, (0.1, 99.9)) if finite.size else (0.0, 1.0)
            self._ranges[name] = float(low), float(max(high, low + 1e-12))
        low, high = (
            (0.0, 255.0) if pixels.dtype == np.uint8 and name in ("image", "before") else self._ranges[name]
        )
        filled = np.nan_to_num(pixels.astype(np.float32), nan=low)
        return np.clip((filled - low) * (255 / (high - low)), 0, 255).astype(np.uint8)

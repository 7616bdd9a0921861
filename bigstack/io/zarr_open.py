"""Opening Zarr stores: OME-Zarr images, plain arrays, and what xarray writes."""

from __future__ import annotations

import base64
import math
from itertools import product
from typing import Any

import numpy as np

from bigstack.errors import FormatError, InputError, StackError
from bigstack.geometry import PixelSize
from bigstack.io.files import file_state
from bigstack.io.formats.header import FrameHeader
from bigstack.io.ngff import NgffImage, is_ngff, read_image, scene_groups
from bigstack.io.ome_facts import checked
from bigstack.io.opened import Opened, ReadOptions, check_extent, pick, unique_names
from bigstack.io.places import AnyPath
from bigstack.io.remote import RemotePath
from bigstack.io.units import in_micrometers
from bigstack.io.value_unit import unit_in
from bigstack.io.zarr_chunks import ZarrArray
from bigstack.io.zarr_meta import (
    TEXT_CODECS,
    ArrayMeta,
    ZarrNode,
    array_meta,
    child,
    is_zarr,
    read_node,
)
from bigstack.io.zarr_source import ZarrSource

__all__ = ["is_zarr", "open_zarr"]

_DIMS = {
    "z": "z", "frame": "z", "plane": "z", "slice": "z", "depth": "z", "focus": "z", "y": "y", "row": "y",
    "rows": "y", "height": "y", "x": "x", "col": "x", "column": "x", "columns": "x", "width": "x", "c": "c",
    "ch": "c", "channel": "c", "channels": "c", "band": "c", "rgb": "c", "s": "c", "t": "t", "time": "t",
}  # fmt: skip
_LONGEST_COORDINATE = 1 << 20
_LETTERS = "tczyx"


def open_zarr(path: AnyPath, options: ReadOptions) -> Opened:
    """Open a Zarr store by what its metadata says it is.

    Raises
    ------
    StackError, FormatError
        For damaged metadata, codecs that are not read, or paths that lead out of the store.
    InputError
        For a scene, level, time or axes that it does not have.
    """
    node = read_node(path)
    if node.kind == "array":
        return _open_array(node, options)
    if is_ngff(node):
        return _open_ngff(node, options)
    return _open_xarray(node, options)


def _open_ngff(node: ZarrNode, options: ReadOptions) -> Opened:
    groups = scene_groups(node)
    names = tuple(groups)
    scene = pick(options.scene, names, "scene", str(node.path))
    image = read_image(read_node(groups[names[scene]]))
    sizes = tuple(_level_size(image, i, options) for i in range(len(image.levels)))
    level = pick(options.level, tuple(f"{h} x {w}" for h, w in sizes), "level", str(node.path))
    inner = read_node(child(image.node.path, image.levels[level]))
    source, meta = _source(inner, "".join(image.axes), options)
    source.coarser = _coarser(image, sizes, level, source, options)
    channels = image.channels if len(image.channels) == source.shape[3] else ()
    opened = Opened(
        str(node.path), f"OME-Zarr {image.version}", source, channels=channels,
        pixel_size=image.pixel_size(level), scenes=names, scene=scene, levels=sizes, level=level,
        audit={"frames": source.shape[0], "skipped": [], "warnings": list(image.problems)},
        storage=_storage(inner, meta),
    )  # fmt: skip
    _take_own(opened, image.node.attributes.get("bigstack"))
    if opened.pixel_size is None and any(v != 1 for v in image.scales[level]):
        opened.audit["warnings"].append("its scale has no unit of length and is not used; give pixel_size")
    return opened


def _coarser(
    image: NgffImage, sizes: tuple[tuple[int, int], ...], level: int, source: ZarrSource, options: ReadOptions
) -> dict[int, ZarrSource]:
    """Levels that are a quarter or an eighth of a level's height and width, the depth kept."""
    found, axes = {}, "".join(image.axes)
    for factor, i in product((4, 8), range(level + 1, len(sizes))):
        fits = [
            have in (size // factor, -(-size // factor))
            for have, size in zip(sizes[i], sizes[level], strict=True)
        ]
        if all(fits):
            smaller, _ = _source(read_node(child(image.node.path, image.levels[i])), axes, options)
            if smaller.shape[::3] == source.shape[::3] and smaller.dtype == source.dtype:
                found[factor] = smaller
    return found


def _take_own(opened: Opened, own: Any) -> None:
    """Use what bigstack's writer keeps beside the standard: uneven positions, profile and EXIF."""
    if not isinstance(own, dict):
        return
    frames, height, width, channels = opened.source.shape
    if opened.pixel_size is not None and opened.pixel_size.z is not None:
        opened.z = _positions(own.get("z"), frames)
    opened.unit = unit_in(own.get("description"))
    opened.ome = checked(own.get("ome"))
    carried: dict[str, Any] = {name: _decoded(own.get(name)) for name in ("icc_profile", "exif", "xmp")}
    if any(carried.values()):
        opened.header = FrameHeader("Zarr", height, width, channels, opened.source.dtype.name, **carried)


def _positions(values: Any, count: int) -> tuple[float, ...] | None:
    if not isinstance(values, list) or len(values) != count:
        return None
    try:
        found = tuple(float(value) for value in values if not isinstance(value, str))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if len(found) == count and all(math.isfinite(value) for value in found) else None


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _level_size(image: NgffImage, level: int, options: ReadOptions) -> tuple[int, int]:
    inner = read_node(child(image.node.path, image.levels[level]))
    shape = array_meta(inner, max(options.max_pixels, 1)).shape
    if len(shape) != len(image.axes):
        raise StackError(f"{inner.path} has {len(shape)} dims, its OME metadata speaks of {image.axes}")
    return shape[image.axes.index("y")], shape[image.axes.index("x")]


def _open_array(node: ZarrNode, options: ReadOptions) -> Opened:
    _no_choice(options, node, "scene", "level")
    names = _dim_names(node)
    axes = options.axes or _letters(names) or _guessed(node, options)
    source, meta = _source(node, axes, options)
    return Opened(
        str(node.path), f"Zarr {node.version} array", source, storage=_storage(node, meta),
        audit={"frames": source.shape[0], "skipped": [], "warnings": []},
    )  # fmt: skip


def _no_choice(options: ReadOptions, node: ZarrNode, *names: str) -> None:
    for name in names:
        if getattr(options, name) not in (None, 0):
            raise InputError(f"{node.path} has no choice of {name}, got {getattr(options, name)!r}")


def _dim_names(node: ZarrNode) -> list[str] | None:
    names = node.meta.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS")
    return [str(name) for name in names] if isinstance(names, list) else None


def _letters(names: list[str] | None) -> str:
    """Axes by the names of the dims, empty when one is not known."""
    letters = [_DIMS.get(name.lower(), "") for name in names or []]
    return "".join(letters) if letters and all(letters) and len(set(letters)) == len(letters) else ""


def _guessed(node: ZarrNode, options: ReadOptions) -> str:
    """Axes of an array that does not name them, where only one reading makes sense."""
    shape = array_meta(node, options.max_pixels).shape
    few = shape[-1] <= 4
    usual = {2: "yx", 3: "zyx", 4: "zyxc" if few else ""}.get(len(shape), "")
    if not usual or (len(shape) == 3 and few):
        raise InputError(
            f"{node.path} is {shape} and does not name its dims; name them with axes, such as axes='czyx'"
        )
    return usual


def _open_xarray(node: ZarrNode, options: ReadOptions) -> Opened:
    _no_choice(options, node, "level")
    arrays = _arrays(node)
    images = {name: inner for name, inner in arrays.items() if {"y", "x"} <= set(_letters(_dim_names(inner)))}
    if not images:
        raise StackError(f"{node.path} is a Zarr group without an image: neither OME-Zarr nor dims y and x")
    names = tuple(images)
    if options.scene is None and len(names) > 1 and not {"stack", "image"} & set(names):
        raise InputError(f"{node.path} holds {', '.join(names)}; choose one with scene")
    usual = next((n for n in ("stack", "image") if n in names), names[0])
    scene = pick(options.scene if options.scene is not None else usual, names, "scene", str(node.path))
    inner = images[names[scene]]
    dims = _dim_names(inner) or []
    letters = options.axes or _letters(dims)
    source, meta = _source(inner, letters, options)
    by_letter = dict(zip(letters, dims, strict=False))
    opened = Opened(
        str(node.path), "xarray Zarr store", source, scenes=names, scene=scene, storage=_storage(inner, meta),
        audit={"frames": source.shape[0], "skipped": [], "warnings": []},
    )  # fmt: skip
    _take_coordinates(opened, {a: arrays[d] for a, d in by_letter.items() if d in arrays})
    return opened


def _arrays(node: ZarrNode) -> dict[str, ZarrNode]:
    nodes = {p.name: read_node(p) for p in sorted(_below(node))[:1000]}
    return {name: inner for name, inner in nodes.items() if inner.kind == "array"}


def _below(node: ZarrNode) -> list[Any]:
    """Groups and arrays right below; what the metadata lists where a server does not."""
    if not isinstance(node.path, RemotePath):
        return [path for path in node.path.iterdir() if path.is_dir() and is_zarr(path)]
    listed = node.meta.get("consolidated_metadata")
    if isinstance(listed, dict) and isinstance(listed.get("metadata"), dict):
        return [child(node.path, name) for name in listed["metadata"] if "/" not in name]
    return [path for path in node.path.iterdir() if is_zarr(path)]


def _take_coordinates(opened: Opened, coordinates: dict[str, ZarrNode]) -> None:
    """Use what an xarray store says about positions and channel names, where it says it plainly."""
    found = {letter: _coordinate(inner) for letter, inner in coordinates.items()}
    lengths = {"z": opened.source.shape[0], "c": opened.source.shape[3]}
    names = found.get("c")
    if names is not None and len(names) == lengths["c"] and names.dtype.kind in "UT":
        opened.channels = unique_names([str(name) for name in names])
    steps = {a: _step(found.get(a), coordinates.get(a)) for a in "zyx"}
    if steps["y"] and steps["x"]:
        opened.pixel_size = PixelSize(steps["z"], steps["y"], steps["x"])
    z = found.get("z")
    if z is not None and z.size == lengths["z"] and z.dtype.kind in "iuf" and np.isfinite(z).all():
        scale = in_micrometers(1.0, str(coordinates["z"].attributes.get("units", "")))
        if scale is not None:
            opened.z = tuple(float(v) * scale for v in z)


def _step(values: np.ndarray | None, node: ZarrNode | None) -> float | None:
    """Micrometres between values that are evenly spaced and have a unit of length."""
    if values is None or node is None or values.size < 2 or values.dtype.kind not in "iuf":
        return None
    steps = np.diff(values.astype(float))
    if not np.isfinite(steps).all() or not np.allclose(steps, steps[0], rtol=1e-3, atol=0):
        return None
    return in_micrometers(abs(float(np.mean(steps))), str(node.attributes.get("units", "")))


def _coordinate(node: ZarrNode) -> np.ndarray | None:
    """All values of a short array, None when it is none or cannot be read."""
    try:
        meta = array_meta(node, _LONGEST_COORDINATE, TEXT_CODECS)
        if len(meta.shape) != 1 or meta.shape[0] > _LONGEST_COORDINATE:
            return None
        if any(name == "vlen-utf8" for name, _ in meta.codecs):
            return None
        array = ZarrArray(node.path, meta)
        count = math.ceil(meta.shape[0] / meta.chunk[0])
        parts = [array.chunk((i,)) for i in range(count)]
    except (StackError, FormatError):
        return None
    filled = [np.full(meta.chunk, meta.fill, array.stored) if part is None else part for part in parts]
    return np.concatenate(filled)[: meta.shape[0]]


def _source(node: ZarrNode, axes: str, options: ReadOptions) -> tuple[ZarrSource, ArrayMeta]:
    meta = array_meta(node, options.max_pixels)
    _model(node)
    axes = axes.lower()
    dims = len(meta.shape)
    if (
        len(axes) != dims
        or len(set(axes)) != dims
        or set(axes) - set(_LETTERS)
        or not {"y", "x"} <= set(axes)
    ):
        raise InputError(f"axes {axes!r} do not fit {node.path}, which is {meta.shape}; use t, c, z, y, x")
    fixed = [0] * dims
    if "t" in axes:
        fixed[axes.index("t")] = _time(meta.shape[axes.index("t")], options, node)
    elif options.time:
        raise InputError(f"{node.path} has no time points; leave time out, got {options.time}")
    sizes = {a: meta.shape[axes.index(a)] if a in axes else 1 for a in "zyxc"}
    check_extent(tuple(sizes.values()), str(node.path))
    described = node.path / ("zarr.json" if node.version == 3 else ".zarray")
    state = described.stat() if isinstance(described, RemotePath) else file_state(described)
    source = ZarrSource(ZarrArray(node.path, meta, state), axes.replace("t", "-"), tuple(fixed), state=state)
    return source, meta


def _time(count: int, options: ReadOptions, node: ZarrNode) -> int:
    if options.time is None and count == 1:
        return 0
    if options.time is None or not 0 <= options.time < count:
        raise InputError(f"{node.path} has {count} time points; choose one with time=0 to {count - 1}")
    return options.time


def _model(node: ZarrNode) -> None:
    """Let zarr-python's own model have its say about metadata that passed the checks here."""
    import zarr

    store: Any = str(node.path)
    if isinstance(node.path, RemotePath):
        from bigstack.io.zarr_store import PlaceStore

        store = PlaceStore(node.path, read_only=True)
    try:
        zarr.open_array(store, mode="r", zarr_format=node.version)  # type: ignore[arg-type]
    except Exception as error:
        raise StackError(f"{node.path} is damaged: zarr cannot open it: {error}") from error


def _storage(node: ZarrNode, meta: ArrayMeta) -> dict[str, Any]:
    found: dict[str, Any] = {
        "compression": ", ".join(name for name, _ in meta.codecs if name not in ("bytes", "crc32c"))
        or "none",
        "chunk": list(meta.chunk),
        "array": str(node.path),
    }
    return found | ({"shard": list(meta.shard)} if meta.shard else {})

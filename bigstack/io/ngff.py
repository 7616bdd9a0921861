"""OME-Zarr (NGFF) metadata, versions 0.1 to 0.5: axes, levels, pixel size, channel names, scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bigstack.errors import BigstackError, StackError
from bigstack.geometry import PixelSize
from bigstack.io.opened import unique_names
from bigstack.io.places import AnyPath
from bigstack.io.remote import RemotePath
from bigstack.io.units import in_micrometers
from bigstack.io.zarr_meta import ZarrNode, child, is_zarr, read_node

_OLD_AXES = ("t", "c", "z", "y", "x")
_TYPES = {"time": "t", "channel": "c"}
_MOST_SCENES = 10_000


@dataclass(frozen=True, slots=True)
class NgffImage:
    """A multiscale image."""

    node: ZarrNode
    version: str
    name: str
    axes: tuple[str, ...]
    """t, c, z, y, x in the order of the array's dims."""
    levels: tuple[str, ...]
    """Path of each resolution level, the full one first."""
    scales: tuple[tuple[float, ...], ...]
    units: tuple[str | None, ...]
    channels: tuple[str, ...]
    problems: tuple[str, ...]
    """Where the metadata departs from the standard."""

    def pixel_size(self, level: int) -> PixelSize | None:
        """Micrometres of a pixel at the level, None when the metadata does not say."""
        sizes = dict(zip(self.axes, zip(self.scales[level], self.units, strict=True), strict=True))
        y, x = (in_micrometers(*sizes[a]) for a in "yx")
        z = in_micrometers(*sizes["z"]) if "z" in sizes else None
        return None if y is None or x is None else PixelSize(z, y, x)


def ome_attributes(node: ZarrNode) -> dict[str, Any]:
    """The part of a group's attributes that OME-Zarr defines."""
    inside = node.attributes.get("ome")
    return inside if isinstance(inside, dict) else node.attributes


def is_ngff(node: ZarrNode) -> bool:
    """True for a group that is an OME-Zarr image, plate, well or collection of images."""
    keys = ("multiscales", "plate", "well", "bioformats2raw.layout", "series")
    return node.kind == "group" and any(key in ome_attributes(node) for key in keys)


def scene_groups(node: ZarrNode) -> dict[str, AnyPath]:
    """Folder of each image below a group, by its name; the group itself when it is the only one."""
    found = ome_attributes(node)
    if "multiscales" in found:
        return {"0": node.path}
    try:
        names = _scene_names(node, found)
    except (KeyError, TypeError, AttributeError) as error:
        raise StackError(f"{node.path} is damaged: its OME metadata lacks or misstates {error}") from error
    groups = {name: child(node.path, name) for name in names[:_MOST_SCENES]}
    if not isinstance(node.path, RemotePath):  # where each look is a request, what opens tells
        groups = {name: path for name, path in groups.items() if is_zarr(path)}
    if not groups:
        raise StackError(f"{node.path} names no image that is there")
    return groups


def _scene_names(node: ZarrNode, found: dict[str, Any]) -> list[str]:
    if "plate" in found:
        names = []
        for well in found["plate"]["wells"][:_MOST_SCENES]:
            inside = ome_attributes(read_node(child(node.path, well["path"])))
            names += [f"{well['path']}/{image['path']}" for image in inside["well"]["images"]]
        return names
    if "well" in found:
        return [str(image["path"]) for image in found["well"]["images"]]
    if "series" in found:
        return [str(name) for name in found["series"]]
    listed = node.path / "OME"
    if is_zarr(listed) and "series" in (series := ome_attributes(read_node(listed))):
        return [str(name) for name in series["series"]]
    return sorted((p.name for p in node.path.iterdir() if p.name.isdecimal()), key=int)


def read_image(node: ZarrNode) -> NgffImage:
    """Read the metadata of a multiscale image.

    Raises
    ------
    StackError
        When it lacks what is needed to find pixels.
    """
    found = ome_attributes(node)
    try:
        image = _read(node, found)
    except BigstackError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        reason = "; ".join(_problems(node)) or repr(error)
        raise StackError(f"{node.path}: its OME-Zarr metadata cannot be used: {reason}") from error
    wrong = sorted(image.axes) != sorted(set(image.axes)) or not {"y", "x"} <= set(image.axes)
    if wrong or set(image.axes) - set("tczyx"):
        raise StackError(f"{node.path} has axes {image.axes}; an image has t, c, z, y, x, each once at most")
    return image


def _read(node: ZarrNode, found: dict[str, Any]) -> NgffImage:
    multiscale = found["multiscales"][0]
    axes, units = _axes(multiscale.get("axes") or _OLD_AXES)
    outer = _scale(multiscale, len(axes))
    levels, scales = [], []
    for dataset in multiscale["datasets"]:
        child(node.path, dataset["path"])
        levels.append(dataset["path"])
        scales.append(tuple(a * b for a, b in zip(outer, _scale(dataset, len(axes)), strict=True)))
    if not levels:
        raise StackError(f"{node.path} has no resolution level")
    version = str(
        found.get("version") or multiscale.get("version") or ("0.4" if node.version == 2 else "0.5")
    )
    labels = [str(c.get("label") or "") for c in (found.get("omero") or {}).get("channels") or []]
    return NgffImage(
        node, version, str(multiscale.get("name") or ""), axes, tuple(levels), tuple(scales), units,
        unique_names(labels) if labels and all(labels) else (), _problems(node),
    )  # fmt: skip


def _axes(listed: Any) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    names: list[str] = []
    units: list[str | None] = []
    for axis in listed:
        axis = {"name": axis} if isinstance(axis, str) else axis
        name = str(axis["name"]).lower()
        names.append(_TYPES.get(str(axis.get("type")), name))
        units.append(str(axis["unit"]) if axis.get("unit") else None)
    return tuple(names), tuple(units)


def _scale(holder: dict[str, Any], dims: int) -> tuple[float, ...]:
    for transform in holder.get("coordinateTransformations") or []:
        if transform.get("type") == "scale":
            scale = tuple(float(value) for value in transform["scale"])
            if len(scale) != dims:
                raise ValueError(f"a scale of {len(scale)} numbers for {dims} axes")
            return scale
    return (1.0,) * dims


def _problems(node: ZarrNode) -> tuple[str, ...]:
    """What yaozarrs finds wrong with the metadata; reading goes on if what it needs is there."""
    import yaozarrs

    try:
        yaozarrs.validate_ome_object(ome_attributes(node))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        first = " ".join(str(error).split())[:300]
        return (f"the OME metadata does not follow the standard: {first}",)
    return ()

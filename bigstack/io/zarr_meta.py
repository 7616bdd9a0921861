"""Zarr metadata read from disk with every number checked, before any codec is made from it."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from bigstack.errors import AccessError, BigstackError, FormatError, StackError
from bigstack.io.places import AnyPath
from bigstack.io.remote import RemotePath

_MOST_BYTES = 1 << 26
_MOST_DIMS = 8
_LARGEST = 1 << 48
_MOST_INNER = 1 << 22

_V3 = ("zarr.json",)
_V2_ARRAY, _V2_GROUP, _V2_ATTRIBUTES = ".zarray", ".zgroup", ".zattrs"

FILTERS = ("delta", "fixedscaleoffset", "packbits", "quantize", "bitround")
"""Codecs that work on numbers and may change how many bytes they take."""
CODECS = (
    "bytes", "transpose", "sharding_indexed", "crc32c", "blosc", "gzip", "zstd", "zlib", "lz4", "bz2", "lzma",
    "shuffle", *FILTERS,
)  # fmt: skip
"""Codecs that only move bytes. Others, pickle above all, are never made."""
TEXT_CODECS = (*CODECS, "vlen-utf8")

Key = tuple[Literal["default", "v2"], str]


@dataclass(frozen=True, slots=True)
class ZarrNode:
    """A group or array on disk, with its own metadata only."""

    path: AnyPath
    kind: Literal["array", "group"]
    version: int
    meta: dict[str, Any]
    attributes: dict[str, Any]


def is_zarr(path: AnyPath) -> bool:
    """True for a folder that is a Zarr array or group."""
    return any((path / name).is_file() for name in (*_V3, _V2_ARRAY, _V2_GROUP))


def read_node(path: AnyPath) -> ZarrNode:
    """Read the metadata of a group or array.

    Raises
    ------
    StackError
        When there is none, or it is damaged or too large.
    """
    meta = _read_if_there(path / "zarr.json")
    if meta is not None:
        kind = meta.get("node_type")
        if meta.get("zarr_format") != 3 or kind not in ("array", "group"):
            raise StackError(f"{path}: zarr.json describes no Zarr 3 array or group")
        return ZarrNode(path, kind, 3, meta, _dict(meta.get("attributes"), path))
    for name, kind in ((_V2_ARRAY, "array"), (_V2_GROUP, "group")):
        meta = _read_if_there(path / name)
        if meta is not None:
            attributes = _read_if_there(path / _V2_ATTRIBUTES) or {}
            return ZarrNode(path, kind, 2, meta, attributes)  # type: ignore[arg-type]
    if isinstance(path, RemotePath):
        _told_why(path / "zarr.json")
    raise StackError(f"{path} is no Zarr array or group: it has no zarr.json, .zarray or .zgroup")


def _read_if_there(path: AnyPath) -> dict[str, Any] | None:
    """Metadata, None where there are none; one request where that is a request."""
    if not isinstance(path, RemotePath):
        return read_json(path) if path.is_file() else None
    try:
        return read_json(path)
    except (FileNotFoundError, AccessError):
        return None  # who may not list is not told either that something is not there


def _told_why(path: RemotePath) -> None:
    """Raise what a store says when it is asked for what must be there."""
    with contextlib.suppress(FileNotFoundError):
        path.stat()


def read_json(path: AnyPath) -> dict[str, Any]:
    """Read a JSON object of bounded size and depth."""
    try:
        if isinstance(path, RemotePath):
            return _dict(json.loads(path.read_checked(partial(_bounded, path))), path)
        size = path.stat().st_size
        _bounded(path, size)
        found = json.loads(path.read_bytes())
    except StackError:
        raise
    except (ValueError, RecursionError) as error:
        raise StackError(f"{path} is damaged: {error}") from error
    except OSError as error:
        if isinstance(path, RemotePath):
            raise
        raise StackError(f"{path} cannot be read: {error.strerror or error}") from error
    return _dict(found, path)


def _bounded(path: AnyPath, size: int) -> None:
    if size > _MOST_BYTES:
        raise StackError(f"{path} has {size} bytes, more than any metadata has")


def _dict(found: object, path: AnyPath) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise StackError(f"{path} is damaged: its metadata is not an object")
    return found


def child(path: AnyPath, relative: object) -> AnyPath:
    """Folder of a node inside `path`; a name that leads out of it is refused."""
    name = relative if isinstance(relative, str) else ""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(c in name for c in "\\:\0"):
        raise StackError(f"{path}: its metadata points to {relative!r}, outside its folder, which is refused")
    return path.joinpath(*parts)


@dataclass(frozen=True, slots=True)
class ArrayMeta:
    """What is needed to find and decode the chunks of an array."""

    shape: tuple[int, ...]
    dtype: str
    """As NumPy writes it, with its byte order."""
    chunk: tuple[int, ...]
    """Sizes of what is decoded at once."""
    shard: tuple[int, ...] | None
    """Sizes of what is a file, when that holds several chunks."""
    codecs: tuple[tuple[str, str], ...]
    """Name and JSON of the settings of each codec that made a chunk, in the order of encoding."""
    index_at_end: bool
    index_checked: bool
    key: Key
    order: str
    fill: float


def array_meta(node: ZarrNode, max_pixels: int, allowed: tuple[str, ...] = CODECS) -> ArrayMeta:
    """Check and take apart an array's metadata.

    Raises
    ------
    FormatError
        For codecs that are not allowed, or sizes that no real array has.
    """
    try:
        _no_objects(node, allowed)
        found = _v3(node) if node.version == 3 else _v2(node)
    except BigstackError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise StackError(f"{node.path} is damaged: its metadata lacks or misstates {error}") from error
    for name, sizes in (
        ("shape", found.shape),
        ("chunks", found.chunk),
        ("shards", found.chunk if found.shard is None else found.shard),
    ):
        whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 < n <= _LARGEST for n in sizes)
        if not whole or len(sizes) != len(found.shape) or not 1 <= len(sizes) <= _MOST_DIMS:
            raise FormatError(f"{node.path} has {name} {list(sizes)}, which no image has")
    if math.prod(found.chunk) > max_pixels:
        raise FormatError(
            f"{node.path}: a chunk of {math.prod(found.chunk)} pixels has to be decoded at once, "
            f"the limit is {max_pixels}; if you trust the store, raise it with max_pixels (--max-pixels)"
        )
    if found.shard is not None:
        inner = [s // c for s, c in zip(found.shard, found.chunk, strict=True)]
        if (
            any(s % c for s, c in zip(found.shard, found.chunk, strict=True))
            or math.prod(inner) > _MOST_INNER
        ):
            raise FormatError(f"{node.path}: shards of {found.shard} do not hold chunks of {found.chunk}")
    return found


def _no_objects(node: ZarrNode, allowed: tuple[str, ...]) -> None:
    """Refuse codecs that run code or that are unknown, wherever the metadata names them."""
    meta = node.meta
    listed = list(meta.get("codecs") or []) if node.version == 3 else [meta.get("compressor")]
    listed += [] if node.version == 3 else list(meta.get("filters") or [])
    seen = 0
    while listed:
        codec = listed.pop()
        seen += 1
        if codec is None:
            continue
        if isinstance(codec, str):
            codec = {"name": codec}
        name = str(codec.get("name", codec.get("id"))) if isinstance(codec, dict) else repr(codec)
        if name.removeprefix("numcodecs.").lower() not in allowed or seen > 100:
            raise FormatError(
                f"{node.path}: its pixels are encoded with {name!r}; read are {', '.join(CODECS)}"
            )
        inner = codec.get("configuration")
        if isinstance(inner, dict):
            listed += list(inner.get("codecs") or []) + list(inner.get("index_codecs") or [])
    if "O" in str(meta.get("dtype", "")) or not isinstance(meta.get("dtype", ""), str):
        raise FormatError(f"{node.path}: its dtype is {meta.get('dtype')!r}; pixels must be numbers")


def _v3(node: ZarrNode) -> ArrayMeta:
    meta = node.meta
    grid = meta["chunk_grid"]
    if grid["name"] != "regular" or meta.get("storage_transformers"):
        raise FormatError(f"{node.path}: only a regular chunk grid without storage transformers is read")
    chunk = tuple(grid["configuration"]["chunk_shape"])
    key = meta["chunk_key_encoding"]
    style: Any = key["name"]
    separator = (key.get("configuration") or {}).get("separator", "/" if style == "default" else ".")
    if style not in ("default", "v2") or separator not in ("/", "."):
        raise FormatError(f"{node.path}: chunks are named by {style!r} with {separator!r}, which is not read")
    codecs = [_named(codec) for codec in meta["codecs"]]
    shard, at_end, checked = None, True, True
    if len(codecs) == 1 and codecs[0][0] == "sharding_indexed":
        settings = json.loads(codecs[0][1])
        shard, chunk = chunk, tuple(settings["chunk_shape"])
        at_end = settings.get("index_location", "end") == "end"
        index = [_named(codec)[0] for codec in settings["index_codecs"]]
        if index not in (["bytes"], ["bytes", "crc32c"]):
            raise FormatError(f"{node.path}: a shard index encoded with {index} is not read")
        checked = "crc32c" in index
        codecs = [_named(codec) for codec in settings["codecs"]]
    dtype = _v3_dtype(meta["data_type"], codecs)
    if dtype.startswith(">") and any(name in FILTERS for name, _ in codecs):
        raise FormatError(f"{node.path}: filters on big-endian pixels are not read")
    fill = meta.get("fill_value")
    return ArrayMeta(
        tuple(meta["shape"]), dtype, chunk, shard, tuple(codecs), at_end, checked, (style, separator), "C",
        _fill(fill),
    )  # fmt: skip


def _fill(value: object) -> float:
    """Pixels of chunks that were never written."""
    if isinstance(value, int | float):
        return float(value)
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else 0.0  # type: ignore[arg-type]


def _named(codec: Any) -> tuple[str, str]:
    if isinstance(codec, str):
        return codec.removeprefix("numcodecs.").lower(), "{}"
    name = str(codec["name"]).removeprefix("numcodecs.").lower()
    return name, json.dumps(codec.get("configuration") or {})


def _v3_dtype(data_type: Any, codecs: list[tuple[str, str]]) -> str:
    endian = next((json.loads(settings).get("endian") for name, settings in codecs if name == "bytes"), None)
    order: Literal["<", ">"] = ">" if endian == "big" else "<"
    if isinstance(data_type, dict) and data_type.get("name") == "fixed_length_utf32":
        return f"{order}U{int(data_type['configuration']['length_bytes']) // 4}"
    if data_type == "string":
        return "vlen-utf8"
    import numpy as np

    dtype = np.dtype(str(data_type))
    if dtype.kind not in "buif":
        raise FormatError(f"pixels of dtype {data_type!r} are not read")
    return dtype.newbyteorder(order).str


def _v2(node: ZarrNode) -> ArrayMeta:
    import numpy as np

    meta = node.meta
    compressor, filters = meta.get("compressor"), meta.get("filters") or []
    codecs = [
        (str(f["id"]).lower(), json.dumps(f)) for f in [*filters, *([compressor] if compressor else [])]
    ]
    dtype = np.dtype(meta["dtype"])
    if dtype.kind not in "buifU":
        raise FormatError(f"{node.path}: pixels of dtype {meta['dtype']!r} are not read")
    fill = meta.get("fill_value")
    separator = meta.get("dimension_separator", ".")
    if separator not in ("/", "."):
        raise FormatError(f"{node.path}: chunks are named with {separator!r}, which is not read")
    return ArrayMeta(
        tuple(meta["shape"]), dtype.str, tuple(meta["chunks"]), None, tuple(codecs), True, True,
        ("v2", separator), str(meta.get("order", "C")), _fill(fill),
    )  # fmt: skip

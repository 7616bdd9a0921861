"""GLB and glTF 2.0 in one file: metres by the node's scale, the picture as texture."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bigstack.io.meshes.picture import jpeg
from bigstack.io.units import in_micrometers
from bigstack.io.writers.file_sink import software
from bigstack.kernels.mesh.value import Mesh

FLOAT, UINT = 5126, 5125
VERTICES, INDICES = 34962, 34963
"""What a part of the buffer is for."""


class _Buffer:
    """The binary part, and what it is made of."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.length = 0

    def add(self, data: bytes, target: int | None = None) -> int:
        """Append; gives the view's number."""
        view = {"buffer": 0, "byteOffset": self.length, "byteLength": len(data)}
        self.views.append(view if target is None else {**view, "target": target})
        padded = data + b"\0" * (-len(data) % 4)
        self.pieces.append(padded)
        self.length += len(padded)
        return len(self.views) - 1

    def array(self, values: np.ndarray, kind: str, target: int, *, bounds: bool = False) -> int:
        """Append numbers; gives the accessor's number."""
        component = FLOAT if values.dtype.kind == "f" else UINT
        stored = values.astype("<f4" if component == FLOAT else "<u4")
        accessor: dict[str, Any] = {
            "bufferView": self.add(stored.tobytes(), target),
            "componentType": component,
            "count": stored.size if kind == "SCALAR" else len(stored),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": stored.min(axis=0).tolist(), "max": stored.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def files(mesh: Mesh, path: Path) -> dict[Path, Iterator[bytes]]:
    """Content of the file."""
    return {path: _glb(mesh) if path.suffix.lower() == ".glb" else _gltf(mesh)}


def _glb(mesh: Mesh) -> Iterator[bytes]:
    buffer = _Buffer()
    head = json.dumps(_document(mesh, buffer), separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)
    sizes = np.array([2, 12 + 8 + len(head) + 8 + buffer.length], "<u4").tobytes()
    yield b"glTF" + sizes + np.uint32(len(head)).astype("<u4").tobytes() + b"JSON" + head
    yield np.uint32(buffer.length).astype("<u4").tobytes() + b"BIN\0"
    yield from buffer.pieces


def _gltf(mesh: Mesh) -> Iterator[bytes]:
    buffer = _Buffer()
    document = _document(mesh, buffer)
    data = base64.b64encode(b"".join(buffer.pieces)).decode()
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + data
    yield json.dumps(document).encode()


def _document(mesh: Mesh, buffer: _Buffer) -> dict[str, Any]:
    attributes = {
        "POSITION": buffer.array(mesh.vertices, "VEC3", VERTICES, bounds=True),
        "NORMAL": buffer.array(mesh.normals, "VEC3", VERTICES),
    }
    if mesh.picture is not None:
        attributes["TEXCOORD_0"] = buffer.array(mesh.positions, "VEC2", VERTICES)
    indices = buffer.array(mesh.faces, "SCALAR", INDICES)
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": software(), "extras": {"unit": mesh.unit}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "surface", **_metres(mesh.unit)}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": surface, "doubleSided": True}],
    }
    if mesh.picture is not None:
        view = buffer.add(jpeg(mesh.picture))
        surface["baseColorTexture"] = {"index": 0}
        clamped = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
        document |= {
            "textures": [{"source": 0, "sampler": 0}],
            "samplers": [clamped],
            "images": [{"bufferView": view, "mimeType": "image/jpeg"}],
        }
    return {
        **document,
        "buffers": [{"byteLength": buffer.length}],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }


def _metres(unit: str) -> dict[str, Any]:
    """The scale of the node: glTF is in metres. Pixels of no known size stay as they are."""
    length = in_micrometers(1.0, unit)
    return {} if length is None else {"scale": [length * 1e-6] * 3}

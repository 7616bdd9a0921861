"""PLY, binary, with normals and the picture's colours at the vertices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bigstack.io.writers.file_sink import software
from bigstack.kernels.mesh.value import Mesh

TYPES = {"f": "float", "u": "uchar"}


def files(mesh: Mesh, path: Path) -> dict[Path, Iterator[bytes]]:
    """Content of the file."""
    return {path: _content(mesh)}


def _content(mesh: Mesh) -> Iterator[bytes]:
    columns = {
        **dict(zip("xyz", mesh.vertices.T, strict=True)),
        **dict(zip(("nx", "ny", "nz"), mesh.normals.T, strict=True)),
    }
    colours = mesh.colours()
    if colours is not None:
        columns |= dict(zip(("red", "green", "blue"), colours.T, strict=True))
    kinds = [(name, "<f4" if values.dtype.kind == "f" else "u1") for name, values in columns.items()]
    table = np.empty(len(mesh.vertices), kinds)
    for name, values in columns.items():
        table[name] = values
    yield _header(mesh, {name: TYPES[values.dtype.kind] for name, values in columns.items()})
    yield table.tobytes()
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("vertices", "<i4", 3)])
    faces["count"], faces["vertices"] = 3, mesh.faces
    yield faces.tobytes()


def _header(mesh: Mesh, properties: dict[str, str]) -> bytes:
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {software()}",
        f"comment x, y and z in {mesh.unit}",
        f"element vertex {len(mesh.vertices)}",
        *(f"property {kind} {name}" for name, kind in properties.items()),
        f"element face {len(mesh.faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")

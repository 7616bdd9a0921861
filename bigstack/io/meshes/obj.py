"""Wavefront OBJ as text, with its material (MTL) and picture beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bigstack.io.meshes.picture import jpeg
from bigstack.io.writers.file_sink import software
from bigstack.kernels.mesh.value import Mesh

PIECE = 50_000
"""Lines put together at a time."""
MATERIAL = "picture"


def files(mesh: Mesh, path: Path) -> dict[Path, Iterator[bytes]]:
    """Content of every file, the OBJ itself last."""
    if mesh.picture is None:
        return {path: _content(mesh, None)}
    picture, material = path.with_suffix(".jpg"), path.with_suffix(".mtl")
    return {
        picture: iter([jpeg(mesh.picture)]),
        material: iter([_material(picture.name)]),
        path: _content(mesh, material.name),
    }


def _content(mesh: Mesh, material: str | None) -> Iterator[bytes]:
    head = [f"# {software()}", f"# x, y and z in {mesh.unit}"]
    if material is not None:
        head += [f"mtllib {material}", f"usemtl {MATERIAL}"]
    yield ("\n".join(head) + "\n").encode()
    yield from _lines("v %.9g %.9g %.9g\n", mesh.vertices)
    yield from _lines("vn %.6g %.6g %.6g\n", mesh.normals)
    faces = mesh.faces + 1
    if material is None:
        yield from _lines("f %d//%d %d//%d %d//%d\n", np.repeat(faces, 2, axis=1))
        return
    # OBJ counts from the bottom of the picture.
    yield from _lines("vt %.9g %.9g\n", np.stack([mesh.positions[:, 0], 1 - mesh.positions[:, 1]], axis=1))
    yield from _lines("f %d/%d/%d %d/%d/%d %d/%d/%d\n", np.repeat(faces, 3, axis=1))


def _lines(form: str, rows: np.ndarray) -> Iterator[bytes]:
    for start in range(0, len(rows), PIECE):
        part = rows[start : start + PIECE]
        yield (form * len(part) % tuple(part.reshape(-1).tolist())).encode()


def _material(picture: str) -> bytes:
    lines = [f"# {software()}", f"newmtl {MATERIAL}", "Ka 0 0 0", "Kd 1 1 1", "Ks 0 0 0", "illum 1"]
    return ("\n".join([*lines, f"map_Kd {picture}"]) + "\n").encode()

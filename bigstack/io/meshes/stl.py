"""STL, binary: triangles and their normals, no picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bigstack.io.writers.file_sink import software
from bigstack.kernels.mesh.value import Mesh

PIECE = 100_000
"""Triangles put together at a time."""


def files(mesh: Mesh, path: Path) -> dict[Path, Iterator[bytes]]:
    """Content of the file."""
    return {path: _content(mesh)}


def _content(mesh: Mesh) -> Iterator[bytes]:
    # Readers take a file that starts with "solid" for the format's other kind, text.
    yield f"{software()}, x, y and z in {mesh.unit}".encode("ascii")[:80].ljust(80)
    yield np.uint32(len(mesh.faces)).astype("<u4").tobytes()
    for start in range(0, len(mesh.faces), PIECE):
        yield _triangles(mesh.vertices[mesh.faces[start : start + PIECE]]).tobytes()


def _triangles(corners: np.ndarray) -> np.ndarray:
    """Records of corners (triangle, 3, 3)."""
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).astype(np.float64)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    found = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])
    found["normal"] = np.divide(across, length, out=np.zeros_like(across), where=length > 0)
    found["corners"] = corners
    return found

"""Files of triangle meshes, their format told by the ending of the name."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from pathlib import Path

from bigstack.errors import FormatError, InputError
from bigstack.io.writers.output import Output
from bigstack.kernels.mesh.value import Mesh

SUFFIXES = {".ply": "ply", ".obj": "obj", ".stl": "stl", ".glb": "gltf", ".gltf": "gltf"}
"""Module of every format. Each has ``files(mesh, path)``, the content of every file, the main one last."""

PLAIN = (".stl",)
"""Formats that have no place for a picture."""


def mesh_suffix(path: str | os.PathLike[str]) -> str:
    """The ending that says the format.

    Raises
    ------
    FormatError
        When it is none of a mesh; lists those that are.

    Examples
    --------
    >>> mesh_suffix("hill.GLB")
    '.glb'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise FormatError(
            f"cannot tell the format of {os.fspath(path)!r} from its ending (one of: {', '.join(SUFFIXES)})"
        )
    return suffix


def check_mesh_path(path: str | os.PathLike[str], *, textured: bool, overwrite: bool) -> None:
    """Refuse, before any work, a name that the mesh could not take in the end.

    Raises
    ------
    FormatError, OutputExistsError, InputError
        For an unknown ending, a file that exists, a missing folder, or a picture that the format cannot hold.
    """
    suffix = mesh_suffix(path)
    if textured and suffix in PLAIN:
        able = ", ".join(name for name in SUFFIXES if name not in PLAIN)
        raise FormatError(f"{suffix[1:].upper()} holds no texture; leave it away, or write one of {able}")
    for name in mesh_paths(path, textured=textured):
        Output(name, overwrite=overwrite, folder=False).check()


def mesh_paths(path: str | os.PathLike[str], *, textured: bool) -> list[Path]:
    """Every file of a mesh: OBJ has its material and picture beside it.

    Examples
    --------
    >>> [path.name for path in mesh_paths("hill.obj", textured=True)]
    ['hill.jpg', 'hill.mtl', 'hill.obj']
    """
    main = Path(path)
    if mesh_suffix(path) != ".obj" or not textured:
        return [main]
    return [main.with_suffix(".jpg"), main.with_suffix(".mtl"), main]


def write_mesh_files(mesh: Mesh, path: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
    """Write a mesh; none of its files appears before all are whole on disk, the main one last.

    Raises
    ------
    FormatError, OutputExistsError, InputError
        As `check_mesh_path` says.
    RunError
        When the disk is full.
    """
    textured = mesh.picture is not None
    check_mesh_path(path, textured=textured, overwrite=overwrite)
    if not len(mesh.faces):
        raise InputError("the mesh has no triangles, there is nothing to write")
    module = importlib.import_module(f"bigstack.io.meshes.{SUFFIXES[mesh_suffix(path)]}")
    contents = module.files(mesh, Path(path))
    outputs = [Output(name, overwrite=overwrite, folder=False) for name in contents]
    try:
        for output in outputs:
            output.claim()
        for output, content in zip(outputs, contents.values(), strict=True):
            _write(output, content)
        for output in outputs:
            output.publish(output.partial)
    except BaseException:
        for output in outputs:
            output.discard()
        raise
    return [output.path for output in outputs]


def _write(output: Output, content: Iterable[bytes]) -> None:
    with output.writing(0), output.partial.open("wb") as file:
        for piece in content:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())

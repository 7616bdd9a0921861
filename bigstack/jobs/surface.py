"""The job of `bigstack surface`: from a depth map on disk to a mesh on disk."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigstack.io.meshes import check_mesh_path, write_mesh_files
from bigstack.io.places import AnyPath
from bigstack.kernels.mesh.value import Mesh


@dataclass
class SurfaceJob:
    """Everything `bigstack surface` can be told; see its help for what each means."""

    depth: AnyPath
    output: Path
    texture: AnyPath | None = None
    valid: AnyPath | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """Options of `bigstack.surface`."""
    unit: str | None = None
    """What the depth is in, instead of what the file says."""
    workers: int | None = None
    overwrite: bool = False


@dataclass
class SurfaceResult:
    """What a run made."""

    written: list[Path]
    mesh: Mesh
    seconds: float

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        mesh = self.mesh
        size = mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)
        lines = [f"wrote {path}" for path in self.written]
        lines.append(f"{len(mesh.faces)} triangles, {len(mesh.vertices)} vertices in {self.seconds:.1f} s")
        lines.append(f"{size[0]:.6g} x {size[1]:.6g} x {size[2]:.6g} {mesh.unit} (x, y, z)")
        of = "the depth map" if mesh.grid == 1 else f"means of {mesh.grid} x {mesh.grid} pixels"
        lines.append(f"misses {of} by {mesh.error:.3g} {mesh.unit} RMS, {mesh.largest_error:.3g} at most")
        return lines


def run_surface(job: SurfaceJob) -> SurfaceResult:
    """Run `job`.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    started = time.perf_counter()
    check_mesh_path(job.output, textured=job.texture is not None, overwrite=job.overwrite)
    import dask

    from bigstack.io.maps import open_image, open_map
    from bigstack.meshes import surface

    depth = open_map(job.depth)
    if job.unit is not None:
        depth = depth.assign_attrs(unit=job.unit)
    more: dict[str, Any] = dict(job.options)
    if job.texture is not None:
        more["texture"] = open_image(job.texture, "texture")
    if job.valid is not None:
        more["valid"] = open_map(job.valid, "mask")
    with dask.config.set(scheduler="threads", num_workers=job.workers or os.cpu_count()):
        mesh = surface(depth, **more)
    written = write_mesh_files(mesh, job.output, overwrite=job.overwrite)
    return SurfaceResult(written, mesh, time.perf_counter() - started)


def write_mesh(mesh: Mesh, path: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
    """Write a mesh that `bigstack.surface` made: .ply, .obj (with .mtl and .jpg), .stl, .glb or .gltf.

    Parameters
    ----------
    mesh
        The mesh. PLY carries its picture as colours of the vertices, the others as a texture; STL none.
    path
        Where it goes; its ending says the format. Files hold the mesh's own unit; GLB and glTF scale it to
        metres, as they must.
    overwrite
        Whether files that are there already may be replaced.

    Returns
    -------
    list of Path
        The files, all whole.

    Raises
    ------
    FormatError
        For an unknown ending, or a picture that the format cannot hold.
    OutputExistsError
        When a file exists and `overwrite` is false.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from bigstack.meshes import surface
    >>> mesh = surface(np.zeros((8, 8)), z_scale=1)
    >>> [path.name for path in write_mesh(mesh, tempfile.mkdtemp() + "/flat.ply")]
    ['flat.ply']
    """
    return write_mesh_files(mesh, path, overwrite=overwrite)

"""The job of `bigstack depth`: a depth map, what is known about it, and the image fused by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bigstack.errors import InputError, choose
from bigstack.io.places import AnyPath
from bigstack.jobs.picture import PictureJob, run_picture
from bigstack.jobs.results import check_paths
from bigstack.jobs.stack import StackJob, StackPlan, StackResult, run_stack
from bigstack.names import Blank, ColorMap, PictureKind, choices

MASKS = ("valid", "unobserved")


@dataclass
class DepthJob(StackJob):
    """Everything `bigstack depth` can be told; see its help for what each means.

    `output` is the depth map, `options` are those of `depth_from_focus`.
    """

    command: ClassVar[str] = "depth"
    valid_out: AnyPath | None = None
    unobserved_out: AnyPath | None = None
    fused_out: AnyPath | None = None
    blank: tuple[Blank, ...] = ()
    """Pixels whose depth is written as NaN."""
    preview: Path | None = None
    """Picture of the depth in grey or colours."""
    hillshade: Path | None = None
    relief: Path | None = None
    """Picture of the depth in colours and slanting light."""
    colormap: ColorMap | None = None
    """Of the preview (grey when None) and the relief (viridis)."""

    def check(self) -> None:
        """Refuse options that cannot be, before anything is read."""
        from bigstack.depth import depth_options

        for name in self.options:
            choose(name, depth_options(), "option of depth")
        for name in self.blank:
            choose(name, choices(Blank), "kind of pixel to blank")
        if self.blank and not _holds_nan(self.output):
            raise InputError(
                f"{self.output} cannot hold pixels without a depth; write it to .tif, .ome.tif or .zarr"
            )

    @property
    def outputs(self) -> dict[str, AnyPath]:
        """Path of every variable to write."""
        paths = {
            "depth": self.output,
            "index": self.index_out,
            "confidence": self.confidence_out,
            "sigma": self.sigma_out,
            "valid": self.valid_out,
            "unobserved": self.unobserved_out,
            "image": self.fused_out,
        }
        return {name: path for name, path in paths.items() if path is not None}

    @property
    def pictures(self) -> dict[PictureKind, Path]:
        """Path of every picture to draw."""
        paths: dict[PictureKind, Path | None] = {
            "color": self.preview,
            "hillshade": self.hillshade,
            "relief": self.relief,
        }
        return {kind: path for kind, path in paths.items() if path is not None}

    def parameters(self) -> dict[str, Any]:
        """What the pixels depend on, for the record."""
        return {**super().parameters(), "method": "depth", "blank": list(self.blank)}

    def dataset(self, stack: Any, layout: Any) -> Any:
        """The lazy maps, masks as pictures of 0 and 255."""
        from bigstack.depth import depth_by
        from bigstack.fusion import fuse_by

        how = {"focus_channel": self.focus_channel, **self.options}
        if self.fused_out is None:
            found = depth_by(stack, layout, **how)
        else:
            found = fuse_by(stack, layout, method="depth", **how)
        depth = found.depth
        if "invalid" in self.blank:
            depth = depth.where(found.valid)
        if "unobserved" in self.blank:
            depth = depth.where(~found.unobserved)
        masks = {name: (found[name].astype("uint8") * 255).assign_attrs(found[name].attrs) for name in MASKS}
        return found.assign({**masks, "depth": depth.assign_attrs(found.depth.attrs)})


def run_depth(
    job: DepthJob,
    *,
    tell: Callable[[StackPlan], None] = lambda plan: None,
    watch: Callable[[Any], None] = lambda progress: None,
    say: Callable[[str], None] = lambda text: None,
) -> StackResult:
    """Run `job` as `run_stack` does, then draw the pictures of the depth that was written.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    if job.pictures:
        paths = {**job.outputs, **{f"{kind} picture": path for kind, path in job.pictures.items()}}
        check_paths(paths, overwrite=job.overwrite)
    if job.colormap is not None and not {"color", "relief"} & set(job.pictures):
        raise InputError("--colormap colours a --preview or a --relief; neither was asked for")
    result = run_stack(job, tell=tell, watch=watch, say=say)
    for kind, path in job.pictures.items():
        colours = {"color": job.colormap or "grey", "relief": job.colormap or "viridis"}
        options = {"colormap": colours[kind]} if kind in colours else {}
        run_picture(PictureJob(job.output, path, kind, options, workers=job.workers, overwrite=job.overwrite))
        result.outputs[f"{kind} picture"] = path
    return result


def _holds_nan(path: AnyPath) -> bool:
    return path.name.lower().endswith((".tif", ".tiff", ".zarr", ".npy"))

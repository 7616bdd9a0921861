"""The job of `bigstack picture`: a map on disk as a picture on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bigstack.errors import choose
from bigstack.io.places import AnyPath
from bigstack.names import PictureKind, choices

OPTIONS = {
    "color": ("colormap", "bits", "low", "high"),
    "hillshade": ("azimuth", "altitude", "exaggeration", "invert", "pixel_size", "z_scale"),
    "relief": (
        "colormap", "low", "high", "azimuth", "altitude", "exaggeration", "invert", "pixel_size", "z_scale",
    ),
}  # fmt: skip
"""Options that each kind of picture takes."""


@dataclass
class PictureJob:
    """Everything `bigstack picture` can be told; see its help for what each means."""

    source: AnyPath
    output: AnyPath
    kind: PictureKind = "relief"
    options: dict[str, Any] = field(default_factory=dict)
    """Those of `bigstack.colorize` and `bigstack.hillshade`."""
    valid: AnyPath | None = None
    unit: str | None = None
    workers: int | None = None
    overwrite: bool = False


@dataclass
class PictureResult:
    """What a run wrote."""

    written: list[AnyPath]
    shape: tuple[int, ...]
    seconds: float

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        size = f"{self.shape[0]} x {self.shape[1]} in {self.seconds:.1f} s"
        return [*(f"wrote {path}" for path in self.written), size]


def run_picture(job: PictureJob, *, watch: Callable[[Any], None] = lambda progress: None) -> PictureResult:
    """Run `job`.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    started = time.perf_counter()
    from bigstack.cluster import open_executor
    from bigstack.io.maps import open_map
    from bigstack.jobs.maps import write_by
    from bigstack.jobs.results import check_paths

    choose(job.kind, choices(PictureKind), "kind of picture")
    for name in job.options:
        choose(name, OPTIONS[job.kind], f"option of a picture of kind {job.kind!r}")
    check_paths({"picture": job.output}, overwrite=job.overwrite)
    values = open_map(job.source, "map")
    if job.unit is not None:
        values = values.assign_attrs(unit=job.unit)
    more = {} if job.valid is None else {"valid": open_map(job.valid, "mask")}
    picture = draw(values, job.kind, **job.options, **more)
    with open_executor(workers=job.workers) as executor:
        write_by(picture, job.output, executor, overwrite=job.overwrite, watch=watch)
    return PictureResult([job.output], picture.shape, time.perf_counter() - started)


def draw(values: Any, kind: PictureKind, **options: Any) -> Any:
    """The lazy picture of a map."""
    from bigstack.pictures import colorize, hillshade

    if kind == "color":
        return colorize(values, **options)
    return hillshade(values, **({"colormap": "viridis", **options} if kind == "relief" else options))

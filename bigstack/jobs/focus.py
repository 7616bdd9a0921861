"""Focus maps of a stack, how sharp its frames are, and the sharpest one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bigstack.errors import InputError, OutputExistsError
from bigstack.io.places import AnyPath
from bigstack.jobs.running import Running


@dataclass
class FocusJob(Running):
    """Everything `bigstack focus` can be told; see its help for what each means."""

    inputs: tuple[AnyPath, ...]
    output: AnyPath | None = None
    """Where the maps go; None to make none."""
    method: str = "log_energy"
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the measure."""
    smoothing: float = 0.0
    noise: float | str | None = None
    focus_channel: list[str] | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    """Options of `open_stack`."""
    summary: Path | None = None
    """JSON with the sharpness of every frame."""
    best_frame: Path | None = None
    """Where the sharpest frame is copied to, or with a grid each cell of its own sharpest frame."""
    grid: tuple[int, int] | None = None
    """Cells down and across for which the sharpest frame is told."""
    compare: bool = False
    """Whether to compare frames although none of these is asked for."""
    tile: int | None = None
    overwrite: bool = False

    @property
    def wants_sharpness(self) -> bool:
        """Whether frames are to be compared."""
        return self.compare or any(x is not None for x in (self.summary, self.best_frame, self.grid))


@dataclass
class FocusResult:
    """What a run found and wrote."""

    written: list[AnyPath]
    shape: tuple[int, ...]
    seconds: float
    sharpness: np.ndarray | None
    """Mean focus of each frame, None where frames were not compared."""
    z: np.ndarray
    unit: str
    """What z is in."""
    best: int | None
    best_name: str | None
    """File of the sharpest frame, where each frame is a file."""
    grid: np.ndarray | None
    """Number of the sharpest frame in each cell (row, column)."""

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        lines = [f"wrote {path}" for path in self.written[:8]]
        if len(self.written) > 8:
            lines.append(f"and {len(self.written) - 8} more")
        if self.best is not None:
            name = f" ({self.best_name})" if self.best_name else ""
            lines.append(f"sharpest frame: {self.best}{name}")
        if self.grid is not None:
            lines.append("sharpest frame by place:")
            width = len(str(self.grid.max()))
            lines += ["  " + " ".join(f"{number:{width}d}" for number in row) for row in self.grid]
        if verbose and self.sharpness is not None:
            lines += [f"  frame {i}: {value:.6g}" for i, value in enumerate(self.sharpness)]
        return [*lines, f"{self.shape[0]} frames in {self.seconds:.1f} s"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "frames": self.shape[0],
            "z": self.z.tolist(),
            "sharpness": None if self.sharpness is None else self.sharpness.tolist(),
            "best_frame": self.best,
            "best_frame_file": self.best_name,
            "best_frame_grid": None if self.grid is None else self.grid.tolist(),
        }


def run_focus(job: FocusJob, *, watch: Callable[[Any], None] = lambda progress: None) -> FocusResult:
    """Run `job`.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    started = time.perf_counter()
    from bigstack.cluster import tasks_a_process
    from bigstack.engine.sources import as_source
    from bigstack.engine.windows import settle
    from bigstack.focus import measure_focus
    from bigstack.jobs.maps import fitting_tile, map_paths, write_by, write_field
    from bigstack.jobs.stack import open_inputs

    if job.output is None and not job.wants_sharpness:
        raise InputError("nothing to do: give --output, --summary, --plot, --best-frame or --best-frame-grid")
    stack = open_inputs(job.inputs, job.reading)
    tile, _ = fitting_tile(
        as_source(stack.data),
        halo=64,
        tile=job.tile,
        memory_limit=job.memory_limit,
        workers=tasks_a_process(**job.place),
    )
    focus = measure_focus(
        stack,
        method=job.method,
        smoothing=job.smoothing,
        noise=job.noise,  # type: ignore[arg-type]
        focus_channel=job.focus_channel,
        tile=tile,
        **job.options,
    )
    maps = [] if job.output is None else map_paths(job.output, stack.sizes["z"])
    _refuse_existing([*maps, job.summary, job.best_frame], job.overwrite)
    with job.executor() as executor:
        written: list[AnyPath] = []
        if job.output is not None:
            source = settle(focus.data, executor)
            written += write_field(source, focus, job.output, executor, overwrite=job.overwrite, watch=watch)
        found = _compare(stack, job)
        if job.best_frame is not None:
            image = stack[found["best"]] if job.grid is None else _mosaic(stack, found["grid"])
            write_by(image, job.best_frame, executor, overwrite=job.overwrite)
            written.append(job.best_frame)
    result = FocusResult(
        written=written,
        shape=stack.shape,
        seconds=time.perf_counter() - started,
        z=stack.z.values,
        unit=stack.z.attrs.get("units", "frame"),
        **found,
    )
    if job.summary is not None:
        job.summary.write_text(json.dumps({"method": job.method, **result.as_dict()}, indent=1) + "\n")
        result.written.append(job.summary)
    return result


def _compare(stack: Any, job: FocusJob) -> dict[str, Any]:
    """How sharp frames are, as a whole and by place."""
    if not job.wants_sharpness:
        return {"sharpness": None, "best": None, "best_name": None, "grid": None}
    from bigstack.focus import sharpness

    options = {name: value for name, value in job.options.items() if name != "normalize"}
    cells = sharpness(
        stack, method=job.method, grid=job.grid or (1, 1), focus_channel=job.focus_channel, **options
    )
    curve = cells.values.mean(axis=(1, 2))
    best = int(curve.argmax())
    files = stack.attrs.get("files") or []
    return {
        "sharpness": curve,
        "best": best,
        "best_name": Path(files[best]).name if len(files) == stack.sizes["z"] > 1 else None,
        "grid": None if job.grid is None else cells.values.argmax(axis=0),
    }


def _mosaic(stack: Any, grid: np.ndarray) -> Any:
    """Each cell from the frame that is sharpest there, side by side; lazy."""
    import dask.array as da

    from bigstack.focus import grid_edges

    rows, columns = grid_edges(grid.shape, stack.shape[1:3])
    cells = [
        [
            stack.data[grid[i, j], rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            for j in range(grid.shape[1])
        ]
        for i in range(grid.shape[0])
    ]
    pixels = da.concatenate([da.concatenate(row, axis=1) for row in cells], axis=0)
    return stack[0].copy(data=pixels)


def _refuse_existing(paths: Sequence[AnyPath | None], overwrite: bool) -> None:
    for path in paths:
        if path is not None and path.exists() and not overwrite:
            raise OutputExistsError(f"{path} exists; give --overwrite to replace it")

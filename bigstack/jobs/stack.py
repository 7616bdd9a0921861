"""The main job: read a stack, fuse it, write the image and whatever else was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import bigstack
from bigstack.errors import InputError, choose
from bigstack.names import FusionMethod


@dataclass
class StackJob:
    """Everything `bigstack stack` can be told; see its help for what each means."""

    inputs: tuple[Path, ...]
    output: Path
    method: FusionMethod = "pyramid"
    align: str = "none"
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the method."""
    reading: dict[str, Any] = field(default_factory=dict)
    """Options of `open_stack`."""
    focus_channel: list[str] | None = None
    depth_out: Path | None = None
    index_out: Path | None = None
    tile: int | None = None
    memory_limit: int = 2 * 10**9
    workers: int | None = None
    processes: bool = False
    scheduler: str | None = None
    scheduler_file: Path | None = None
    overwrite: bool = False
    ngff: str | None = None
    compression: str | None = None
    quality: int | None = None

    @property
    def outputs(self) -> dict[str, Path]:
        """Path of every variable to write."""
        paths = {"image": self.output, "depth": self.depth_out, "index": self.index_out}
        return {name: path for name, path in paths.items() if path is not None}

    def parameters(self) -> dict[str, Any]:
        """What the pixels depend on, for the record: a resumed run must have the same."""
        return {
            "method": self.method,
            "align": self.align,
            "focus_channel": self.focus_channel,
            **{f"option {name}": value for name, value in sorted(self.options.items())},
            **{f"reading {name}": value for name, value in sorted(self.reading.items())},
            "outputs": {name: str(path) for name, path in self.outputs.items()},
        }


@dataclass
class StackResult:
    """What a run did."""

    outputs: dict[str, Path]
    shape: tuple[int, ...]
    dtype: str
    seconds: float
    tiles: int
    skipped: int
    notes: list[str]

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        frames, height, width = self.shape[:3]
        rate = frames * height * width / self.seconds / 1e6
        lines = [f"wrote {path}" for path in self.outputs.values()]
        lines.append(f"{frames} frames of {height} x {width} in {self.seconds:.1f} s, {rate:.0f} Mpix/s of input")
        if self.skipped:
            lines.append(f"{self.skipped} of {self.skipped + self.tiles} tiles were there from an earlier run")
        return lines + (self.notes if verbose else [note for note in self.notes if note.startswith("skipped")])

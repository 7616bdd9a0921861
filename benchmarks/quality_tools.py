"""Other focus stackers, run on frames written as PNG when their program is on PATH.

Each is asked to fuse frames that are aligned already; where alignment or white balance can be switched off,
it is. ChimpStackr has no program of its own: put a script called `chimpstackr-cli` on PATH that runs
`python -m src.cli "$@"` in its checkout.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from quality_methods import Method, Result

TIMEOUT = 600  # seconds a tool may take for one stack


class ToolError(RuntimeError):
    """A tool that gave no usable image; the message names it and says what it said."""


@dataclass(frozen=True)
class Tool:
    """A program: its name on PATH and the command for frames, an output and a depth map (may be ignored)."""

    program: str
    command: Callable[[list[str], str, str], list[str]]


def _enfuse(frames: list[str], output: str, depth: str) -> list[str]:
    weights = ["--exposure-weight=0", "--saturation-weight=0", "--contrast-weight=1", "--hard-mask"]
    return ["enfuse", *weights, f"--output={output}", *frames]


def _focus_stack(frames: list[str], output: str, depth: str) -> list[str]:
    unchanged = ["--no-whitebalance", "--no-contrast", "--nocrop", "--no-opencl"]
    return ["focus-stack", *unchanged, f"--output={output}", f"--depthmap={depth}", *frames]


def _focusweave(frames: list[str], output: str, depth: str) -> list[str]:
    return ["focusweave", str(Path(frames[0]).parent), "--output", output, "--no-align"]


def _chimpstackr(frames: list[str], output: str, depth: str) -> list[str]:
    return ["chimpstackr-cli", "--output", output, "--input", *frames]


TOOLS = {
    "enfuse": Tool("enfuse", _enfuse),
    "focus-stack": Tool("focus-stack", _focus_stack),
    "focusweave": Tool("focusweave", _focusweave),
    "chimpstackr": Tool("chimpstackr-cli", _chimpstackr),
}


def external_methods() -> list[Method]:
    """Every tool as a method; `missing` says which program is not on PATH."""
    return [
        Method(name, _runner(tool), "" if shutil.which(tool.program) else f"{tool.program} is not on PATH")
        for name, tool in TOOLS.items()
    ]


def _runner(tool: Tool) -> Callable[[np.ndarray], Result]:
    def run(frames: np.ndarray) -> Result:
        with tempfile.TemporaryDirectory() as folder:
            return _run(tool, frames, Path(folder))

    return run


def _run(tool: Tool, frames: np.ndarray, folder: Path) -> Result:
    (folder / "frames").mkdir()
    paths = [folder / "frames" / f"frame_{z:04d}.png" for z in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        _write(path, frame)
    output, depth = folder / "fused.png", folder / "depth.png"
    command = tool.command([str(p) for p in paths], str(output), str(depth))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=folder)
    except subprocess.TimeoutExpired:
        raise ToolError(f"{command[0]} was stopped after {TIMEOUT} s") from None
    if done.returncode or not output.exists():
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ToolError(f"{command[0]} gave no image (exit code {done.returncode}): {' / '.join(last)}")
    image = _read(output, frames.shape[3])
    if image.shape != frames.shape[1:]:
        raise ToolError(f"{command[0]} gave an image of {image.shape}, the frames have {frames.shape[1:]}")
    return image, _depth(depth, len(frames))


def _depth(path: Path, frames: int) -> np.ndarray | None:
    """Frame numbers from a depth map whose grey levels run from the first frame to the last."""
    if not path.exists():
        return None
    levels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    return (levels.astype(np.float64) / np.iinfo(levels.dtype).max * (frames - 1)).astype(np.float32)


def _write(path: Path, frame: np.ndarray) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) if frame.shape[2] == 3 else frame)


def _read(path: Path, channels: int) -> np.ndarray:
    if channels == 1:
        return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[..., None]
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

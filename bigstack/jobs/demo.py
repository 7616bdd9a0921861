"""The demonstration: render photographs at known depths, stack them, compare with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from bigstack.errors import InputError, OutputExistsError
from bigstack.jobs.stack import StackJob, StackResult, run_stack
from bigstack.jobs.write import write_image

FILES = ("frames", "fused.png", "depth.tif", "comparison.png")


@dataclass
class DemoResult:
    """What the demonstration made, and how good it is."""

    stacked: StackResult
    comparison: Path
    psnr: float
    psnr_best_frame: float
    ssim: float
    depth_rmse: float
    depth_median: float

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        return [
            *self.stacked.lines(verbose=verbose),
            f"wrote {self.comparison} (one frame, fused image, depth; look at it)",
            f"fused image against the truth: PSNR {self.psnr:.1f} dB (best single frame "
            f"{self.psnr_best_frame:.1f} dB), SSIM {self.ssim:.3f}",
            f"depth against the truth: median error {self.depth_median:.2f} frames, "
            f"RMSE {self.depth_rmse:.2f}",
        ]


def run_demo(folder: Path, *, overwrite: bool = False) -> DemoResult:
    """Render the demonstration's frames into `folder`, stack them there, and measure the result.

    Raises
    ------
    OutputExistsError
        When the folder has results already and `overwrite` is false.
    """
    from bigstack.synthetic import demo_stack

    _clear(folder, overwrite)
    rendered = demo_stack().compute()
    frames = folder / "frames"
    frames.mkdir(parents=True)
    for z, frame in enumerate(rendered.stack):
        write_image(frame, frames / f"frame_{z:02d}.png")
    job = StackJob(
        inputs=(frames,), output=folder / "fused.png", method="depth", depth_out=folder / "depth.tif"
    )
    result = run_stack(job)
    return _measure(rendered, result, folder)


def _clear(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; the demonstration needs a folder")
    there = [name for name in FILES if (folder / name).exists()]
    if there and not overwrite:
        raise OutputExistsError(f"{folder / there[0]} exists; choose another folder, or allow --overwrite")
    for name in there:
        rmtree(folder / name) if name == "frames" else (folder / name).unlink()


def _measure(rendered: Any, result: StackResult, folder: Path) -> DemoResult:
    from bigstack.io.open import open_stack
    from bigstack.kernels.quality import depth_errors, psnr, ssim

    fused = open_stack(folder / "fused.png").values[0]
    depth = open_stack(folder / "depth.tif").values[0, ..., 0]
    truth = rendered.truth.image.values
    frames = rendered.stack.values
    errors = depth_errors(depth, rendered.truth.depth.values)
    comparison = folder / "comparison.png"
    write_image(_side_by_side(frames[len(frames) // 2], fused, depth), comparison)
    return DemoResult(
        result,
        comparison,
        psnr=psnr(fused, truth),
        psnr_best_frame=max(psnr(frame, truth) for frame in frames),
        ssim=ssim(fused, truth),
        depth_rmse=errors.rmse,
        depth_median=float(np.median(np.abs(depth - rendered.truth.depth.values))),
    )


def _side_by_side(frame: np.ndarray, fused: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """One frame, the fused image and the depth in colours, each under its title."""
    import cv2

    span = max(float(depth.max() - depth.min()), 1e-6)
    grey = np.rint((depth - depth.min()) / span * 255).astype(np.uint8)
    colours = cv2.applyColorMap(255 - grey, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    panels = []
    for title, picture in (("one frame", frame), ("fused", fused), ("depth", colours)):
        small = cv2.resize(picture, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
        bar = np.full((36, small.shape[1], 3), 255, np.uint8)
        cv2.putText(bar, title, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 1, cv2.LINE_AA)
        panels.append(np.vstack([bar, small]))
    return np.hstack(panels)

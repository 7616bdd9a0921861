"""Seconds and memory of aligning, and of aligning and fusing; `alignment.py speed` runs it.

Run with the name of a task and a stack, this does that task alone and prints its record.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bigstack.align import apply_alignment, estimate_alignment
from bigstack.geometry.transform import Transform
from bigstack.io.open import open_stack

Record = dict[str, Any]


def speed(shape: tuple[int, int], large: bool, **_: Any) -> list[Record]:
    """Seconds of aligning and fusing, each in a process of its own that tells its peak memory."""
    folder = Path(tempfile.mkdtemp(prefix="bigstack-alignment-"))
    try:
        jpeg = folder / "jpeg"
        write_photos(jpeg, (4000, 6000) if large else shape, 20)
        records = [in_process(what, jpeg) for what in ("align", "align and fuse", "fuse")]
        if large:
            zarr = folder / "stack.zarr"
            write_zarr(zarr, 16384, 20)
            records.append(in_process("align", zarr))
        return records
    finally:
        shutil.rmtree(folder)


def write_photos(folder: Path, shape: tuple[int, int], frames: int) -> None:
    """JPEG frames of a tilted scene that moves and breathes: blurred copies, mixed by defocus."""
    folder.mkdir()
    height, width = shape
    rng = np.random.default_rng(0)
    size = (height * 11 // 10, width * 11 // 10)
    scene = np.full((*size, 3), 120, np.float32)
    for octave in range(8):
        coarse = rng.standard_normal((size[0] // 2**octave + 2, size[1] // 2**octave + 2, 3), np.float32)
        scene += cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC) * (4 * 2 ** (octave * 0.35))
    sigmas = np.array([1.0, 2.5, 5.0, 10.0, 20.0])
    blurred = [cv2.GaussianBlur(scene, (0, 0), sigma) for sigma in sigmas]
    y, x = np.mgrid[: size[0], : size[1]]
    depth = (0.7 * x / size[1] + 0.3 * y / size[0]) * (frames - 1)
    for z in range(frames):
        level = np.interp(1 + np.abs(depth - z) * 1.2, sigmas, np.arange(5)).astype(np.float32)[..., None]
        frame = sum(b * np.maximum(0, 1 - np.abs(level - n)) for n, b in enumerate(blurred))
        shift = tuple(rng.uniform(-0.003, 0.003, 2) * width + np.array([width, height]) / 20)
        move = Transform.similarity(
            shape, shift=shift, scale=1 + 0.003 * (z - frames / 2), rotation=0.4 * np.sin(z)
        )
        seen = cv2.warpAffine(
            frame, move.matrix[:2], (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        seen += 2 * rng.standard_normal(seen.shape, np.float32)
        pixels = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{z:03d}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])


def write_zarr(path: Path, side: int, frames: int) -> None:
    """A Zarr (z, y, x) of grey frames of noise of all scales, shifted against each other by whole pixels."""
    import zarr

    rng = np.random.default_rng(0)
    scene = np.full((side + 64, side + 64), 120, np.float32)
    for octave in range(10):
        coarse = rng.standard_normal(((side + 64) // 2**octave + 2,) * 2, np.float32)
        scene += cv2.resize(coarse, scene.shape[::-1], interpolation=cv2.INTER_LINEAR) * (
            3 * 2 ** (octave * 0.35)
        )
    array = zarr.create_array(
        path,
        shape=(frames, side, side),
        chunks=(1, 1024, 1024),
        dtype="uint8",
        dimension_names=["z", "y", "x"],
    )
    for z in range(frames):
        seen = cv2.GaussianBlur(scene, (0, 0), 0.8 + abs(z - frames / 2) / 5)
        dy, dx = rng.integers(0, 64, 2)
        array[z] = np.clip(seen[dy : dy + side, dx : dx + side], 0, 255).astype(np.uint8)


def in_process(what: str, path: Path) -> Record:
    """Run one task of `speed` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, what, str(path)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def peak_megabytes() -> int:
    """Largest resident memory of this process; ru_maxrss would count what the parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def child(what: str, path: str) -> None:
    """One task of `speed`: prints a record."""
    from bigstack.fusion import fuse

    stack = open_stack(path)
    started, worked = time.perf_counter(), time.process_time()
    if "align" in what:
        alignment = estimate_alignment(stack, on_misaligned="interpolate")
        stack = apply_alignment(stack, alignment)
    if "fuse" in what:
        fuse(stack).image.compute()
    seconds = time.perf_counter() - started
    frames, height, width, _ = stack.shape
    record = {
        "what": f"{what}, {frames} x {height} x {width}{Path(path).suffix or ' jpeg'}",
        "seconds": seconds,
        "seconds a frame": seconds / frames,
        "processor seconds": time.process_time() - worked,
        "Mpixel/s": frames * height * width / 1e6 / seconds,
        "peak MB": peak_megabytes(),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    child(*sys.argv[1:3])

"""How right alignment is, against rendered truth and on photographs, and how fast.

    python benchmarks/alignment.py                    everything but the large runs of speed
    python benchmarks/alignment.py truth bad          only these
    python benchmarks/alignment.py real --photos PATH [--photos PATH ...]
    python benchmarks/alignment.py speed --large      20 JPEG frames of 24 Mpixel, a Zarr 16384 a side

truth   60 frames that breathe by 12 %, turn by 2 degrees, shift by 5 % of the frame, flicker by 20 %, noisy:
        distance in pixels of where the alignment puts the corners of each frame from where they are
bad     the same with a tenth of the frames blurred, black, or showing something half a frame away: which are
        named, and what the others' corners are off by
still   rendered stacks that do not move: do they come back as the exact identity
drift   500 small frames: distance of the last frame's corners from where the first frame's say they are
real    photographs: shifts left between neighbours of blocks that are equally sharp in both, by scikit-image
        alone; what no similarity would mend of them; and the motion left over by OpenCV's ECC
speed   seconds and memory, of aligning, and of aligning and fusing in one pass
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import xarray as xr
from alignment_measures import block_shifts, ecc_shifts, median, unmended
from alignment_speed import speed

from bigstack.align import apply_alignment, estimate_alignment
from bigstack.geometry.alignment import Alignment
from bigstack.geometry.transform import Transform
from bigstack.io.open import open_stack
from bigstack.synthetic import render_stack

Record = dict[str, Any]
SCENES: tuple[tuple[str, float], ...] = (("smooth", 0.3), ("steps", 0.6), ("ramp", 0.3), ("ramp", 0.6))
"""Kind of depth, and pixels of blur radius a frame: the last has places that are 35 px out of focus."""
BAD = ("blurred", "black", "half a frame away")


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(["truth", "bad", "still", "drift", "real", "speed"]))
@click.option("--photos", type=click.Path(path_type=Path), multiple=True, help="Folder of a stack.")
@click.option("--size", default="600x800", help="Height and width of what is rendered.")
@click.option("--frames", default=60, help="Frames of what is rendered.")
@click.option("--seeds", default=2, help="Scenes of each kind.")
@click.option("--large", is_flag=True, help="Speed at full size: needs 8 GB of disk and some minutes.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(
    parts: tuple[str, ...],
    photos: tuple[Path, ...],
    size: str,
    frames: int,
    seeds: int,
    large: bool,
    output: Path | None,
) -> None:
    """Run the benchmarks named, or all."""
    height, width = (int(side) for side in size.split("x"))
    options = {"shape": (height, width), "frames": frames, "seeds": seeds, "photos": photos, "large": large}
    found: dict[str, list[Record]] = {}
    for name, run in RUNS.items():
        if not parts or name in parts:
            found[name] = run(**options)
            if found[name]:
                click.echo(f"\n## {name}")
                click.echo(table(found[name]))
    if output is not None:
        output.write_text(json.dumps(found, indent=1))


def table(records: list[Record]) -> str:
    """Records as a Markdown table."""
    names = list(records[0])
    rows = [[f"{r[n]:.3g}" if isinstance(r[n], float) else str(r[n]) for n in names] for r in records]
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def moving(
    depth: str, blur: float, shape: tuple[int, int], frames: int, seed: int, **options: Any
) -> tuple[xr.DataArray, np.ndarray]:
    """A stack that moves as hands, rails and lenses do, and the transforms from its middle frame."""
    rng = np.random.default_rng(seed)
    t = np.linspace(-0.5, 0.5, frames)
    drift = np.stack([np.sin(4 * t + rng.uniform(0, 6)), np.sin(5 * t + rng.uniform(0, 6))], axis=1)
    shift = (0.04 * drift + 0.01 * rng.uniform(-1, 1, (frames, 2))) * shape
    turn = 2 * t + 0.1 * rng.uniform(-1, 1, frames)
    movement = {"breathing": 0.12, "rotation": turn, "shift": shift, "flicker": 0.2, "noise": (2.0, 0.0)}
    made = render_stack(
        depth=depth, shape=shape, frames=frames, blur_per_frame=blur, seed=seed, **{**movement, **options}
    ).compute()
    return made.stack, made.truth.transform.values


def corner_errors(alignment: Alignment, truth: np.ndarray) -> np.ndarray:
    """Largest distance in pixels of each frame's corners from where they are."""
    back = np.linalg.inv(truth[alignment.reference])
    return np.array(
        [
            frame.transform.corner_distance(Transform.of(t @ back), alignment.shape)
            for frame, t in zip(alignment.frames, truth, strict=True)
        ]
    )


def truth(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Corner errors of all frames of every scene."""
    records = []
    for depth, blur in SCENES:
        for seed in range(seeds):
            stack, transforms = moving(depth, blur, shape, frames, seed)
            start = time.perf_counter()
            alignment = estimate_alignment(stack)
            seconds = time.perf_counter() - start
            errors = corner_errors(alignment, transforms)
            records.append(
                {
                    "scene": f"{depth} {blur:g} px a frame, {seed}",
                    "median px": float(np.median(errors)),
                    "max px": float(errors.max()),
                    "claimed, max px": max(frame.error or 0.0 for frame in alignment.frames),
                    "flagged": len(alignment.flagged),
                    "seconds": seconds,
                }
            )
    return records


def spoil(stack: xr.DataArray, seed: int) -> tuple[xr.DataArray, dict[int, str]]:
    """A tenth of the frames made bad, none of them the reference or at an end; which, and how."""
    rng = np.random.default_rng(seed)
    frames, _, width, _ = stack.shape
    possible = [z for z in range(1, frames - 1) if z != frames // 2]
    chosen = sorted(int(z) for z in rng.choice(possible, max(1, frames // 10), replace=False))
    values = stack.values.copy()
    kinds = {z: BAD[n % len(BAD)] for n, z in enumerate(chosen)}
    for z, kind in kinds.items():
        if kind == "blurred":
            values[z] = cv2.GaussianBlur(values[z], (0, 0), width / 40)
        elif kind == "black":
            values[z] = rng.integers(0, 6, values[z].shape)
        else:
            values[z] = np.roll(values[z], width // 2, axis=1)
    return stack.copy(data=values), kinds


def bad(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Bad frames named, and corner errors of the rest."""
    records = []
    for seed in range(seeds):
        stack, transforms = moving(*SCENES[0], shape, frames, seed)
        broken, kinds = spoil(stack, seed)
        alignment = estimate_alignment(broken, on_misaligned="interpolate")
        errors = corner_errors(alignment, transforms)
        good = [z for z in range(frames) if z not in kinds]
        records.append(
            {
                "seed": seed,
                "bad": len(kinds),
                "named": len(set(kinds) & set(alignment.flagged)),
                "falsely named": len(set(alignment.flagged) - set(kinds)),
                "median px of the rest": float(np.median(errors[good])),
                "max px of the rest": float(errors[good].max()),
            }
        )
    return records


def still(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Exact identity of stacks that do not move."""
    records = []
    for depth, blur in (("smooth", 0.3), ("steps", 0.6), ("bump", 0.6), ("ramp", 0.6)):
        for seed in range(seeds):
            stack, _ = moving(depth, blur, shape, frames, seed, breathing=0.0, rotation=0.0, shift=0.0)
            alignment = estimate_alignment(stack)
            records.append({"scene": f"{depth} {blur:g}, {seed}", "identity": alignment.is_identity})
    return records


def drift(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Error of the last of many small frames against the first."""
    small, many = (shape[0] * 2 // 5, shape[1] * 2 // 5), frames * 500 // 60
    records = []
    for seed in range(seeds):
        stack, transforms = moving("smooth", 0.3 * 60 / 500, small, many, seed, channels=1)
        start = time.perf_counter()
        alignment = estimate_alignment(stack)
        seconds = time.perf_counter() - start
        first, last = (alignment.transforms[z] for z in (0, many - 1))
        right = Transform.of(transforms[-1] @ np.linalg.inv(transforms[0]))
        records.append(
            {
                "frames": many,
                "size": f"{small[0]}x{small[1]}",
                "last to first px": (last @ first.inverse()).corner_distance(right, small),
                "median px": float(np.median(corner_errors(alignment, transforms))),
                "max px": float(corner_errors(alignment, transforms).max()),
                "seconds": seconds,
            }
        )
    return records


def real(photos: tuple[Path, ...], **_: Any) -> list[Record]:
    """Shifts left between neighbours in photographs."""
    records = []
    for folder in photos:
        stack = open_stack(folder)
        alignment = estimate_alignment(stack, on_misaligned="interpolate")
        aligned = apply_alignment(stack, alignment)
        before, after = block_shifts(stack), block_shifts(aligned)
        scales = alignment.decompose()["scale"]
        ends = alignment.transforms[-1] @ alignment.transforms[0].inverse()
        records.append(
            {
                "stack": folder.name,
                "frames": len(alignment),
                "flagged": len(alignment.flagged),
                "scale": float(scales[-1] / scales[0]),
                "corners move px": ends.corner_distance(Transform.identity(), alignment.shape),
                "blocks before": len(before),
                "median px before": median(before[:, 3:]),
                "blocks": len(after),
                "median px left": median(after[:, 3:]),
                "px no similarity mends": median(unmended(after)),
                "ECC px before": float(np.median(ecc_shifts(stack))),
                "ECC px left": float(np.median(ecc_shifts(aligned))),
                "ECC px left, shift and turn": float(np.median(ecc_shifts(aligned, cv2.MOTION_EUCLIDEAN))),
            }
        )
    return records


RUNS: dict[str, Callable[..., list[Record]]] = {
    "truth": truth,
    "bad": bad,
    "still": still,
    "drift": drift,
    "real": real,
    "speed": speed,
}

if __name__ == "__main__":
    main()
